"""Intervals against the exact bootstrap, and what they must not depend on."""

import numpy as np
import pytest

from knnclip.evaluation.record import cells_of
from knnclip.metrics.bootstrap import DRAWS, Bootstrap, interval_of, times_drawn


def images(rng, count, classes=3, hard=None):
    """Confusions whose accuracy differs from image to image."""
    found = {}
    for number in range(count):
        matrix = np.zeros((classes, classes + 1), np.int64)
        share = rng.beta(6, 3) if hard is None else hard
        for c in range(classes):
            right = rng.binomial(1000, share)
            matrix[c, c] = right
            matrix[c, (c + 1) % (classes + 1)] += 1000 - right
        found[f"{number}.jpg"] = matrix
    return found


def drawn(confusions):
    bootstrap = Bootstrap(3)
    for ref, matrix in confusions.items():
        bootstrap.add(ref, cells_of(matrix))
    return bootstrap


def exact(confusions, rng, draws=2000):
    """mIoU of sets of as many images, drawn with replacement."""
    stack = np.stack(list(confusions.values()))
    values = []
    for _ in range(draws):
        total = stack[rng.integers(0, len(stack), len(stack))].sum(axis=0)
        hit = np.diagonal(total)
        values.append((hit / (total.sum(axis=1) + total[:, :-1].sum(axis=0) - hit)).mean())
    return interval_of(np.array(values))


def test_the_interval_is_that_of_the_exact_bootstrap(rng):
    confusions = images(rng, 60)
    fast, slow = drawn(confusions).interval(), exact(confusions, rng)
    width = slow.high - slow.low
    assert fast.low == pytest.approx(slow.low, abs=0.15 * width)
    assert fast.high == pytest.approx(slow.high, abs=0.15 * width)


def test_order_and_parts_do_not_matter(rng):
    confusions = images(rng, 10)
    backwards = dict(reversed(confusions.items()))
    np.testing.assert_array_equal(drawn(confusions).miou(), drawn(backwards).miou())


def test_images_are_drawn_once_on_average_and_independently():
    counts = np.stack([times_drawn(str(n)) for n in range(200)])
    assert counts.shape == (200, DRAWS)
    assert counts.mean() == pytest.approx(1, abs=0.01)
    assert counts.var() == pytest.approx(1, abs=0.02)
    assert abs(np.corrcoef(counts[:2])[0, 1]) < 0.15


def test_two_settings_are_compared_on_the_same_draws(rng):
    worse = images(rng, 40)
    better = {}
    for ref, matrix in worse.items():  # a little better on every image
        better[ref] = matrix.copy()
        for c in range(3):
            better[ref][c, (c + 1) % 4] -= 20
            better[ref][c, c] += 20
    gain = drawn(better).difference(drawn(worse))
    assert 0 < gain.low < gain.high
    assert gain.high - gain.low < 0.2 * (drawn(worse).interval().high - drawn(worse).interval().low)


def test_a_gain_that_differs_from_image_to_image_is_uncertain(rng):
    """Two settings of the same mean and spread, each better on half of the images."""
    one = images(rng, 40)
    names, matrices = list(one), list(one.values())
    other = dict(zip(names, matrices[20:] + matrices[:20], strict=True))
    gain, interval = drawn(one).difference(drawn(other)), drawn(one).interval()
    assert gain.low < 0 < gain.high
    assert gain.high - gain.low > interval.high - interval.low


def test_one_image_has_no_interval(rng):
    assert np.isnan(drawn(images(rng, 1)).interval().low)
