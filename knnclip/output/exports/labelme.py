"""LabelMe: a JSON beside each picture.

A mask without holes is drawn as polygons, of one group if it has several pieces; one with holes as a mask, which
LabelMe has since 5.2. Polygons run along the sides of pixels: what LabelMe itself fills of them is up to a pixel wider.
"""

from __future__ import annotations

import base64
import json

import numpy as np

from knnclip.images import encode_png
from knnclip.output.exports.base import ExportFormat, Json, Picture, Writer, provenance
from knnclip.output.exports.outlines import outlines
from knnclip.structures import Segment

VERSION = "5.5.0"
"""Of LabelMe, whose files these are like."""


class LabelMeWriter(Writer):
    """Writes a JSON a picture."""

    def add(self, picture: Picture) -> None:
        """Writes the objects of a picture."""
        content: Json = {
            "version": VERSION,
            "flags": {},
            "shapes": [shape for segment in picture.objects for shape in _shapes(segment)],
            "imagePath": picture.file_name,
            "imageData": None,
            "imageHeight": picture.shape[0],
            "imageWidth": picture.shape[1],
            "source": picture.source,
        }
        self.folder.write(f"{picture.stem}.json", json.dumps(content, ensure_ascii=False).encode())


FORMAT = ExportFormat(
    "labelme",
    LabelMeWriter,
    "`NAME.json` beside each picture",
    "each object to the pixel (polygons, a mask where it has holes), score, decision, nearest evidence; no colours",
    ".",
)


def _shapes(segment: Segment) -> list[Json]:
    pieces = outlines(segment.mask)
    common = {"label": segment.class_name, "group_id": None, "description": "", "flags": {}, **provenance(segment)}
    if any(piece.holes for piece in pieces):
        x0, y0, x1, y1 = segment.mask.box_xyxy
        png = base64.b64encode(encode_png(segment.mask.crop.astype(np.uint8))).decode("ascii")
        return [common | {"shape_type": "mask", "points": [[x0, y0], [x1 - 1, y1 - 1]], "mask": png}]
    if len(pieces) > 1:
        common["group_id"] = segment.segment_id
    return [common | {"shape_type": "polygon", "points": piece.outer.tolist()} for piece in pieces]
