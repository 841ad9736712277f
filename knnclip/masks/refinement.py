"""Labels of a reduced image -> labels of the image, with borders that follow the image's own edges.

The reduced labels are doubled in size again and again until they are as large as the image. Each time the pixels within
``REACH_PX`` of a border are decided anew by watersheds: floods from the regions' insides meet where neighbouring pixels
differ most. So a border moves by a few pixels at each size, all over a pixel of the reduced image and more, and work
is spent along borders alone.
"""

from __future__ import annotations

import numpy as np

from knnclip.structures import Bool, Image, Int32

REACH_PX = 2
"""Of a border at each size: the pixel and a half by which doubling moves it at most, rounded up."""


def refined(labels: Int32, image: Image) -> Int32:
    """``(H, W)`` labels of an ``(H, W, 3) uint8`` image from ``(h, w)`` ones of its reduction, below 2^15 each.

    What is thinner than the reach keeps its inmost pixels; a label may vanish all the same where hardly any are left.
    """
    import cv2

    height, width = image.shape[:2]
    sizes = [(width, height)]
    while sizes[-1][0] > 2 * labels.shape[1] or sizes[-1][1] > 2 * labels.shape[0]:
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    pictures = [image]
    for size in sizes[1:]:
        pictures.append(cv2.resize(pictures[-1], size, interpolation=cv2.INTER_AREA))
    found = labels.astype(np.int16)
    for size, picture in zip(reversed(sizes), reversed(pictures), strict=True):
        found = _along_edges(cv2.resize(found, size, interpolation=cv2.INTER_NEAREST), picture)
    return found.astype(np.int32)


def _along_edges(labels: np.ndarray, picture: Image) -> np.ndarray:
    """``(h, w) int16``: the labels with what lies near a border decided anew."""
    import cv2

    markers = np.where(_sure(labels), labels + 1, 0).astype(np.int32)
    # OpenCV floods by the difference of neighbouring pixels, in which the camera's noise would be as good as an edge.
    cv2.watershed(cv2.GaussianBlur(picture, (5, 5), 0), markers)
    # It draws lines between the floods and a frame, which belong to nobody: they stay what they were.
    return np.where(markers > 0, markers - 1, labels).astype(np.int16)


def _sure(labels: np.ndarray) -> Bool:
    """``(h, w)``: the pixels that keep their label: all far from a border, and where a region is thin, all of it."""
    import cv2

    window = np.ones((2 * REACH_PX + 1, 2 * REACH_PX + 1), dtype=np.uint8)
    inside = cv2.erode(labels, window) == cv2.dilate(labels, window)
    # A thin part is one that no inside reaches.
    wider = np.ones((2 * REACH_PX + 3, 2 * REACH_PX + 3), dtype=np.uint8)
    highest = cv2.dilate(np.where(inside, labels, np.int16(-1)), wider)
    lowest = cv2.erode(np.where(inside, labels, np.iinfo(np.int16).max), wider)
    sure: Bool = inside | ((highest != labels) & (lowest != labels))
    return sure
