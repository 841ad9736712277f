"""Feature maps -> one map of cells in the space of the masks' vectors.

A mask's vector is made of the means of the maps over the mask: a unit vector of each stage, weighted, one after the
other, averaged over the sizes of the input. A cell's is made of what the maps are at one place in the same way, so that
whatever is learned of masks may be asked of places.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from knnclip.parts.pooling import resampling
from knnclip.structures import Cells, Float32, Layout

MAX_CELLS = 4096
"""Of an image: preset ``light`` has 45 x 60, each 16 pixels of the input wide, in 3 MB. More follow thinner things and
cost in proportion."""

TINY = 1e-12
"""Shorter than any vector that says something."""


def cells_of(views: Sequence[Sequence[Float32]], weights: Sequence[float], layout: Layout) -> Cells:
    """The cells of an image from the maps of its M stages, ``(C, h, w)`` each, at one or several sizes of the input.

    ``weights`` are those of the stages. The cells are those of the finest map that has at most ``MAX_CELLS``; finer
    maps are averaged over them, coarser ones interpolated.
    """
    sizes = [plane.shape[1:] for maps in views for plane in maps]
    fitting = [(height, width) for height, width in sizes if height * width <= MAX_CELLS]
    height, width = max(fitting, key=np.prod) if fitting else _bounded(*min(sizes, key=np.prod))
    mean = np.mean([_vectors(maps, weights, (height, width), layout) for maps in views], axis=0)
    return Cells(_unit(mean).astype(np.float16), layout)


def _bounded(height: int, width: int) -> tuple[int, int]:
    factor = (MAX_CELLS / (height * width)) ** 0.5
    return max(1, int(height * factor)), max(1, int(width * factor))


def _vectors(maps: Sequence[Float32], weights: Sequence[float], grid: tuple[int, int], layout: Layout) -> Float32:
    """``(h, w, D)`` from the maps of one size of the input."""
    parts = []
    for plane, weight in zip(maps, weights, strict=True):
        down, across = (resampling(new, old, layout) for new, old in zip(grid, plane.shape[1:], strict=True))
        parts.append(weight * _unit(np.einsum("hy,cyx,wx->hwc", down, plane, across, optimize=True)))
    joined: Float32 = np.concatenate(parts, axis=2).astype(np.float32)
    return joined


def _unit(vectors: Float32) -> Float32:
    lengths = np.linalg.norm(vectors, axis=2, keepdims=True)
    unit: Float32 = vectors / np.maximum(lengths, TINY)
    return unit
