"""Boundary IoU (Cheng et al., arXiv 2103.16562): the IoU of what lies near the borders of each class.

The boundary region of a class is its pixels within d of one that is not of the class, the outside of the image
included, in chessboard distance, d being 2 % of the image's diagonal. detectron2 erodes the label map as if its indices
were grey values instead, so its figure depends on how the classes are numbered; this one does not.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

WIDTH = 0.02
"""Width of the boundary region, as a share of the image's diagonal: the paper's choice for COCO, so figures compare."""


def boundary_width(shape: tuple[int, ...]) -> int:
    """The d of an image of this shape, in pixels; at least 1."""
    return max(1, round(WIDTH * math.hypot(*shape)))


def near_borders(first: NDArray[np.integer], second: NDArray[np.integer], distance_px: int) -> NDArray[np.uint8]:
    """``(H, W)``: which pixels of two label maps have another label, or the outside, within this chessboard distance.

    Bit 0 is for the first map, bit 1 for the second. Labels are of 8 or 16 bits.
    """
    # A pixel's nearest other label is one step beyond its nearest pixel that touches another label.
    touches, other = _touches(first), _touches(second)
    touches |= np.add(other, other, out=other)
    return _spread(_spread(touches, distance_px - 1, axis=1), distance_px - 1, axis=0)


def _touches(labels: NDArray[np.integer]) -> NDArray[np.uint8]:
    """``(H, W)``: 1 where one of the eight neighbours, or the outside, is of another label."""
    import cv2

    steps = cv2.morphologyEx(labels, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    touches: NDArray[np.uint8] = np.not_equal(steps, 0).view(np.uint8)
    touches[[0, -1]] = touches[:, [0, -1]] = 1
    return touches


def _spread(bits: NDArray[np.uint8], radius: int, axis: int) -> NDArray[np.uint8]:
    """Each value or-ed with those up to ``radius`` places away along an axis, by windows that double in length."""
    if radius == 0:
        return bits
    height, width = bits.shape
    # In one long row shifts are contiguous; the zeros between rows are as wide as a window reaches.
    if axis == 0:
        padded = np.zeros((height + 2 * radius, width), dtype=np.uint8)
        padded[radius : radius + height] = bits
    else:
        padded = np.zeros((height + 1, width + 2 * radius), dtype=np.uint8)
        padded[:height, radius : radius + width] = bits
    stride = width if axis == 0 else 1
    window = padded.ravel()
    other = np.empty_like(window)  # two buffers in turns: making new ones takes longer than the work
    length, wanted, valid = 1, 2 * radius + 1, window.size
    while length < wanted:
        step = min(length, wanted - length)
        valid -= step * stride
        np.bitwise_or(window[:valid], window[step * stride : step * stride + valid], out=other[:valid])
        window, other = other, window
        length += step
    row = padded.shape[1]
    return window[: height * row].reshape(height, row)[:, :width]
