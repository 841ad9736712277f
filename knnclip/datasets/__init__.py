"""Readers of labelled data sets, one per format, and the recognition of a format by its layout."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

from knnclip.datasets.base import MIN_AREA_PX, ClassLabel, Dataset, LabelledImage, LabelledMask, Rejection, Sample
from knnclip.datasets.coco import find_instances, find_lvis, open_coco, open_lvis
from knnclip.datasets.coco_panoptic import find_panoptic, open_coco_panoptic
from knnclip.datasets.detectron2 import SCHEME as DETECTRON2
from knnclip.datasets.detectron2 import open_detectron2
from knnclip.datasets.drawn import open_cvat, open_labelme
from knnclip.datasets.hugging_face import SCHEME as HUGGING_FACE
from knnclip.datasets.hugging_face import is_saved, open_hugging_face
from knnclip.datasets.index_masks import open_index_masks
from knnclip.datasets.published import PUBLISHED, open_published, published_format
from knnclip.datasets.reading import seen
from knnclip.datasets.yolo import open_yolo
from knnclip.errors import DatasetError, lookup

__all__ = [
    "FORMATS",
    "MIN_AREA_PX",
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
        "coco": open_coco,
        "coco-panoptic": open_coco_panoptic,
        "cvat": open_cvat,
        "labelme": open_labelme,
        "lvis": open_lvis,
        "masks": open_index_masks,
        "yolo": open_yolo,
        **{name: partial(open_published, name) for name in PUBLISHED},
    }
)


def open_dataset(path: str | Path, format: str = "auto", ignore: Collection[str] = ()) -> Dataset:  # noqa: A002
    """Opens a labelled data set; ``DatasetError`` says what is missing, ``UsageError`` lists the formats.

    ``detectron2:NAME`` is a set that is registered there, ``hf:NAME`` one of Hugging Face. ``ignore``: class names or
    indices that are never stored or scored, beside those that the data set itself marks.
    """
    if str(path).startswith(DETECTRON2):
        return open_detectron2(str(path).removeprefix(DETECTRON2), ignore)
    if str(path).startswith(HUGGING_FACE):
        return open_hugging_face(str(path).removeprefix(HUGGING_FACE), ignore)
    root = Path(path)
    if not root.exists():
        raise DatasetError(f"{root} does not exist; check the path")
    return lookup("data set format", detect_format(root) if format == "auto" else format, FORMATS)(root, ignore)


def detect_format(root: Path) -> str:
    """The format of a folder by its layout; ``DatasetError`` says what was seen in it and what was expected.

    What says more goes first: objects before classes of pixels, a JSON before label files.
    """
    published = published_format(root)
    if published is not None and published != "coco-stuff":  # these lie beside COCO's JSONs, which say more
        return published
    if find_lvis(root):
        return "lvis"
    if find_panoptic(root) is not None:
        return "coco-panoptic"
    if root.suffix == ".xml" or (root / "annotations.xml").is_file():
        return "cvat"
    if root.suffix == ".json" or find_instances(root):
        return "coco"
    if published is not None:
        return published
    labels = root / "labels"
    if labels.is_dir():
        if any(labels.glob("*.png")):
            return "masks"
        if any(labels.glob("*.txt")):
            return "yolo"
    if root.is_dir() and (any(root.glob("*.json")) or any(root.glob("*/*.json"))) and not is_saved(root):
        return "labelme"
    if is_saved(root):
        raise DatasetError(f"{root} is a data set of Hugging Face; pass it as {HUGGING_FACE}{root}")
    raise DatasetError(
        f"{root} is no data set that is known: {seen(root)}. Expected images/ with labels/*.png and classes.txt "
        "(masks), images/ with labels/*.txt (yolo), instances.json (coco), panoptic_*.json with its folder "
        "(coco-panoptic), annotations.xml (cvat), JSON files with shapes (labelme), or the tree of a published set; "
        "`knnclip datasets` shows them all"
    )
