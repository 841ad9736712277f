"""COCO panoptic: ``annotations/panoptic_default.json``, a folder of its name with a PNG of segment ids a picture, and
``images/default/``, as CVAT and datumaro lay them out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np

from knnclip.images import encode_png, ids_as_rgb
from knnclip.output.exports.base import ClassTable, ExportFormat, Json, Picture, Writer, provenance
from knnclip.output.exports.coco import coco_image, ending
from knnclip.output.exports.draft import DraftFolder
from knnclip.structures import Segment


class PanopticWriter(Writer):
    """Streams the segments; only the list of pictures waits for the end."""

    def __init__(self, folder: DraftFolder, classes: ClassTable) -> None:
        """Opens the file."""
        super().__init__(folder, classes)
        self._images: list[Json] = []
        self._file = folder.stream("annotations/panoptic_default.json")
        self._file.write('{"annotations": [')

    def add(self, picture: Picture) -> None:
        """Writes the map of a picture and its segments."""
        ids = np.zeros(picture.shape, dtype=np.int32)
        for segment in picture.objects:
            ids[segment.mask.slices][segment.mask.crop] = segment.segment_id
        self.folder.write(f"annotations/panoptic_default/{picture.stem}.png", encode_png(ids_as_rgb(ids)))
        infos = [
            info | provenance(segment)
            for info, segment in zip(segments_info(picture.objects), picture.objects, strict=True)
        ]
        annotation = {"image_id": picture.number, "file_name": f"{picture.stem}.png", "segments_info": infos}
        self._file.write(",\n" if self._images else "\n")
        self._file.write(json.dumps(annotation, ensure_ascii=False))
        self._images.append(coco_image(picture))

    def finish(self) -> None:
        """Writes the pictures and the classes."""
        self._file.write(ending(self._images, self.classes))


FORMAT = ExportFormat(
    "coco-panoptic",
    PanopticWriter,
    "`annotations/panoptic_default.json`, `annotations/panoptic_default/NAME.png`, `images/default/`",
    "each object to the pixel, score, decision, nearest evidence; classes with colours, things and stuff",
    "images/default",
)


def segments_info(segments: Iterable[Segment]) -> list[Json]:
    """The segments of a picture as a panoptic file lists them."""
    infos = []
    for segment in segments:
        x0, y0, x1, y1 = segment.mask.box_xyxy
        infos.append(
            {
                "id": segment.segment_id,
                "category_id": segment.class_id,
                "area": segment.mask.area,
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "iscrowd": 0,
                "score": round(segment.confidence, 4),
            }
        )
    return infos
