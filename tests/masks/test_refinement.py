"""Borders of reduced labels at the image's own size."""

import numpy as np
import pytest

from knnclip.masks.refinement import refined


def scene(factor, height=60, width=80):
    """An image of a disc and a slanting pole, its true labels, and those of its reduction."""
    ys, xs = (np.mgrid[: height * factor, : width * factor] + 0.5) / factor
    truth = np.where((xs - 25) ** 2 + (ys - 30) ** 2 < 16**2, 1, 0)
    truth[np.abs(xs - 60 - 0.2 * (ys - 30)) < 1.2] = 2
    colours = np.array([(70, 110, 150), (180, 90, 60), (30, 30, 25)])
    noise = np.random.default_rng(0).normal(0, 5, (*truth.shape, 3))
    image = np.clip(colours[truth] + noise, 0, 255).astype(np.uint8)
    return image, truth, truth[factor // 2 :: factor, factor // 2 :: factor].astype(np.int32)


def enlarged(labels, factor):
    return np.kron(labels, np.ones((factor, factor), np.int32))


@pytest.mark.parametrize("factor", [2, 3, 5, 8])
def test_borders_follow_the_edges_of_the_image(factor):
    image, truth, reduced = scene(factor)
    found = refined(reduced, image)
    assert found.shape == truth.shape
    assert found.dtype == np.int32
    steps = (enlarged(reduced, factor) != truth).sum()
    assert (found != truth).sum() < steps / 2
    pole = truth == 2
    assert (found[pole] == 2).mean() > 0.9


def test_only_pixels_near_a_border_change():
    image, _, reduced = scene(6)
    changed = refined(reduced, image) != enlarged(reduced, 6)
    ys, xs = np.nonzero(changed)
    for y, x in zip(ys[::97], xs[::97], strict=True):
        near = reduced[max(y // 6 - 3, 0) : y // 6 + 4, max(x // 6 - 3, 0) : x // 6 + 4]
        assert len(np.unique(near)) > 1


@pytest.mark.parametrize("shape", [(7, 9), (1, 50), (50, 1), (61, 83), (130, 40)])
def test_any_size_and_noise_keep_labels_that_were_there(shape):
    rng = np.random.default_rng(1)
    reduced = rng.integers(0, 9, (max(1, shape[0] // 3), max(1, shape[1] // 3))).astype(np.int32)
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    found = refined(reduced, image)
    assert found.shape == shape
    assert set(np.unique(found)) <= set(np.unique(reduced))
    np.testing.assert_array_equal(found, refined(reduced.copy(), image.copy()))
