"""The order of review, and what it is made of."""

from types import SimpleNamespace

import numpy as np
import pytest

from knnclip.projects.review import GREEDY, descriptor, novelty, spread


def units(*rows):
    vectors = np.array(rows, dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


NONE = np.zeros((0, 2), dtype=np.float32)


@pytest.mark.parametrize(
    ("need", "seen", "order"),
    [
        ([1, 1, 1], NONE, [0, 2, 1]),  # spread: the one that is unlike the first goes before the one that is like it
        ([1, 2, 1], NONE, [1, 2, 0]),  # where most is to be learned goes first
        ([1, 1, 1], units([1, 0]), [2, 1, 0]),  # what is like a checked one goes last
        ([0, 0, 0], NONE, [0, 2, 1]),  # spreading counts where nothing is to be learned
    ],
)
def test_need_times_distance(need, seen, order):
    vectors = units([1, 0], [1, 0.2], [0, 1])
    assert spread(vectors, np.array(need, dtype=np.float64), seen) == order


def test_every_picture_is_there_once_however_many_there_are():
    rng = np.random.default_rng(0)
    count = GREEDY + 50
    order = spread(units(*rng.normal(size=(count, 4))), rng.random(count), NONE)
    assert sorted(order) == list(range(count))
    assert spread(NONE, np.zeros(0), NONE) == []


def test_a_descriptor_is_the_mean_by_area():
    vectors = units([1, 0], [0, 1])
    assert descriptor(vectors, np.array([3, 1])) == pytest.approx(units([3, 1])[0])
    assert descriptor(NONE, np.zeros(0, dtype=np.int64)).tolist() == [0, 0]


def test_novelty_is_the_distance_to_the_nearest_by_area():
    def segment(area, *similarities):
        return SimpleNamespace(
            mask=SimpleNamespace(area=area), evidence=[SimpleNamespace(similarity=value) for value in similarities]
        )

    assert novelty(SimpleNamespace(segments=())) == 1.0
    answer = SimpleNamespace(segments=(segment(30, 0.9, 0.1), segment(10)))
    assert novelty(answer) == pytest.approx(1 - 0.9 * 0.75)
