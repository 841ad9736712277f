"""A scribble as a person draws it -> the pixels it covers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from knnclip.errors import MaskError
from knnclip.structures import Bool

Stroke = Sequence[tuple[float, float]]
"""The points ``(x, y)`` of one line in pixels, pixel centres at whole numbers."""


def draw_strokes(strokes: Sequence[Stroke], shape: tuple[int, int], width_px: float) -> Bool:
    """``(H, W)``: the pixels under lines of this width through the points; parts outside the image are cut off.

    Raises ``MaskError`` if a point is no pair of finite numbers, or if nothing lies inside the image.
    """
    import cv2

    # Where there is no line: OpenCV draws thick lines wider than asked for, so that thin ones are drawn and widened.
    away = np.ones(shape, dtype=np.uint8)
    for stroke in strokes:
        points = np.asarray(stroke, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
            raise MaskError("a scribble is a list of points (x, y) in pixels; draw it again")
        # Far outside is as good as anywhere outside, and OpenCV takes 32-bit coordinates.
        line = np.clip(np.round(points), -32_000, 32_000).astype(np.int32)
        cv2.polylines(away, [line[:, None]], isClosed=False, color=0)
        if len(line) == 1:
            cv2.circle(away, line[0].tolist(), 0, color=0)
    if away.all():
        raise MaskError("the scribble does not touch the picture; draw it on the object")
    return np.asarray(cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) < max(width_px, 1) / 2)
