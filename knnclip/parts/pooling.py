"""Exact mask pooling: the mean of feature maps over the pixels of masks, shared by all encoders.

A map may be coarser than the image. Its values are then taken as if it had been enlarged to the image bilinearly, but
without making the enlarged map: the interpolation is linear, so it is moved from the map to the mask,
``mean = sum over cells of (Ry' m Rx)(cell) map(cell) / area`` with the (H, h) and (W, w) interpolation matrices Ry and
Rx. So even a mask that is smaller than a cell has a mean, that of the cells around it.

Where the cells lie depends on the network: over ``tiles`` of the image (pixel centres at half-integers, edges repeated,
as in ``torch.nn.functional.interpolate`` with ``align_corners=False``), or from corner pixel to corner pixel
(``corners``, ``align_corners=True``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from knnclip.structures import Layout, Mask

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Float64 = NDArray[np.float64]


def mask_weights(
    masks: Sequence[Mask], shape: tuple[int, int], grid: tuple[int, int], layout: Layout = "tiles"
) -> csr_array:
    """The share of each cell of an ``(h, w)`` grid over the ``(H, W)`` image in the mean over each mask.

    ``(N, h * w) float64``, rows sum to 1. A row depends on its own mask alone, to the bit. ``shape`` is that of the
    image that the N masks are of, ``layout`` where the cells of the grid lie.
    """
    from scipy.sparse import csr_array

    ry, rx = interpolation(shape[0], grid[0], layout), interpolation(shape[1], grid[1], layout)
    cells, values, ends = [np.zeros(0, dtype=np.int64)], [np.zeros(0)], [0]
    for mask in masks:
        rows, columns = mask.slices
        if grid == shape:
            spread: Float64 = mask.crop.astype(np.float64)
            top, left = rows.start, columns.start
        else:
            (down, top), (across, left) = _touched(ry[rows]), _touched(rx[columns])
            spread = np.asarray(down.T @ (mask.crop @ across), dtype=np.float64)
        ys, xs = np.nonzero(spread)
        values.append(spread[ys, xs] / mask.area)
        cells.append((ys + top) * grid[1] + xs + left)
        ends.append(ends[-1] + len(ys))
    entries = (np.concatenate(values), np.concatenate(cells), np.array(ends))
    return csr_array(entries, shape=(len(masks), grid[0] * grid[1]))


def pool_means(weights: csr_array, maps: Iterable[NDArray[np.floating]]) -> Float64:
    """``(N, C)``: the mean of each of C ``(h, w)`` maps over each of N masks, by the weights of ``mask_weights``."""
    columns = [weights @ plane.ravel() for plane in maps]
    return np.stack(columns, axis=1) if columns else np.zeros((weights.shape[0], 0))


def resampling(new: int, old: int, layout: Layout = "tiles") -> Float64:
    """``(new, old)``: how the cells of a line become others: interpolated where there are more, else averaged."""
    if new >= old:
        return interpolation(new, old, layout)
    edges = np.linspace(0, old, new + 1)
    below, above = edges[:-1, None], edges[1:, None]
    covered = np.clip(np.minimum(above, np.arange(1, old + 1)) - np.maximum(below, np.arange(old)), 0, None)
    shares: Float64 = covered / covered.sum(axis=1, keepdims=True)
    return shares


def _touched(weights: Float64) -> tuple[Float64, int]:
    """The columns between the first and the last that are not zero, and the first one's number."""
    columns = np.flatnonzero(weights.any(axis=0))
    return weights[:, columns[0] : columns[-1] + 1], int(columns[0])


def interpolation(size: int, cells: int, layout: Layout = "tiles") -> Float64:
    """``(size, cells)``: the weight of each cell in each pixel when a row of cells is enlarged bilinearly to pixels."""
    pixels = np.arange(size, dtype=np.float64)
    scaled = (pixels + 0.5) * cells / size - 0.5 if layout == "tiles" else pixels * ((cells - 1) / max(size - 1, 1))
    at = np.clip(scaled, 0, cells - 1)
    left = np.minimum(np.floor(at).astype(np.int64), max(cells - 2, 0))
    share = at - left
    matrix = np.zeros((size, cells))
    matrix[np.arange(size), left] += 1 - share
    matrix[np.arange(size), np.minimum(left + 1, cells - 1)] += share
    return matrix
