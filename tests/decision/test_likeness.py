"""What is like nothing stored: by its nearest instance, by the discriminant's energy, by both."""

import numpy as np
import pytest

from knnclip.decision.fusion import FusionSettings, fuse
from knnclip.decision.likeness import LEAST_ASKED, REACH, EnergyLevel, energy_level, likeness, standing
from knnclip.decision.retrieval import UNTRIED
from knnclip.knowledge import Census, Levels
from knnclip.structures import Posterior

KNOWN = Levels(np.array([0.5, 0.2], np.float32), np.array([0.8, 0.3], np.float32), known=True)
NOTHING_KNOWN = Levels(np.zeros(1, np.float32), np.zeros(1, np.float32), known=False)


def retrieved(probabilities, similarity):
    p, s = np.atleast_2d(np.array(probabilities, np.float32)), np.atleast_2d(np.array(similarity, np.float32))
    return Posterior(p, s, (p > 0).astype(np.int64))


def census(*rows):
    return Census(np.array(rows), np.array(rows))


@pytest.mark.parametrize(
    ("similarity", "energy", "z"),
    [
        ((0.9, 0.1), None, 0),  # more than typical of the class that is preferred
        ((0.8, 0.1), None, 0),
        ((0.5, 0.9), None, -1),  # at its floor; how like the other class it is does not count
        ((0.35, 0.1), None, -1.5),
        ((-1, 0.1), None, -6),
        ((-np.inf, 0.1), None, -6),
        ((0.9, 0.1), 0.7, 0),
        ((0.9, 0.1), -1.5, -1.5),  # near, but not where the classes lie
        ((0.35, 0.1), 0.7, -1.5),  # where the classes lie, but not near
        ((0.35, 0.1), -1.0, -1.5),
        ((0.9, 0.1), -9.0, -9),
        ((0.9, 0.1), -np.inf, -np.inf),
    ],
)
def test_the_lesser_of_nearness_and_energy_decides(similarity, energy, z):
    e = None if energy is None else np.array([energy])
    found = likeness(retrieved([0.7, 0.3], similarity), KNOWN, census(3, 3), e)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [max(1 + z / REACH, 0)], atol=1e-6)


def test_a_sure_vote_is_unknown_from_half_of_the_reach_on():
    """Which lies below the floor: of a store's own instances fewer than one in twenty would be unknown."""
    p = retrieved([1.0, 0.0], [0.9, 0.1])
    for beyond, unknown in ((0.99, False), (1.01, True)):
        g = likeness(p, KNOWN, census(3, 3), np.array([-beyond * REACH / 2]))
        final = fuse(None, p, g, KNOWN, census(3, 3), UNTRIED, FusionSettings()).final[0]
        assert (1 - final.sum() > final.max()) == unknown
    assert REACH / 2 > 1


def test_instances_that_are_all_alike_make_a_step():
    same = Levels(np.array([0.8], np.float32), np.array([0.8], np.float32), known=True)
    found = [likeness(retrieved([1.0], [s]), same, census(3))[0] for s in (0.81, 0.8, 0.79)]
    assert found == [1, 1, 0]


def test_a_single_click_does_not_flood_what_is_unlike_it():
    """With one class every vote is for it, and how alike its rows are is not known yet."""
    posterior = retrieved([[1.0], [1.0]], [[0.55], [0.98]])
    g = likeness(posterior, NOTHING_KNOWN, census(1))
    unlike, like = fuse(
        np.zeros((2, 1), np.float32), posterior, g, NOTHING_KNOWN, census(1), UNTRIED, FusionSettings()
    ).final[:, 0]
    assert unlike < 0.2
    assert like > 0.9


@pytest.mark.parametrize(("classes", "least"), [(1, 0), (4, 0.5), (100, 0.9)])
def test_where_no_level_is_known_a_choice_says_something(classes, least):
    found = likeness(retrieved([1.0], [-1.0]), NOTHING_KNOWN, census(*[1] * classes))
    np.testing.assert_allclose(found, [least])


def test_without_classes_nothing_is_like_them():
    empty = Posterior(np.zeros((3, 0), np.float32), np.zeros((3, 0), np.float32), np.zeros((3, 0), np.int64))
    np.testing.assert_array_equal(likeness(empty, KNOWN, census()), np.zeros(3))


def test_the_level_of_energies_is_their_median_and_what_one_in_twenty_does_not_reach(rng):
    energy = rng.normal(size=1000)
    level = energy_level(energy)
    assert np.mean(energy < level.floor) == pytest.approx(0.05)
    assert np.mean(energy < level.typical) == pytest.approx(0.5)
    np.testing.assert_allclose(standing(np.array([level.typical, level.floor]), level), [0, -1], atol=1e-12)


def test_a_handful_of_energies_is_no_level():
    assert energy_level(np.zeros(LEAST_ASKED - 1)) is None
    assert energy_level(np.zeros(LEAST_ASKED)) == EnergyLevel(0, 0)


def test_equal_energies_make_a_step():
    assert standing(np.array([-1.0, 0.0, 1.0]), EnergyLevel(0, 0)).tolist() == [-1e6, 0, 1e6]
