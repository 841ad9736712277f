"""COCO instances: ``annotations/instances_default.json`` and ``images/default/``, as CVAT and datumaro lay them out.

A mask without holes is drawn as polygons, which all tools read, one with holes as run lengths, which can hold them.
Readers that use pycocotools find each mask to the pixel.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np

from knnclip.output.exports.base import ClassTable, ExportFormat, Json, Picture, Writer, provenance
from knnclip.output.exports.draft import DraftFolder
from knnclip.output.exports.outlines import outlines
from knnclip.structures import Mask, Segment
from knnclip.vocabulary import ClassInfo


class CocoWriter(Writer):
    """Streams the annotations; only the list of pictures waits for the end."""

    def __init__(self, folder: DraftFolder, classes: ClassTable) -> None:
        """Opens the file."""
        super().__init__(folder, classes)
        self._images: list[Json] = []
        self._count = 0
        self._file = folder.stream("annotations/instances_default.json")
        self._file.write('{"annotations": [')

    def add(self, picture: Picture) -> None:
        """Writes the objects of a picture."""
        self._images.append(coco_image(picture))
        for segment in picture.objects:
            self._file.write(",\n" if self._count else "\n")
            self._count += 1
            annotation = coco_annotation(segment, self._count, picture.number)
            self._file.write(json.dumps(annotation, ensure_ascii=False))

    def finish(self) -> None:
        """Writes the pictures and the classes."""
        self._file.write(ending(self._images, self.classes))


FORMAT = ExportFormat(
    "coco",
    CocoWriter,
    "`annotations/instances_default.json`, `images/default/`",
    "each object to the pixel (polygons, run lengths where it has holes), score, decision, nearest evidence; classes "
    "with colours, things and stuff",
    "images/default",
)


def coco_image(picture: Picture) -> Json:
    """The entry of a picture in ``images``."""
    height, width = picture.shape
    return {
        "id": picture.number,
        "file_name": picture.file_name,
        "width": width,
        "height": height,
        "source": picture.source,
    }


def coco_annotation(segment: Segment, number: int, image_id: int) -> Json:
    """The entry of an object in ``annotations``, ``number`` being its id."""
    x0, y0, x1, y1 = segment.mask.box_xyxy
    return {
        "id": number,
        "image_id": image_id,
        "category_id": segment.class_id,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": segment.mask.area,
        "iscrowd": 0,
        "segmentation": _segmentation(segment.mask),
        **provenance(segment),
    }


def ending(images: list[Json], classes: Iterable[ClassInfo]) -> str:
    """What closes a file after its annotations: the pictures and the classes."""
    pictures, listed = (json.dumps(part, ensure_ascii=False) for part in (images, categories(classes)))
    return f'],\n"images": {pictures},\n"categories": {listed}}}\n'


def categories(classes: Iterable[ClassInfo]) -> list[Json]:
    """The classes as COCO's panoptic sets list them."""
    return [
        {"id": info.class_id, "name": info.name, "isthing": int(info.is_thing), "color": list(info.color)}
        for info in sorted(classes, key=lambda info: info.class_id)
    ]


def _segmentation(mask: Mask) -> list[list[int]] | Json:
    pieces = outlines(mask)
    if any(piece.holes for piece in pieces):
        return _run_lengths(mask)
    return [piece.outer.ravel().tolist() for piece in pieces]


def _run_lengths(mask: Mask) -> Json:
    """The mask as COCO's compressed run lengths of the whole image; what lies beside its box is not gone through."""
    from pycocotools import mask as coco

    (height, width), (x0, y0, x1, y1) = mask.shape, mask.box_xyxy
    strip = np.zeros((x1 - x0, height), dtype=np.int8)
    strip[:, y0:y1] = mask.crop.T
    changes = np.flatnonzero(np.diff(strip.ravel(), prepend=0, append=0)) + x0 * height
    counts = np.diff(changes, prepend=0, append=height * width).tolist()
    packed = coco.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    return {"size": [height, width], "counts": packed["counts"].decode("ascii")}
