"""Polygons and run lengths -> masks, for the instance formats.

All of it comes from files of others and goes into compiled code, so it is checked to fit its image before anything of
its size is allocated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from knnclip.errors import MaskError
from knnclip.fields import shown
from knnclip.rle import decompressed
from knnclip.structures import Mask

FAR_OUTSIDE = 4.0
"""A coordinate beyond so many times the image's longer side is taken for a mistake: pycocotools allocates by it."""

MAX_OUTLINE_PX = 5_000_000
"""Length of all polygons of a mask together. pycocotools takes 80 bytes a pixel of it, and no outline that somebody
drew is nearly as long."""

MAX_POLYGONS = 10_000
"""Of one mask: they are united one after the other, at a cost that grows with the square of their number."""

Packed = dict[str, Any]
"""COCO's compressed run lengths: ``size`` and ``counts``."""


def mask_from_polygons(polygons: Sequence[Sequence[float]], shape: tuple[int, int]) -> Mask:
    """The union of polygons, each ``[x0, y0, x1, y1, ...]`` in pixels, cut off at the image's borders.

    ``shape`` is the image's ``(H, W)``. ``MaskError`` for fewer than three points, an odd count, numbers that are not
    finite, or nothing inside the image.
    """
    from pycocotools import mask as coco

    dense = coco.decode(pack_polygons(polygons, shape))
    if not dense.any():
        raise MaskError(f"the polygon has no pixel inside the image of {shape[1]}x{shape[0]} px")
    return Mask.from_dense(dense)


def mask_from_coco(segmentation: object, shape: tuple[int, int]) -> Mask:
    """The mask of a COCO ``segmentation``: polygons, or run lengths as a list or as COCO's text.

    ``shape`` is the image's ``(H, W)``. ``MaskError`` if it is none of these, is for another image size, or is empty.
    """
    from pycocotools import mask as coco

    if isinstance(segmentation, list):
        return mask_from_polygons(_polygons(segmentation), shape)
    return Mask.from_dense(coco.decode(pack(segmentation, shape)))


def pack(segmentation: object, shape: tuple[int, int]) -> Packed:
    """A COCO ``segmentation`` of any form as compressed run lengths that fit an image of ``(H, W)``; may be empty.

    ``MaskError`` as ``mask_from_coco``.
    """
    from pycocotools import mask as coco

    if isinstance(segmentation, list):
        return pack_polygons(_polygons(segmentation), shape)
    if not isinstance(segmentation, dict) or "counts" not in segmentation or "size" not in segmentation:
        raise MaskError("the segmentation is neither polygons nor run lengths")
    size, counts = segmentation["size"], segmentation["counts"]
    if not isinstance(size, list | tuple) or tuple(size) != shape:
        found = f"{size[1]}x{size[0]} px" if isinstance(size, list | tuple) and len(size) == 2 else shown(size)
        raise MaskError(f"the mask is for {found[:80]}, the image has {shape[1]}x{shape[0]} px")
    if isinstance(counts, list):
        if not all(type(run) is int and 0 <= run <= shape[0] * shape[1] for run in counts):
            raise MaskError("a run length is no number of pixels of the image")
        lengths = np.array(counts, dtype=np.int64)
    else:
        counts = _encoded(counts)
        lengths = decompressed(counts)
    if lengths.sum() != shape[0] * shape[1] or lengths.min(initial=0) < 0:
        raise MaskError("the run lengths do not add up to the image")
    size = [*shape]
    if isinstance(counts, list):
        packed: Packed = coco.frPyObjects({"size": size, "counts": counts}, *shape)
        return packed
    return {"size": size, "counts": counts}


def pack_polygons(polygons: Sequence[Sequence[float]], shape: tuple[int, int]) -> Packed:
    """The union of polygons as compressed run lengths of an image of ``(H, W)``; ``MaskError`` for what is none."""
    from pycocotools import mask as coco

    _check_rings(polygons, shape)
    packed: Packed = coco.merge(coco.frPyObjects([list(map(float, polygon)) for polygon in polygons], *shape))
    return packed


def mask_from_rings(polygons: Sequence[Sequence[Sequence[float]]], shape: tuple[int, int]) -> Mask:
    """The union of polygons with holes: each is a list of rings, its border and those of its holes.

    A ring is ``[x0, y0, x1, y1, ...]``; within a polygon that is inside what an odd number of its rings encloses.
    ``MaskError`` as ``mask_from_polygons``.
    """
    from pycocotools import mask as coco

    _check_rings([ring for rings in polygons for ring in rings], shape)
    height, width = shape
    filled = []
    for rings in polygons:
        packed = coco.frPyObjects([list(map(float, ring)) for ring in rings], height, width)
        # From each end of a run on, column by column, it is the other way round.
        turns = np.concatenate([np.cumsum(decompressed(one["counts"]))[:-1] for one in packed])
        places, times = np.unique(turns, return_counts=True)
        ends = np.append(places[times % 2 == 1], height * width)
        filled.append(coco.frPyObjects({"size": [*shape], "counts": np.diff(ends, prepend=0).tolist()}, *shape))
    dense = coco.decode(coco.merge(filled))
    if not dense.any():
        raise MaskError(f"the polygon has no pixel inside the image of {width}x{height} px")
    return Mask.from_dense(dense)


def _check_rings(polygons: Sequence[Sequence[float]], shape: tuple[int, int]) -> None:
    """``MaskError`` unless these are closed lines near an image of ``(H, W)``, not too many and not too long."""
    if not polygons:
        raise MaskError("the annotation has no polygon")
    if len(polygons) > MAX_POLYGONS:
        raise MaskError(f"the mask has {len(polygons):,} polygons, at most {MAX_POLYGONS:,} are united")
    height, width = shape
    limit = FAR_OUTSIDE * max(height, width)
    outline = 0.0
    for polygon in polygons:
        if len(polygon) < 6 or len(polygon) % 2:
            raise MaskError(f"a polygon has at least three points, x and y each; found {len(polygon)} numbers")
        corners = np.asarray(polygon, dtype=np.float64).reshape(-1, 2)
        if not np.isfinite(corners).all():
            raise MaskError("a polygon has a coordinate that is not finite")
        if np.abs(corners).max() > limit:
            raise MaskError(f"the polygon lies outside the image of {width}x{height} px")
        outline += float(np.abs(corners - np.roll(corners, 1, axis=0)).max(axis=1).sum()) + len(corners)
    if outline > MAX_OUTLINE_PX:
        raise MaskError(f"the outline is {outline:,.0f} px long, at most {MAX_OUTLINE_PX:,} px are drawn")


def _polygons(segmentation: list[Any]) -> list[list[float]]:
    """What stands for polygons in a JSON: a list of lists of numbers, or one of them alone."""
    if segmentation and not any(isinstance(item, list) for item in segmentation):
        segmentation = [segmentation]
    for polygon in segmentation:
        if not isinstance(polygon, list):
            raise MaskError(f"a polygon is a list of numbers, found {shown(polygon)}")
        for value in polygon:
            if type(value) not in (int, float) or abs(value) > 1e12:
                raise MaskError(f"a coordinate of a polygon is a number, found {shown(value)}")
    return segmentation


def _encoded(counts: object) -> bytes:
    if isinstance(counts, str) and counts.isascii():
        counts = counts.encode("ascii")
    if not isinstance(counts, bytes):
        raise MaskError(f"the run lengths are a list or COCO's text, found {shown(counts)}")
    return counts
