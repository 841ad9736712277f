"""``knnclip datasets``: which labelled data can be read."""

from __future__ import annotations

import typer

TREES = {
    "masks": "images/NAME.jpg  labels/NAME.png (one index a pixel)  classes.txt (`index name [R G B] [thing|stuff]`)",
    "coco": "instances.json, annotations/instances_SPLIT.json or ade20k_instance_SPLIT.json  images/ or SPLIT/",
    "coco-panoptic": "[annotations/][ade20k_]panoptic_SPLIT.json  a folder of its name with PNGs  SPLIT/ or images/",
    "coco-stuff": "[images/]{train2017,val2017}/NAME.jpg  stuffthingmaps/{train2017,val2017}/NAME.png",
    "lvis": "[annotations/]lvis_v1_SPLIT.json  train2017/ and val2017/",
    "yolo": "images/NAME.jpg  labels/NAME.txt (`class x y x y ...` in 0..1)  classes.txt or data.yaml",
    "labelme": "NAME.jpg  NAME.json (shapes: polygon, rectangle, circle, mask)",
    "cvat": "images/  annotations.xml (CVAT for images 1.1)",
    "voc": "JPEGImages/NAME.jpg  SegmentationClass/NAME.png  [SegmentationObject/NAME.png]",
    "context-59": "images/SPLIT/NAME.jpg  annotations_ctx59/SPLIT/NAME.png (SPLIT: training, validation)",
    "context-60": "JPEGImages/NAME.jpg  SegmentationClassContext/NAME.png; or as context-59; with the background",
    "context-459": "JPEGImages/NAME.jpg  trainval/NAME.mat; or images/SPLIT/  annotations_ctx459/SPLIT/NAME.tif",
    "ade20k": "images/SPLIT/NAME.jpg  annotations/SPLIT/NAME.png  [annotations_instance/SPLIT/NAME.png]",
    "ade20k-full": "images_detectron2/SPLIT/NAME.jpg  annotations_detectron2/SPLIT/NAME.tif",
    "cityscapes": "leftImg8bit/SPLIT/CITY/  gtFine/SPLIT/CITY/*_{labelIds,labelTrainIds}.png  [*_instanceIds.png]",
    "mapillary": "SPLIT/images/  SPLIT/[v1.2/|v2.0/]labels/  [SPLIT/.../instances/]  [config*.json]",
    "detectron2:NAME": "a set registered in detectron2's DatasetCatalog, in place of the folder",
    "hf:NAME": "a Hugging Face set or a folder that it saved: hf:NAME[,split=SPLIT][,image=COLUMN][,mask=COLUMN]",
}


def datasets() -> None:
    """List the formats of labelled data and what their folders hold; what is in [brackets] need not be there.

    Of a published set one split is taken too, such as images/validation, or a list, ImageSets/Segmentation/val.txt.
    """
    for name, tree in TREES.items():
        typer.echo(f"{name:16} {tree}")
