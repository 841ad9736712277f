"""The formats that answers can be written in, as data."""

from __future__ import annotations

from knnclip.output.exports import coco, coco_panoptic, cvat, labelme, masks, table, voc, yolo
from knnclip.output.exports.base import ExportFormat

EXPORTS: tuple[ExportFormat, ...] = (
    coco.FORMAT,
    coco_panoptic.FORMAT,
    yolo.FORMAT,
    labelme.FORMAT,
    cvat.FORMAT,
    voc.FORMAT,
    masks.FORMAT,
    table.FORMAT,
)
"""All formats, in the order in which people are told of them."""
