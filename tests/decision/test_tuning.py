"""What is chosen, and what is left to chance."""

from dataclasses import replace

import numpy as np
import pytest

from knnclip.decision.discriminant import DiscriminantSettings
from knnclip.decision.retrieval import VoteSettings
from knnclip.decision.tuning import AIMS, AXES, Deciding, _difference, aim_by_name, best_settings
from knnclip.errors import UsageError
from knnclip.knowledge import Census, ClassMoments, LeftOut
from knnclip.structures import Neighbors
from knnclip.vocabulary import ClassInfo, Vocabulary

START = Deciding(VoteSettings(k=4, tau=0.04, balance=0.5), DiscriminantSettings(weight=0.0))
VOCABULARY = Vocabulary.of(ClassInfo(i, f"{i}", True, (0, 0, 0)) for i in (1, 2))
CENSUS = Census(np.array([32, 16]), np.array([32, 1]))


def left_out(class_id, neighbor_classes, similarity=0.5, seed=0, areas=1, groups=16):
    """Q instances whose neighbours, all alike, are of the classes of a row each; those of class 2 of one image."""
    class_id, of = np.array(class_id), np.array(neighbor_classes)
    n, k = of.shape
    ids = np.arange(n * k).reshape(n, k)
    similarity = np.broadcast_to(np.float32(similarity), of.shape).copy()
    neighbors = Neighbors(similarity, ids, of, ids, np.ones(of.shape, np.float32))
    vectors = np.random.default_rng(seed).normal(size=(n, 3)).astype(np.float32)
    moments = ClassMoments(np.array([8.0, 8.0]), np.zeros((2, 3)), np.eye(3) * 16, 8)
    group = np.arange(n) % groups
    area = np.broadcast_to(areas, n).astype(np.int64)
    return LeftOut(neighbors, class_id, vectors, area, np.ones(n), group % 4, group, (moments,) * 4)


def chosen(parts, start=START, aim="classes"):
    *_, last = best_settings(parts, VOCABULARY, CENSUS, start, aim)
    return last


def test_a_balance_that_answers_rightly_takes_the_place_of_one_that_does_not():
    # Two neighbours of the class of 32 images, one of the class of a single one: 2 / 32^b against 1.
    parts = [left_out([1] * 64 + [2] * 64, [[1, 1, 1, 1]] * 64 + [[1, 2, 2, 2]] * 64)]
    assert chosen(parts).settings.vote.balance == START.vote.balance, "right already"
    wrong = [left_out([1] * 128, [[1, 1, 2, 0]] * 128)]
    found = chosen(wrong)
    assert found.settings.vote.balance == 0.0
    assert found.gain > 50
    assert found.asked == 128


def test_a_gain_that_one_group_of_images_alone_brings_is_chance():
    ours = np.tile([[[1.0], [2.0], [1.0]]], (16, 1, 1))
    theirs = ours.copy()
    theirs[0, 0] -= 0.5
    gain, error = _difference([ours], [theirs], "masks")
    assert 0 < gain < 1.05 * error
    even = ours.copy()
    even[:, 0] -= 0.5 / 16
    same, none = _difference([ours], [even], "masks")
    assert same == pytest.approx(gain)
    assert none == pytest.approx(0, abs=1e-9)


def test_the_error_is_the_jackknife_of_a_mean():
    """Of the share of right ones in groups of equal size it is the standard error of the groups' mean."""
    rng = np.random.default_rng(0)
    hits = rng.integers(0, 11, (16, 1)).astype(float)
    ours = np.stack([hits, np.full((16, 1), 10.0), hits], axis=1)
    theirs = np.stack([0 * hits, np.full((16, 1), 10.0), hits], axis=1)
    gain, error = _difference([ours], [theirs], "masks")
    assert gain == pytest.approx(10 * hits.mean())
    assert error == pytest.approx(10 * hits.std(ddof=1) / 4)


def test_a_few_instances_move_nothing():
    few = [left_out([1, 2, 1, 1], [[1, 2, 2, 2], [2, 2, 1, 1], [2, 2, 1, 1], [1, 1, 1, 2]], groups=2)]
    assert chosen(few).settings == START
    assert chosen([left_out(np.zeros(0, int), np.zeros((0, 4), int))]).settings == START
    assert chosen([]).settings == START


@pytest.mark.parametrize(("aim", "balance"), [("masks", 0.5), ("pixels", 0.0)])
def test_the_aim_decides_what_counts(aim, balance):
    """With balance 0 large masks are right and the many small ones are not."""
    truth, of = [1] * 32 + [2] * 96, [[1, 1, 2, 0]] * 128
    areas = np.array([1000] * 32 + [10] * 96)
    assert chosen([left_out(truth, of, areas=areas)], aim=aim).settings.vote.balance == balance


def test_every_way_of_leaving_out_counts_alike():
    """What is better by as much in one way as it is worse in the other is no better."""
    one, other = left_out([1] * 128, [[1, 1, 2, 0]] * 128), left_out([2] * 128, [[1, 1, 2, 0]] * 128)
    assert chosen([one]).settings.vote.balance == 0.0
    assert chosen([one, other], aim="masks").settings == START


def test_where_the_discriminant_has_no_say_its_settings_stay():
    found = chosen([left_out([1] * 128, [[1, 1, 2, 0]] * 128)])
    assert found.settings.discriminant == START.discriminant
    rank = replace(START, vote=replace(START.vote, weight="rank"))
    assert chosen([left_out([1] * 128, [[1, 1, 2, 0]] * 128)], rank).settings.vote.tau == START.vote.tau


def test_a_discriminant_that_is_right_against_the_votes_becomes_sharper():
    start = replace(START, discriminant=DiscriminantSettings(sharpness=0.1))
    rng = np.random.default_rng(0)
    truth = np.repeat([1, 2], 200)
    drawn = left_out(truth, [[1, 1, 2, 2]] * 400)
    vectors = (rng.normal(size=(400, 3)) + np.where(truth == 1, 0.7, -0.7)[:, None] * np.eye(3)[0]).astype(np.float32)
    sums = np.array([[70.0, 0, 0], [-70.0, 0, 0]])
    moments = ClassMoments(np.array([100.0, 100.0]), sums, np.eye(3) * 200 + np.diag([98.0, 0, 0]), 50)
    parts = [replace(drawn, vectors=vectors, moments=(moments,) * 4)]
    found = chosen(parts, start, "masks")
    assert found.settings.discriminant.sharpness > 0.1 or found.settings.vote.balance < 0.5
    assert found.gain > 5


def test_each_axis_reads_what_it_sets():
    for axis in AXES:
        for value in axis.values:
            assert axis.value(axis.at(START, value)) == value


def test_an_aim_is_one_of_three():
    assert [aim_by_name(name) for name in AIMS] == list(AIMS)
    with pytest.raises(UsageError, match="classes, pixels, masks, found 'speed'"):
        aim_by_name("speed")
