"""Masks as JSON, out and in: run lengths as COCO has them, or outlines of their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from knnclip.datasets.polygons import mask_from_coco, mask_from_rings
from knnclip.output.exports.outlines import Ring, outlines
from knnclip.structures import Mask

Json = dict[str, Any]

MaskForm = Literal["rle", "polygons", "none"]
"""``rle``: COCO's compressed run lengths. ``polygons``: outlines along the sides of pixels. ``none``: no masks."""


def mask_json(mask: Mask, form: MaskForm) -> Json | None:
    """A mask in a form that ``mask_of`` reads back to the pixel; None for ``none``.

    ``{"rle": {"size": [H, W], "counts": "..."}}``, or ``{"polygons": [[[x, y, ...], ...], ...]}``: a polygon for each
    connected piece, which is a list of rings in pixels of the picture: its border, then those of its holes.
    """
    if form == "none":
        return None
    if form == "rle":
        from pycocotools import mask as coco

        packed = coco.encode(np.asfortranarray(mask.to_dense(), dtype=np.uint8))
        return {"rle": {"size": list(mask.shape), "counts": packed["counts"].decode("ascii")}}
    return {"polygons": [[_numbers(ring) for ring in (piece.outer, *piece.holes)] for piece in outlines(mask)]}


def mask_of_rle(rle: Json, shape: tuple[int, int]) -> Mask:
    """The mask of COCO's run lengths of a picture of ``(H, W)``; ``MaskError`` for what is none, or another's."""
    return mask_from_coco(rle, shape)


def mask_of_polygons(polygons: Sequence[Sequence[Sequence[float]]], shape: tuple[int, int]) -> Mask:
    """The mask of polygons as ``mask_json`` writes them; ``MaskError`` for what is none."""
    return mask_from_rings(polygons, shape)


def _numbers(ring: Ring) -> list[int]:
    return [int(value) for value in ring.ravel()]
