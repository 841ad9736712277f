"""Polygons and run lengths -> masks, for the instance formats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from knnclip.errors import MaskError
from knnclip.structures import Mask

FAR_OUTSIDE = 4.0
"""A coordinate beyond so many times the image's longer side is taken for a mistake: pycocotools allocates by it."""


def mask_from_polygons(polygons: Sequence[Sequence[float]], shape: tuple[int, int]) -> Mask:
    """The union of polygons, each ``[x0, y0, x1, y1, ...]`` in pixels, cut off at the image's borders.

    ``shape`` is the image's ``(H, W)``. ``MaskError`` for fewer than three points, an odd count, numbers that are not
    finite, or nothing inside the image.
    """
    from pycocotools import mask as coco

    for polygon in polygons:
        if len(polygon) < 6 or len(polygon) % 2:
            raise MaskError(f"a polygon has at least three points, x and y each; found {len(polygon)} numbers")
        if not np.isfinite(np.asarray(polygon, dtype=np.float64)).all():
            raise MaskError("a polygon has a coordinate that is not finite")
    if not polygons:
        raise MaskError("the annotation has no polygon")
    height, width = shape
    limit = FAR_OUTSIDE * max(height, width)
    if any(np.abs(np.asarray(p)).max() > limit for p in polygons):
        raise MaskError(f"the polygon lies outside the image of {width}x{height} px")
    dense = coco.decode(coco.merge(coco.frPyObjects([list(map(float, p)) for p in polygons], height, width)))
    if not dense.any():
        raise MaskError(f"the polygon has no pixel inside the image of {width}x{height} px")
    return Mask.from_dense(dense)


def mask_from_coco(segmentation: Any, shape: tuple[int, int]) -> Mask:  # noqa: ANN401 - JSON of unknown form
    """The mask of a COCO ``segmentation``: polygons, or run lengths as a list or as COCO's text.

    ``shape`` is the image's ``(H, W)``. ``MaskError`` if it is none of these, is for another image size, or is empty.
    """
    from pycocotools import mask as coco

    if isinstance(segmentation, list):
        if segmentation and isinstance(segmentation[0], (int, float)):
            segmentation = [segmentation]
        return mask_from_polygons(segmentation, shape)
    if not isinstance(segmentation, dict) or "counts" not in segmentation or "size" not in segmentation:
        raise MaskError("the segmentation is neither polygons nor run lengths")
    if tuple(segmentation["size"]) != shape:
        height, width = segmentation["size"]
        raise MaskError(f"the mask is for {width}x{height} px, the image has {shape[1]}x{shape[0]} px")
    counts = segmentation["counts"]
    try:
        if isinstance(counts, list):
            if sum(counts) != shape[0] * shape[1] or min(counts, default=0) < 0:
                raise MaskError("the run lengths do not add up to the image")
            packed = coco.frPyObjects(segmentation, *shape)
        else:
            packed = {"size": list(shape), "counts": counts.encode() if isinstance(counts, str) else counts}
        if int(coco.area(packed)) > shape[0] * shape[1]:
            raise MaskError("the run lengths do not fit the image")
        dense = coco.decode(packed)
    except MaskError:
        raise
    except Exception as error:  # pycocotools raises bare exceptions of several kinds
        raise MaskError(f"the run lengths do not decode: {error}") from error
    return Mask.from_dense(dense)
