"""YOLO segmentation: ``data.yaml``, ``labels/`` with a text file a picture, and ``images/``.

A line is one object and one polygon, so its pieces and its holes are joined by seams that enclose nothing. Readers that
fill by the even-odd rule find each mask to the pixel; those that draw the line as well, a pixel more along it.
"""

from __future__ import annotations

import json

import numpy as np

from knnclip.output.exports.base import ExportFormat, Picture, Writer
from knnclip.output.exports.outlines import joined, outlines
from knnclip.structures import Mask

DECIMALS = 6
"""Of a coordinate in 0..1: half of the last is a two-hundredth of a pixel in a picture of 10,000 pixels, and readers
take the nearest fifth of one."""


class YoloWriter(Writer):
    """Writes a text file a picture, an empty one where nothing is to be said of it."""

    def add(self, picture: Picture) -> None:
        """Writes the objects of a picture."""
        lines = [f"{self.classes.place(item.class_id)} {_polygon(item.mask)}\n" for item in picture.objects]
        self.folder.write(f"labels/{picture.stem}.txt", "".join(lines).encode())

    def finish(self) -> None:
        """Writes the names, which in double quotes are the same in YAML and JSON."""
        names = "".join(f"  {place}: {json.dumps(info.name)}\n" for place, info in enumerate(self.classes))
        self.folder.write("data.yaml", f"train: images\nval: images\nnames:\n{names}".encode())


FORMAT = ExportFormat(
    "yolo",
    YoloWriter,
    "`data.yaml`, `labels/NAME.txt`, `images/`",
    "each object as one polygon whose pieces and holes are joined by seams, to the pixel where it is filled by the "
    "even-odd rule; no score, no colours",
    "images",
)


def _polygon(mask: Mask) -> str:
    ring = joined([ring for piece in outlines(mask) for ring in (piece.outer, *piece.holes)])
    height, width = mask.shape
    shares = (ring / np.array([width, height])).ravel().tolist()
    return " ".join(f"{share:.{DECIMALS}f}".rstrip("0").rstrip(".") for share in shares)
