"""A drawn box or scribble -> the object's mask, with GrabCut (Rother, Kolmogorov and Blake, SIGGRAPH 2004)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnclip.errors import MaskError
from knnclip.parts.card import Card
from knnclip.parts.roles import PromptableGenerator
from knnclip.parts.settings import NoSettings
from knnclip.structures import Bool, Box, Image, Mask

ITERATIONS = 5
"""Rounds of fitting the colour models and cutting, as in OpenCV's own example; more take longer in proportion."""

WORKING_PX = 320 * 320
"""GrabCut works on a copy of the surroundings of about this many pixels at most, so that it answers while one waits."""

LEAST_MARGIN_PX = 8
"""Surroundings of the smallest gesture: with less there is no background to learn from."""

BOX_MARGIN, SCRIBBLE_MARGIN = 0.5, 1.0
"""How far around the gesture the surroundings reach, as a share of its longer side: a box holds the whole object, a
scribble only its middle."""

SCRIBBLE_NEAR, SCRIBBLE_REACH = 0.15, 0.5
"""How far from a scribble pixels probably belong to its object, and how far around it any still can, as shares of its
longer side. Fitted on objects of COCO with a scribble along their middle: IoU 0.60, 0.23 without the bounds."""


class GrabCut:
    """The promptable generator ``grabcut``. Deterministic; it keeps no state."""

    def masks_from_point(self, image: Image, point_xy: tuple[int, int]) -> list[Mask]:  # noqa: ARG002
        """None: a single pixel says nothing of the colours of an object."""
        return []

    def mask_from_box(self, image: Image, box_xyxy: Box) -> Mask:
        """The object inside a box; all outside is background. The box is cut off at the image's borders.

        Raises ``MaskError`` if the box holds no pixel, or if nothing in it differs from what is around it.
        """
        box = _inside(image, box_xyxy)
        state = np.full(image.shape[:2], _cv2().GC_BGD, dtype=np.uint8)
        x0, y0, x1, y1 = box
        state[y0:y1, x0:x1] = _cv2().GC_PR_FGD
        if state.all():  # a box over the whole image leaves no background to learn from: take its outermost pixels
            state[[0, -1]], state[:, [0, -1]] = _cv2().GC_BGD, _cv2().GC_BGD
        return _cut(image, state, _padded(image, box, BOX_MARGIN))

    def mask_from_scribble(self, image: Image, foreground: Bool, background: Bool | None = None) -> Mask:
        """The object under an ``(H, W)`` scribble, without what a second scribble marks as not the object.

        All of it hangs together with the scribble, and lies within half the scribble's longer side around it.
        Raises ``MaskError`` if the scribble is empty or of another size than the image.
        """
        for name, scribble in (("foreground", foreground), ("background", background)):
            if scribble is not None and scribble.shape != image.shape[:2]:
                raise MaskError(f"the {name} scribble has shape {scribble.shape}, the image {image.shape[:2]}")
        box = Mask.from_dense(foreground).box_xyxy
        state = np.full(image.shape[:2], _cv2().GC_BGD, dtype=np.uint8)
        x0, y0, x1, y1 = _padded(image, box, SCRIBBLE_REACH)
        state[y0:y1, x0:x1] = _cv2().GC_PR_BGD
        distance = _cv2().distanceTransform((~foreground).astype(np.uint8), _cv2().DIST_L2, _cv2().DIST_MASK_PRECISE)
        state[distance < SCRIBBLE_NEAR * max(box[2] - box[0], box[3] - box[1])] = _cv2().GC_PR_FGD
        if background is not None:
            state[background] = _cv2().GC_BGD
        state[foreground] = _cv2().GC_FGD
        return _touching(_cut(image, state, _padded(image, box, SCRIBBLE_MARGIN)), foreground)


CARD = Card(
    name="grabcut",
    form="grabcut",
    summary="the object inside a drawn box or under a scribble, by its colours",
    roles={PromptableGenerator: "boxes and scribbles by GrabCut; no weights, none for clicks"},
    licence="Apache-2.0 (OpenCV)",
    settings=NoSettings,
    make=lambda settings, device: GrabCut(),  # noqa: ARG005 - it is no network
)


def _touching(mask: Mask, scribble: Bool) -> Mask:
    _, pieces = _cv2().connectedComponents(mask.to_dense().astype(np.uint8))
    return Mask.from_dense(np.isin(pieces, np.unique(pieces[scribble])) & mask.to_dense())


def _cut(image: Image, state: NDArray[np.uint8], surroundings: Box) -> Mask:
    cv2 = _cv2()
    x0, y0, x1, y1 = surroundings
    crop, marked = image[y0:y1, x0:x1], state[y0:y1, x0:x1]
    scale = min(1.0, (WORKING_PX / marked.size) ** 0.5)
    size = (max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale)))
    small = cv2.resize(crop, size, interpolation=cv2.INTER_AREA)
    seeds = cv2.resize(marked, size, interpolation=cv2.INTER_NEAREST)
    sure = np.isin(seeds, (cv2.GC_BGD, cv2.GC_PR_BGD))
    if sure.all() or not sure.any():
        raise MaskError("the gesture leaves no object or no background to tell apart; draw it larger, or a scribble")
    cv2.setRNGSeed(0)  # GrabCut starts its colour models with k-means
    cv2.grabCut(small, seeds, None, np.zeros((1, 65)), np.zeros((1, 65)), ITERATIONS, cv2.GC_INIT_WITH_MASK)
    found = np.isin(seeds, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    full = cv2.resize(found, (crop.shape[1], crop.shape[0]), interpolation=cv2.INTER_NEAREST).astype(bool)
    full |= marked == cv2.GC_FGD  # what was drawn belongs to the object, however thin
    full &= marked != cv2.GC_BGD
    if not full.any():
        raise MaskError("nothing in the box differs from its surroundings; draw a scribble on the object instead")
    dense = np.zeros(image.shape[:2], dtype=bool)
    dense[y0:y1, x0:x1] = full
    return Mask.from_dense(dense)


def _inside(image: Image, box_xyxy: Box) -> Box:
    height, width = image.shape[:2]
    x0, y0, x1, y1 = box_xyxy
    box = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
    if box[0] >= box[2] or box[1] >= box[3]:
        raise MaskError(f"box {box_xyxy} holds no pixel of the image of {width}x{height} px; give x0, y0, x1, y1")
    return box


def _padded(image: Image, box: Box, margin: float) -> Box:
    x0, y0, x1, y1 = box
    pad = max(LEAST_MARGIN_PX, round(margin * max(x1 - x0, y1 - y0)))
    return max(x0 - pad, 0), max(y0 - pad, 0), min(x1 + pad, image.shape[1]), min(y1 + pad, image.shape[0])


def _cv2() -> Any:  # noqa: ANN401 - OpenCV's own types are not complete
    import cv2

    return cv2
