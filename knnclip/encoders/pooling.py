"""Exact mask pooling: the mean of feature maps over the pixels of masks, shared by all encoders.

A map may be coarser than the image. Its values are then taken as if it had been enlarged to the image bilinearly
(pixel centres at half-integers, edges repeated, as in ``torch.nn.functional.interpolate`` with
``align_corners=False``), but without making the enlarged map: the interpolation is linear, so it is moved from the
map to the mask, ``mean = sum over cells of (Ry' m Rx)(cell) map(cell) / area`` with the (H, h) and (W, w)
interpolation matrices Ry and Rx.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from knnclip.structures import Mask

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Float64 = NDArray[np.float64]


def mask_weights(masks: Sequence[Mask], shape: tuple[int, int], grid: tuple[int, int]) -> csr_array:
    """The share of each cell of an ``(h, w)`` grid over the ``(H, W)`` image in the mean over each mask.

    ``(N, h * w) float64``, rows sum to 1. A row depends on its own mask alone, to the bit.
    """
    from scipy.sparse import csr_array

    ry, rx = interpolation(shape[0], grid[0]), interpolation(shape[1], grid[1])
    cells, values, ends = [np.zeros(0, dtype=np.int64)], [np.zeros(0)], [0]
    for mask in masks:
        rows, columns = mask.slices
        spread = mask.crop.astype(np.float64) if grid == shape else ry[rows].T @ mask.crop @ rx[columns]
        ys, xs = np.nonzero(spread)
        values.append(spread[ys, xs] / mask.area)
        if grid == shape:
            ys, xs = ys + rows.start, xs + columns.start
        cells.append(ys * grid[1] + xs)
        ends.append(ends[-1] + len(ys))
    entries = (np.concatenate(values), np.concatenate(cells), np.array(ends))
    return csr_array(entries, shape=(len(masks), grid[0] * grid[1]))


def pool_means(weights: csr_array, maps: Iterable[NDArray[np.floating]]) -> Float64:
    """``(N, C)``: the mean of each of C ``(h, w)`` maps over each of N masks, by the weights of ``mask_weights``."""
    columns = [weights @ plane.ravel() for plane in maps]
    return np.stack(columns, axis=1) if columns else np.zeros((weights.shape[0], 0))


def interpolation(size: int, cells: int) -> Float64:
    """``(size, cells)``: the weight of each cell in each pixel when a row of cells is enlarged bilinearly to pixels."""
    at = np.clip((np.arange(size) + 0.5) * cells / size - 0.5, 0, cells - 1)
    left = np.minimum(np.floor(at).astype(np.int64), max(cells - 2, 0))
    share = at - left
    matrix = np.zeros((size, cells))
    matrix[np.arange(size), left] += 1 - share
    matrix[np.arange(size), np.minimum(left + 1, cells - 1)] += share
    return matrix
