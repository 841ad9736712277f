"""Labels of a reduced image -> labels of the image, with borders that follow the image's own edges.

The reduced labels are doubled in size again and again until they are as large as the image. Each time the pixels within
``REACH_PX`` of a border are decided anew by watersheds: floods from the regions' insides meet where neighbouring pixels
differ most. So a border moves by a few pixels at each size, all over a pixel of the reduced image and more, and work
is spent along borders alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from knnclip.structures import Bool, Image, Int32

Int16 = NDArray[np.int16]

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


def _along_edges(labels: Int16, picture: Image) -> Int16:
    """``(h, w)``: the labels with what lies near a border decided anew."""
    import cv2

    # OpenCV floods by the difference of neighbouring pixels, in which the camera's noise would be as good as an edge.
    smooth = cv2.GaussianBlur(picture, (5, 5), 0)
    floods = np.where(_sure(labels), labels + np.int16(1), np.int16(0)).astype(np.int32)
    cv2.watershed(smooth, floods)
    return _without_lines(floods, smooth, labels)


def _without_lines(floods: Int32, picture: Image, labels: Int16) -> Int16:
    """``(h, w)``: the floods, less one, with the lines between them and the frame that OpenCV draws given away.

    A pixel goes to that of its four neighbours whose colour is nearest, and stays what it was where none is flooded.
    """
    height, width = floods.shape
    found = (floods - 1).astype(np.int16)
    ys, xs = np.nonzero(floods <= 0)
    own, chosen = picture[ys, xs].astype(np.int32), labels[ys, xs]
    least = np.full(len(ys), np.iinfo(np.int32).max)
    for dy, dx in ((0, -1), (0, 1), (-1, 0), (1, 0)):
        v, u = (ys + dy).clip(0, height - 1), (xs + dx).clip(0, width - 1)
        difference = np.abs(picture[v, u] - own).sum(axis=1)
        nearer = (floods[v, u] > 0) & (difference < least)
        least = np.where(nearer, difference, least)
        chosen = np.where(nearer, found[v, u], chosen)
    found[ys, xs] = chosen
    return found


def _sure(labels: Int16) -> Bool:
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
