"""Pooling against its definition: enlarge the map to the image, then average the pixels under the mask."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knnclip.parts.pooling import interpolation, mask_weights, pool_means
from knnclip.structures import Mask


def random_masks(rng, shape, count):
    dense = [rng.random(shape) < rng.random() for _ in range(count)]
    return [Mask.from_dense(mask) for mask in dense if mask.any()]


def enlarged(plane, shape):
    """The slow twin: each pixel of the image looks its four cells up."""
    h, w = plane.shape
    out = np.zeros(shape)
    for i in range(shape[0]):
        for j in range(shape[1]):
            y = min(max((i + 0.5) * h / shape[0] - 0.5, 0), h - 1)
            x = min(max((j + 0.5) * w / shape[1] - 0.5, 0), w - 1)
            y0, x0 = int(y), int(x)
            y1, x1 = min(y0 + 1, h - 1), min(x0 + 1, w - 1)
            top = plane[y0, x0] * (1 - (x - x0)) + plane[y0, x1] * (x - x0)
            bottom = plane[y1, x0] * (1 - (x - x0)) + plane[y1, x1] * (x - x0)
            out[i, j] = top * (1 - (y - y0)) + bottom * (y - y0)
    return out


@settings(deadline=None, max_examples=80)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
)
def test_means_are_those_of_the_enlarged_map(seed, shape, grid):
    rng = np.random.default_rng(seed)
    masks = random_masks(rng, shape, 4)
    maps = rng.standard_normal((3, *grid))
    expected = np.array([[enlarged(plane, shape)[mask.to_dense()].mean() for plane in maps] for mask in masks])
    found = pool_means(mask_weights(masks, shape, grid), maps)
    np.testing.assert_allclose(found, expected.reshape(len(masks), 3), atol=1e-12)


@pytest.mark.parametrize("layout", ["tiles", "corners"])
@pytest.mark.parametrize(("size", "cells"), [(1, 1), (1, 5), (5, 1), (4, 4), (9, 4), (4, 9)])
def test_interpolation_agrees_with_torch(size, cells, layout):
    from torch import from_numpy
    from torch.nn.functional import interpolate

    eye = from_numpy(np.eye(cells)[:, None, None, :])  # (cells, 1, 1, cells)
    expected = interpolate(eye, size=(1, size), mode="bilinear", align_corners=layout == "corners")[:, 0, 0].numpy().T
    np.testing.assert_allclose(interpolation(size, cells, layout), expected, atol=1e-12)


@pytest.mark.parametrize("grid", [(20, 30), (5, 7), (40, 31)])
def test_a_row_is_the_same_to_the_bit_whatever_the_other_masks(grid):
    rng = np.random.default_rng(3)
    masks = random_masks(rng, (20, 30), 6)
    maps = rng.standard_normal((4, *grid)).astype(np.float32)
    together = pool_means(mask_weights(masks, (20, 30), grid), maps)
    for index in (0, 3, 5):
        alone = pool_means(mask_weights([masks[index]], (20, 30), grid), maps)
        np.testing.assert_array_equal(alone[0], together[index])


def test_weights_of_a_mask_sum_to_one():
    masks = random_masks(np.random.default_rng(1), (17, 23), 5)
    for grid in ((17, 23), (4, 6), (1, 1), (30, 50)):
        np.testing.assert_allclose(mask_weights(masks, (17, 23), grid).sum(axis=1), 1)


def test_no_masks_and_no_maps():
    assert pool_means(mask_weights([], (4, 5), (4, 5)), np.zeros((3, 4, 5))).shape == (0, 3)
    one = mask_weights([Mask.from_dense(np.ones((4, 5)))], (4, 5), (2, 2))
    assert pool_means(one, []).shape == (1, 0)
