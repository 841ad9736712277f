"""Readers of labelled data sets, one per format, and the recognition of a format by its layout."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import MappingProxyType

from knnclip.datasets.base import (
    ClassLabel,
    Dataset,
    LabelledImage,
    LabelledMask,
    Rejection,
    Sample,
)
from knnclip.datasets.coco import open_coco
from knnclip.datasets.coco_panoptic import find_panoptic, open_coco_panoptic
from knnclip.datasets.detectron2 import SCHEME, open_detectron2
from knnclip.datasets.drawn import open_cvat, open_labelme
from knnclip.datasets.index_masks import open_index_masks
from knnclip.datasets.published import LAYOUTS, open_ade20k, open_cityscapes, open_voc
from knnclip.datasets.yolo import open_yolo
from knnclip.errors import DatasetError
from knnclip.registry import lookup

__all__ = [
    "FORMATS",
    "ClassLabel",
    "Dataset",
    "LabelledImage",
    "LabelledMask",
    "Rejection",
    "Sample",
    "detect_format",
    "open_dataset",
]

FORMATS: Mapping[str, Callable[[Path, Collection[str]], Dataset]] = MappingProxyType(
    {
        "ade20k": open_ade20k,
        "cityscapes": open_cityscapes,
        "coco": open_coco,
        "coco-panoptic": open_coco_panoptic,
        "cvat": open_cvat,
        "labelme": open_labelme,
        "masks": open_index_masks,
        "voc": open_voc,
        "yolo": open_yolo,
    }
)


def open_dataset(path: str | Path, format: str = "auto", ignore: Collection[str] = ()) -> Dataset:  # noqa: A002
    """Opens a labelled data set; ``DatasetError`` says what is missing, ``UsageError`` lists the formats.

    ``detectron2:NAME`` is a set that is registered there. ``ignore``: class names or indices that are never stored or
    scored, beside those that the data set itself marks.
    """
    if str(path).startswith(SCHEME):
        return open_detectron2(str(path).removeprefix(SCHEME), ignore)
    root = Path(path)
    if not root.exists():
        raise DatasetError(f"{root} does not exist; check the path")
    return lookup("data set format", detect_format(root) if format == "auto" else format, FORMATS)(root, ignore)


def detect_format(root: Path) -> str:
    """The format of a folder by its layout. An instances JSON goes before label files, since it says more."""
    for name, recognised in LAYOUTS.items():
        if recognised(root):
            return name
    if find_panoptic(root) is not None:
        return "coco-panoptic"
    if root.suffix == ".xml" or (root / "annotations.xml").is_file():
        return "cvat"
    if root.is_file() or (root / "instances.json").is_file() or any((root / "annotations").glob("instances*.json")):
        return "coco"
    labels = root / "labels"
    if labels.is_dir():
        if any(labels.glob("*.png")):
            return "masks"
        if any(labels.glob("*.txt")):
            return "yolo"
    if root.is_dir() and (any(root.glob("*.json")) or any(root.glob("*/*.json"))):
        return "labelme"
    raise DatasetError(
        f"{root} is no data set that is known: expected images/ with labels/*.png and classes.txt (masks), "
        "images/ with labels/*.txt (yolo), instances.json (coco), panoptic_*.json with its folder (coco-panoptic), "
        "SegmentationClass (voc), objectInfo150.txt (ade20k), gtFine (cityscapes), annotations.xml (cvat), or JSON "
        "files with shapes (labelme)"
    )
