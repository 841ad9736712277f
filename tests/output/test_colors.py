"""Colours of classes: apart for every kind of sight, and steady."""

import numpy as np
import pytest

from knnclip.output.colors import (
    CLEAR_DISTANCE,
    CLEAR_TO_MOST,
    UNKNOWN_COLOR,
    lab_by_sight,
    unknown_color,
    with_distinct_colors,
)
from knnclip.vocabulary import ClassInfo, Vocabulary, default_color


def vocabulary(count):
    names = [f"class {i}" for i in range(count)]
    return Vocabulary.of(ClassInfo(i + 1, name, True, default_color(name)) for i, name in enumerate(names))


def colors(classes):
    return np.array([info.color for info in classes])


def clearance(rgb):
    """The distance of the two nearest of some colours, for the sight that confuses them most."""
    labs = lab_by_sight(rgb)
    distances = np.linalg.norm(labs[:, None] - labs[None], axis=-1).min(axis=-1)
    return distances[~np.eye(len(labs), dtype=bool)].min()


@pytest.mark.parametrize(
    ("pair", "least", "most"),
    [
        (((0, 0, 0), (255, 255, 255)), 0.99, 1.01),
        (((10, 20, 30), (10, 20, 30)), 0.0, 0.0),
        (((200, 60, 60), (120, 110, 40)), 0.0, 0.09),  # red and olive: the same to a protanope or deuteranope
        (((0, 114, 178), (230, 159, 0)), 0.15, 1.0),  # the blue and orange that everybody tells apart
    ],
)
def test_distances_are_those_of_the_sight_that_confuses_most(pair, least, most):
    assert least <= clearance(np.array(pair)) <= most


def test_a_dozen_classes_are_told_apart_by_everybody():
    assert clearance(colors(vocabulary(12))) < CLEAR_DISTANCE / 2, "names alone give colours that are confused"
    assert clearance(colors(with_distinct_colors(vocabulary(12)))) >= CLEAR_DISTANCE


def test_a_new_class_recolours_none():
    before = {info.name: info.color for info in with_distinct_colors(vocabulary(30))}
    after = {info.name: info.color for info in with_distinct_colors(vocabulary(31))}
    assert before.items() <= after.items()


def test_clear_colours_and_everything_else_are_kept():
    given = Vocabulary.of(
        [ClassInfo(4, "sea", False, (0, 114, 178), ("ocean",)), ClassInfo(9, "sun", True, (230, 159, 0))]
    )
    assert with_distinct_colors(given) == given
    assert with_distinct_colors(Vocabulary(())) == Vocabulary(())


def test_more_classes_than_colours_still_have_one_each():
    assert len(with_distinct_colors(vocabulary(400))) == 400


def test_to_full_sight_colours_are_farther_apart_still():
    labs = lab_by_sight(colors(with_distinct_colors(vocabulary(12))))[:, 0]
    distances = np.linalg.norm(labs[:, None] - labs[None], axis=-1)
    assert distances[~np.eye(12, dtype=bool)].min() >= CLEAR_TO_MOST


CAMVID = {"Sky": (128, 128, 128), "Building": (128, 0, 0), "Tree": (128, 128, 0), "Pedestrian": (64, 64, 0)}


def test_chosen_colours_stay_and_others_give_way_to_them():
    given = [ClassInfo(i, name, False, color, keeps_color=True) for i, (name, color) in enumerate(CAMVID.items(), 2)]
    new = ClassInfo(1, "soil", False, (128, 0, 0))
    shown = {info.name: info.color for info in with_distinct_colors(Vocabulary.of([*given, new]))}
    assert {name: shown[name] for name in CAMVID} == CAMVID
    assert shown["soil"] != (128, 0, 0)


def test_what_is_unknown_has_no_classes_colour():
    sky = ClassInfo(1, "Sky", False, CAMVID["Sky"], keeps_color=True)
    beside = unknown_color(Vocabulary.of([sky]))
    assert clearance(np.array([beside, sky.color])) >= CLEAR_DISTANCE
    assert unknown_color(Vocabulary(())) == UNKNOWN_COLOR
    assert (
        len({unknown_color(Vocabulary.of([ClassInfo(1, "a", False, color)])) for color in [(9, 9, 9), (200, 0, 0)]})
        == 1
    )
