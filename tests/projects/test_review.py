"""The order of review, and what it is made of."""

from types import SimpleNamespace

import numpy as np
import pytest

from knnclip.projects.review import GREEDY, WITNESSES, descriptor, novelty, spread


def units(*rows):
    vectors = np.array(rows, dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


NONE = np.zeros((0, 2), dtype=np.float32)


# Three that look alike, two that look alike in another way, and one that is like none.
FOLDER = units([1, 0, 0], [1, 0.1, 0], [1, 0.2, 0], [0, 1, 0], [0, 1, 0.1], [0, 0, 1])


@pytest.mark.parametrize(
    ("need", "seen", "first"),
    [
        ([1, 1, 1, 1, 1, 1], FOLDER[:0], [{0, 1, 2}, {3, 4}, 5]),  # what many are like, then the others
        ([1, 1, 1, 1, 1, 9], FOLDER[:0], [5]),  # where most is to be learned counts most
        ([1, 1, 1, 1, 1, 1], FOLDER[:3], [{3, 4}, 5]),  # what is like a checked one waits
        ([0, 0, 0, 0, 0, 0], FOLDER[:0], [{0, 1, 2}, {3, 4}, 5]),  # spreading counts where nothing is to be learned
    ],
)
def test_what_most_of_what_is_unknown_is_like_goes_first(need, seen, first):
    order = spread(FOLDER, np.array(need, dtype=np.float64), seen)
    for found, wanted in zip(order, first, strict=False):
        assert found in (wanted if isinstance(wanted, set) else {wanted})


def test_every_picture_is_there_once_however_many_there_are():
    rng = np.random.default_rng(0)
    count = GREEDY + WITNESSES
    order = spread(units(*rng.normal(size=(count, 2))), rng.random(count), NONE)
    assert sorted(order) == list(range(count))
    assert spread(NONE, np.zeros(0), NONE) == []
    alike = units([1, 1], [1, 1])
    assert spread(alike, np.ones(2), alike) == [0, 1]


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
