"""``knnclip datasets``: which labelled data can be read."""

from __future__ import annotations

import typer

TREES = {
    "masks": "images/NAME.jpg  labels/NAME.png (one index a pixel)  classes.txt (`index name [R G B] [thing|stuff]`)",
    "coco": "instances.json, or annotations/instances_SPLIT.json  images/ or SPLIT/",
    "coco-panoptic": "annotations/panoptic_SPLIT.json  annotations/panoptic_SPLIT/NAME.png  SPLIT/ or images/",
    "yolo": "images/NAME.jpg  labels/NAME.txt (`class x y x y ...` in 0..1)  classes.txt or data.yaml",
    "voc": "JPEGImages/NAME.jpg  SegmentationClass/NAME.png  (or the path of ImageSets/Segmentation/SPLIT.txt)",
    "ade20k": "images/SPLIT/NAME.jpg  annotations/SPLIT/NAME.png  objectInfo150.txt  (or the path of images/SPLIT)",
    "cityscapes": "leftImg8bit/SPLIT/CITY/  gtFine/SPLIT/CITY/*_labelIds.png  (or the path of leftImg8bit/SPLIT)",
    "labelme": "NAME.jpg  NAME.json (shapes: polygon, rectangle, circle, mask)",
    "cvat": "images/  annotations.xml (CVAT for images 1.1)",
    "detectron2:NAME": "a set registered in detectron2's DatasetCatalog, in place of the folder",
}


def datasets() -> None:
    """List the formats of labelled data, and what their folders hold."""
    for name, tree in TREES.items():
        typer.echo(f"{name:16} {tree}")
