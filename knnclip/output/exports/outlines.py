"""Masks -> outlines whose corners are corners of pixels, so that filling them gives the mask back to the pixel.

An outline runs along the sides of pixels: pixel ``(x, y)`` is the square from ``(x, y)`` to ``(x + 1, y + 1)``. Readers
that fill what lies inside a polygon (COCO's and all that use it, ours among them) find exactly the pixels of the mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knnclip.structures import Int32, Mask

Ring = Int32
"""``(N, 2)`` corners ``(x, y)`` of a closed line in whole pixels of the image; the first is not repeated at the end."""


@dataclass(frozen=True, eq=False)
class Outline:
    """A connected piece of a mask (8-connectivity)."""

    outer: Ring
    holes: tuple[Ring, ...]


def outlines(mask: Mask) -> tuple[Outline, ...]:
    """The pieces of a mask, each with its outer border and those of its holes.

    OpenCV follows border pixels through their centres. On the mask enlarged twice these lie a quarter of a pixel inside
    the corners that are wanted, which rounding finds.
    """
    import cv2

    enlarged = mask.crop.repeat(2, axis=0).repeat(2, axis=1).astype(np.uint8)
    contours, hierarchy = cv2.findContours(enlarged, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    rings = [_corners(contour.reshape(-1, 2)) + np.array(mask.box_xyxy[:2], dtype=np.int32) for contour in contours]
    holes: dict[int, list[Ring]] = {}
    for ring, (_, _, _, parent) in zip(rings, hierarchy[0].tolist(), strict=True):
        holes.setdefault(parent, []).append(ring)
    outer = [place for place, links in enumerate(hierarchy[0].tolist()) if links[3] < 0]
    return tuple(Outline(rings[place], tuple(holes.get(place, ()))) for place in outer)


def joined(rings: Sequence[Ring]) -> Ring:
    """One ring for several: from each to the next a seam that is walked there and back.

    Filled by the even-odd rule, as rasterisers do, holes are left out, separate pieces are filled, and a seam encloses
    nothing. It goes to the corner that is nearest to where the next ring begins, so that it is short.
    """
    line = rings[0]
    for ring in rings[1:]:
        nearest = int(np.abs(line - ring[0]).sum(axis=1).argmin())
        line = np.concatenate([line[: nearest + 1], ring, ring[:1], line[nearest:]])
    return line


def _corners(points: NDArray[np.int32]) -> Ring:
    """Border pixels of the enlarged mask as corners of the true one, without those on a straight line."""
    corners = (points + 1) // 2
    corners = corners[(corners != np.roll(corners, 1, axis=0)).any(axis=1)]
    before, after = np.roll(corners, 1, axis=0) - corners, np.roll(corners, -1, axis=0) - corners
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    # Where a line comes back the way it went, its corner is kept: pieces that touch in a point have such.
    ring: Ring = corners[turns | ((before * after).sum(axis=1) > 0)]
    return ring
