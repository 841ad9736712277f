"""Which masks of a network become proposals: no small ones, none twice, the best first, and not too many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from knnclip.errors import UsageError
from knnclip.parts.roles import CellEncoder, Encoder, GuidedGenerator, MaskGenerator
from knnclip.structures import Float32, Image, Int64, Mask, Proposals

SAME_IOU = 0.9
"""Two masks that overlap more than this are one mask found twice: they differ by a border of a pixel or two. Larger
keeps near-copies, which vote for one object several times; smaller takes parts for their wholes."""


@dataclass(frozen=True, kw_only=True)
class ProposalLimits:
    """The options that every mask generator has.

    64 px is an object of 8 x 8 px, about the smallest that an encoder says something of; 200 masks hold all of a
    picture with many objects, and each costs the encoder and the search its share.
    """

    min_area: Annotated[int, "pixels of the smallest proposal (also --min-area)"] = 64
    max_masks: Annotated[int, "proposals of an image, the best of them at most (also --max-masks)"] = 200

    def __post_init__(self) -> None:
        if self.min_area < 1 or self.max_masks < 1:
            raise UsageError(
                f"min_area and max_masks are at least 1, found {self.min_area} and {self.max_masks}; leave one out for "
                "its default"
            )


def best_proposals(shape: tuple[int, int], masks: Sequence[Mask], scores: Float32, limits: ProposalLimits) -> Proposals:
    """The proposals among N masks of an ``(H, W)`` image, by falling score; equal scores keep their order.

    ``scores`` ``(N,)`` are in [0, 1]. Of masks with an IoU above ``SAME_IOU`` the one of the best score stands for all.
    """
    areas = np.array([mask.area for mask in masks], dtype=np.int64)
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    boxes = np.array([mask.box_xyxy for mask in masks], dtype=np.int64).reshape(-1, 4)
    for i in order[areas[order] >= limits.min_area].tolist():
        if len(kept) == limits.max_masks:
            break
        if not any(_iou(masks[i], masks[j]) > SAME_IOU for j in _alike(i, np.array(kept, np.int64), areas, boxes)):
            kept.append(i)
    return Proposals(shape, tuple(masks[i] for i in kept), scores[kept].astype(np.float32))


def _alike(i: int, others: Int64, areas: Int64, boxes: Int64) -> list[int]:
    """Those of ``others`` whose area and box leave room for an IoU above ``SAME_IOU`` with mask i."""
    small, large = np.minimum(areas[i], areas[others]), np.maximum(areas[i], areas[others])
    sides = np.minimum(boxes[i, 2:], boxes[others, 2:]) - np.maximum(boxes[i, :2], boxes[others, :2])
    common = np.minimum(small, sides.clip(0).prod(axis=1))
    alike: list[int] = others[common > SAME_IOU * large].tolist()
    return alike


def _iou(one: Mask, other: Mask) -> float:
    x0, y0 = (max(one.box_xyxy[i], other.box_xyxy[i]) for i in (0, 1))
    x1, y1 = (min(one.box_xyxy[i], other.box_xyxy[i]) for i in (2, 3))
    common = int(np.count_nonzero(_window(one, x0, y0, x1, y1) & _window(other, x0, y0, x1, y1)))
    return common / (one.area + other.area - common)


def _window(mask: Mask, x0: int, y0: int, x1: int, y1: int) -> NDArray[np.bool_]:
    left, top, _, _ = mask.box_xyxy
    return mask.crop[y0 - top : y1 - top, x0 - left : x1 - left]


def enlarged_mask(dense: NDArray[np.bool_], shape: tuple[int, int]) -> Mask:
    """A mask found on a smaller copy, ``(h, w)`` and not empty, in the ``(H, W)`` image; each pixel is a block of it.

    Only the crop is enlarged, so that a mask never takes the memory of the image.
    """
    small = Mask.from_dense(dense)
    x0, y0, x1, y1 = small.box_xyxy
    rows, columns = _sources(shape[0], dense.shape[0]), _sources(shape[1], dense.shape[1])
    top, bottom = np.searchsorted(rows, [y0, y1]).tolist()
    left, right = np.searchsorted(columns, [x0, x1]).tolist()
    crop = small.crop[np.ix_(rows[top:bottom] - y0, columns[left:right] - x0)]
    return Mask((left, top, right, bottom), crop, shape)


def _sources(size: int, cells: int) -> Int64:
    """``(size,)``: the cell in which the centre of each pixel lies."""
    return np.minimum((np.arange(size) * 2 + 1) * cells // (2 * size), cells - 1).astype(np.int64)


def propose(generator: MaskGenerator, encoder: Encoder, image: Image) -> Proposals:
    """The masks of an image: by what the encoder sees of its places as well, where both parts can do that."""
    if isinstance(generator, GuidedGenerator) and isinstance(encoder, CellEncoder):
        return generator.generate_by(image, encoder.cells(image))
    return generator.generate(image)
