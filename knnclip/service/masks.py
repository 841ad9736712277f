"""Masks as JSON, out and in: run lengths as COCO has them, or outlines of their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from knnclip.datasets.polygons import mask_from_coco, mask_from_polygons
from knnclip.output.exports.outlines import Ring, outlines
from knnclip.structures import Mask

Json = dict[str, Any]

MaskForm = Literal["rle", "polygons", "none"]
"""``rle``: COCO's compressed run lengths. ``polygons``: outlines along the sides of pixels, those of holes apart.
``none``: no masks."""


def mask_json(mask: Mask, form: MaskForm) -> Json | None:
    """A mask in a form that ``mask_of`` reads back to the pixel; None for ``none``.

    ``{"rle": {"size": [H, W], "counts": "..."}}``, or ``{"polygons": [[x, y, ...], ...], "holes": [[x, y, ...], ...]}``
    in pixels of the picture.
    """
    if form == "none":
        return None
    if form == "rle":
        from pycocotools import mask as coco

        packed = coco.encode(np.asfortranarray(mask.to_dense(), dtype=np.uint8))
        return {"rle": {"size": list(mask.shape), "counts": packed["counts"].decode("ascii")}}
    pieces = outlines(mask)
    return {
        "polygons": [_numbers(piece.outer) for piece in pieces],
        "holes": [_numbers(hole) for piece in pieces for hole in piece.holes],
    }


def mask_of_rle(rle: Json, shape: tuple[int, int]) -> Mask:
    """The mask of COCO's run lengths of a picture of ``(H, W)``; ``MaskError`` for what is none, or another's."""
    return mask_from_coco(rle, shape)


def mask_of_polygons(
    polygons: Sequence[Sequence[float]], holes: Sequence[Sequence[float]], shape: tuple[int, int]
) -> Mask:
    """What lies inside of polygons and outside of holes, in pixels; ``MaskError`` as ``mask_from_polygons``."""
    filled = mask_from_polygons(polygons, shape)
    if not holes:
        return filled
    return Mask.from_dense(filled.to_dense() & ~mask_from_polygons(holes, shape).to_dense())


def _numbers(ring: Ring) -> list[int]:
    return [int(value) for value in ring.ravel()]
