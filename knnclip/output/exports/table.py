"""A table of objects, ``objects.csv``: for spreadsheets and statistics."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

import numpy as np

from knnclip.files import csv_cell, path_text
from knnclip.output.exports.base import ClassTable, ExportFormat, Picture, Writer
from knnclip.output.exports.draft import DraftFolder
from knnclip.structures import Segment

COLUMNS = (
    "image", "object", "class", "kind", "confidence", "decision", "area_px", "area_share",
    "x0", "y0", "x1", "y1", "centre_x", "centre_y",
    "nearest_image", "nearest_class", "nearest_similarity", "nearest_instance",
)  # fmt: skip
"""Boxes are half-open, in whole pixels; the centre is the mean of the pixels' centres, the first being at 0.5."""


class TableWriter(Writer):
    """Streams a line an object."""

    def __init__(self, folder: DraftFolder, classes: ClassTable) -> None:
        """Writes the head."""
        super().__init__(folder, classes)
        self._file = folder.stream("objects.csv")
        self._file.write(table([]))

    def add(self, picture: Picture) -> None:
        """Writes the objects of a picture."""
        self._file.write(_lines(picture))


FORMAT = ExportFormat(
    "csv",
    TableWriter,
    "`objects.csv`, a line an object",
    "class, thing or stuff, confidence, decision, area, box, centre, nearest evidence; no masks",
    None,
)


def table(pictures: Iterable[Picture]) -> str:
    """The whole table of some pictures, with its head."""
    return _line(COLUMNS) + "".join(map(_lines, pictures))


def _lines(picture: Picture) -> str:
    return "".join(_line(_values(segment, picture)) for segment in picture.objects)


def _values(segment: Segment, picture: Picture) -> tuple[Any, ...]:
    ys, xs = np.nonzero(segment.mask.crop)
    x0, y0, x1, y1 = segment.mask.box_xyxy
    height, width = picture.shape
    nearest = segment.evidence[0] if segment.evidence else None
    return (
        picture.source, segment.segment_id, segment.class_name, "thing" if segment.is_thing else "stuff",
        segment.confidence, segment.decision, len(ys), len(ys) / (height * width),
        x0, y0, x1, y1, x0 + xs.mean() + 0.5, y0 + ys.mean() + 0.5,
        *(
            ("", "", "", "")
            if nearest is None
            else (path_text(nearest.image_ref), nearest.class_name, nearest.similarity, nearest.instance_id)
        ),
    )  # fmt: skip


def _line(values: tuple[Any, ...]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([csv_cell(value) for value in values])
    return line.getvalue()
