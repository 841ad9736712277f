"""What one image adds to every score of a set: all that is kept of it, so that it need not be seen again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnclip.errors import InputError
from knnclip.fields import MAX_WHOLE, Fields
from knnclip.images import MAX_PIXELS
from knnclip.metrics.panoptic import SegmentCounts
from knnclip.metrics.semantic import PixelCounts
from knnclip.structures import Int64, Mask

Annotation = dict[str, Any]
"""An instance in COCO's form; ``image_id`` and ``id`` are given when a set is scored."""


@dataclass(frozen=True, eq=False)
class ImageRecord:
    """The counts of one image over C classes."""

    ref: str
    pixels: PixelCounts
    segments: SegmentCounts | None = None  # None where the truth does not tell instances apart
    instances: tuple[Annotation, ...] = ()  # the true things
    detections: tuple[Annotation, ...] = ()  # the things of the answer
    compared: Mapping[str, Int64] = field(default_factory=dict)  # ``cells_of`` of other settings, by their name
    encode_seconds: float = 0.0  # of cutting the image into masks and encoding them
    label_seconds: float = 0.0  # of search, votes, fusion and assembly

    def to_json(self) -> dict[str, Any]:
        """Counts as lists of what is not zero: an image has few of a set's classes."""
        content: dict[str, Any] = {
            "ref": self.ref,
            "confusion": cells_of(self.pixels.confusion).tolist(),
            "boundary": _rows(self.pixels.boundary),
            "compared": {name: cells.tolist() for name, cells in self.compared.items()},
            "seconds": [round(self.encode_seconds, 4), round(self.label_seconds, 4)],
        }
        if self.segments is not None:
            iou_sum, tp_fp_fn = self.segments.iou_sum, self.segments.tp_fp_fn
            there = np.flatnonzero(tp_fp_fn.any(axis=1)).tolist()
            content["segments"] = [[c, float(iou_sum[c]), *tp_fp_fn[c].tolist()] for c in there]
            content["instances"], content["detections"] = list(self.instances), list(self.detections)
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any], classes: int) -> ImageRecord:
        """What ``to_json`` gave; ``InputError`` if it is something else."""
        fields = Fields.of(content)
        segments = None
        if fields.has("segments"):
            rows = _numbers(fields, "segments", 5)
            counts = np.zeros((classes, 4))
            _put(counts, rows, "segments")
            segments = SegmentCounts(counts[:, 0], counts[:, 1:].astype(np.int64))
        boundary = np.zeros((classes, 3), dtype=np.int64)
        _put(boundary, _numbers(fields, "boundary", 4), "boundary")
        compared = fields.fields("compared")
        seconds = _numbers(Fields({"seconds": [fields.items("seconds", 2)]}), "seconds", 2)
        return cls(
            ref=str(content["ref"]),
            pixels=PixelCounts(matrix_of(_read_cells(fields, "confusion", classes), classes), boundary),
            segments=segments,
            instances=_annotations(fields, "instances", classes),
            detections=_annotations(fields, "detections", classes),
            compared={name: _read_cells(compared, name, classes) for name in compared.content},
            encode_seconds=float(seconds[0, 0]),
            label_seconds=float(seconds[0, 1]),
        )


def instance_annotation(mask: Mask, category: int, **more: object) -> Annotation:
    """A mask in COCO's form: run lengths of the whole image, box as x, y, width and height."""
    from pycocotools import mask as coco

    x0, y0, x1, y1 = mask.box_xyxy
    packed = coco.encode(np.asfortranarray(mask.to_dense(), dtype=np.uint8))
    return {
        "category_id": category,
        "segmentation": {"size": list(mask.shape), "counts": packed["counts"].decode("ascii")},
        "area": mask.area,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        **more,
    }


def miou_of(confusion: NDArray[np.integer]) -> float:
    """The mean IoU of one image over the classes in its truth, by which images are told better from worse."""
    hit = np.diagonal(confusion)
    truth = confusion.sum(axis=1)
    there = truth > 0
    union = (truth + confusion[:, :-1].sum(axis=0) - hit)[there]
    return float((hit[there] / union).mean()) if there.any() else float("nan")


def cells_of(matrix: Int64) -> Int64:
    """``(K, 3)``: row, column and count of what is not zero; an image has few of a set's classes."""
    rows, columns = np.nonzero(matrix)
    return np.stack([rows, columns, matrix[rows, columns]], axis=1)


def matrix_of(cells: Int64, classes: int) -> Int64:
    """``(C, C + 1)``: the confusion that ``cells_of`` was made from."""
    matrix = np.zeros((classes, classes + 1), dtype=np.int64)
    matrix[cells[:, 0], cells[:, 1]] = cells[:, 2]
    return matrix


def _rows(counts: Int64) -> list[list[int]]:
    return [[c, *counts[c].tolist()] for c in np.flatnonzero(counts.any(axis=1)).tolist()]


def _read_cells(fields: Fields, key: str, classes: int) -> Int64:
    found = _numbers(fields, key, 3)
    if found.size and (found[:, 0].max() >= classes or found[:, 1].max() > classes or (found % 1).any()):
        raise InputError(f"a class or a count of {key!r} is out of range")
    return found.astype(np.int64)


def _put(counts: NDArray[Any], rows: NDArray[np.float64], key: str) -> None:
    """Puts rows that begin with a class where they belong."""
    if rows.size and (rows[:, 0].max() >= len(counts) or (rows[:, 0] % 1).any()):
        raise InputError(f"a class of {key!r} is out of range")
    counts[rows[:, 0].astype(np.int64)] = rows[:, 1:]


def _numbers(fields: Fields, key: str, width: int) -> NDArray[np.float64]:
    """Rows of so many numbers each, none of them negative; counts are whole and exact up to 2 ** 53."""
    rows = [Fields({"row": row}, key).items("row", width) for row in fields.items(key)]
    if not all(type(value) in (int, float) and 0 <= value <= MAX_WHOLE for row in rows for value in row):
        raise InputError(f"{key!r} holds what is no number, or is negative")
    return np.array(rows, dtype=np.float64).reshape(-1, width)


def _annotations(fields: Fields, key: str, classes: int) -> tuple[Annotation, ...]:
    found = fields.items(key) if fields.has(key) else []
    for position, item in enumerate(found):
        entry = Fields.of(item, f"{key} at {position}")
        entry.whole("category_id", 0, classes - 1)
        size = entry.fields("segmentation").items("size", 2)
        if not all(type(side) is int and 0 < side <= MAX_PIXELS for side in size):
            raise InputError(f"{key} at {position}: its size is none of an image")
        entry.flag("iscrowd")
    return tuple(found)
