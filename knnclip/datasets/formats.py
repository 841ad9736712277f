"""What is known of every format of labelled data before any is opened: its name, its reader, its tree.

A new format is a module with a reader and a card here: the choice by layout, the messages and the list of
``knnclip datasets`` derive from the cards.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from knnclip.datasets.base import Dataset
from knnclip.datasets.coco import is_coco, is_lvis, open_coco, open_lvis
from knnclip.datasets.coco_panoptic import is_coco_panoptic, open_coco_panoptic
from knnclip.datasets.detectron2 import SCHEME as DETECTRON2
from knnclip.datasets.detectron2 import open_detectron2
from knnclip.datasets.drawn import is_cvat, is_labelme, open_cvat, open_labelme
from knnclip.datasets.hugging_face import SCHEME as HUGGING_FACE
from knnclip.datasets.hugging_face import is_saved, open_hugging_face
from knnclip.datasets.index_masks import is_index_masks, open_index_masks
from knnclip.datasets.published import is_published, open_published
from knnclip.datasets.reading import contents
from knnclip.datasets.yolo import is_yolo, open_yolo
from knnclip.errors import DatasetError, lookup


@dataclass(frozen=True)
class Format:
    """One format of labelled data that lies in a folder."""

    name: str  # as --format takes it
    open: Callable[[Path, Collection[str]], Dataset]  # of a folder or file, and what is to be ignored
    is_at: Callable[[Path], bool]  # whether a folder or file is laid out so
    tree: str  # what the folder holds, for people; what is in [brackets] need not be there
    sign: str = ""  # by what a folder is recognised, for people; empty for a published set, whose tree says it


@dataclass(frozen=True)
class Scheme:
    """Data sets that another package keeps, given by a name in place of the folder."""

    prefix: str  # what stands before the name
    open: Callable[[str, Collection[str]], Dataset]  # of what stands after the prefix, and what is to be ignored
    tree: str  # what the name is, for people

    @property
    def name(self) -> str:
        """How such a set is written, for people."""
        return f"{self.prefix}NAME"


def _published(name: str, tree: str) -> Format:
    return Format(name, partial(open_published, name), partial(is_published, name), tree)


MASKS = Format(
    "masks", open_index_masks, is_index_masks,
    "images/NAME.jpg  labels/NAME.png (one index a pixel)  classes.txt (`index name [R G B] [thing|stuff]`)",
    "images/ with labels/*.png and classes.txt",
)  # fmt: skip
COCO = Format(
    "coco", open_coco, is_coco,
    "instances.json, annotations/instances_SPLIT.json or ade20k_instance_SPLIT.json  images/ or SPLIT/",
    "instances.json",
)  # fmt: skip
COCO_PANOPTIC = Format(
    "coco-panoptic", open_coco_panoptic, is_coco_panoptic,
    "[annotations/][ade20k_]panoptic_SPLIT.json  a folder of its name with PNGs  SPLIT/ or images/",
    "panoptic_*.json with its folder",
)  # fmt: skip
LVIS = Format("lvis", open_lvis, is_lvis, "[annotations/]lvis_v1_SPLIT.json  train2017/ and val2017/")
YOLO = Format(
    "yolo", open_yolo, is_yolo,
    "images/NAME.jpg  labels/NAME.txt (`class x y x y ...` in 0..1)  classes.txt or data.yaml",
    "images/ with labels/*.txt",
)  # fmt: skip
LABELME = Format(
    "labelme", open_labelme, lambda root: is_labelme(root) and not is_saved(root),
    "NAME.jpg  NAME.json (shapes: polygon, rectangle, circle, mask)",
    "JSON files with shapes",
)  # fmt: skip
CVAT = Format(
    "cvat", open_cvat, is_cvat, "images/  annotations.xml (CVAT for images 1.1)", "annotations.xml"
)  # fmt: skip
COCO_STUFF = _published(
    "coco-stuff", "[images/]{train2017,val2017}/NAME.jpg  stuffthingmaps/{train2017,val2017}/NAME.png"
)
VOC = _published(
    "voc", "JPEGImages/NAME.jpg  SegmentationClass/NAME.png  [SegmentationObject/NAME.png]  [labelmap.txt]"
)
CONTEXT_59 = _published(
    "context-59", "images/SPLIT/NAME.jpg  annotations_ctx59/SPLIT/NAME.png (SPLIT: training, validation)"
)
CONTEXT_60 = _published(
    "context-60", "JPEGImages/NAME.jpg  SegmentationClassContext/NAME.png; or as context-59; with the background"
)
CONTEXT_459 = _published(
    "context-459", "JPEGImages/NAME.jpg  trainval/NAME.mat; or images/SPLIT/  annotations_ctx459/SPLIT/NAME.tif"
)
ADE20K = _published(
    "ade20k", "images/SPLIT/NAME.jpg  annotations/SPLIT/NAME.png  [annotations_instance/SPLIT/NAME.png]"
)
ADE20K_FULL = _published(
    "ade20k-full", "images_detectron2/SPLIT/NAME.jpg  annotations_detectron2/SPLIT/NAME.tif"
)  # fmt: skip
CITYSCAPES = _published(
    "cityscapes", "leftImg8bit/SPLIT/CITY/  gtFine/SPLIT/CITY/*_{labelIds,labelTrainIds}.png  [*_instanceIds.png]"
)
MAPILLARY = _published(
    "mapillary", "SPLIT/images/  SPLIT/[v1.2/|v2.0/]labels/  [SPLIT/.../instances/]  [config*.json]"
)  # fmt: skip

FORMATS: tuple[Format, ...] = (
    MASKS, COCO, COCO_PANOPTIC, COCO_STUFF, LVIS, YOLO, LABELME, CVAT,
    VOC, CONTEXT_59, CONTEXT_60, CONTEXT_459, ADE20K, ADE20K_FULL, CITYSCAPES, MAPILLARY,
)  # fmt: skip
"""All formats, in the order in which people are told of them."""

BY_PRIORITY: tuple[Format, ...] = (
    ADE20K, ADE20K_FULL, CITYSCAPES, MAPILLARY, CONTEXT_59, CONTEXT_60, CONTEXT_459, VOC,
    LVIS, COCO_PANOPTIC, CVAT, COCO, COCO_STUFF, MASKS, YOLO, LABELME,
)  # fmt: skip
"""All formats again: a folder that is laid out as several is taken for the first of them.

What says more goes first. The tree of a published set says everything about its classes; only COCO-Stuff lies beside
the JSONs of COCO, which tell its objects apart. A JSON of objects goes before classes of pixels, label files before any
JSON files that may be LabelMe's.
"""

SCHEMES: tuple[Scheme, ...] = (
    Scheme(DETECTRON2, open_detectron2, "a set registered in detectron2's DatasetCatalog, in place of the folder"),
    Scheme(
        HUGGING_FACE, open_hugging_face,
        "a Hugging Face set or a folder that it saved: hf:NAME[,split=SPLIT][,image=COLUMN][,mask=COLUMN]",
    ),
)  # fmt: skip


def open_dataset(path: str | Path, format: str = "auto", ignore: Collection[str] = ()) -> Dataset:  # noqa: A002
    """Opens a labelled data set: its classes and the list of its images, none of which is read yet.

    ``path`` is a folder, a part or a file of it that the format knows (one split, one JSON), or ``detectron2:NAME`` or
    ``hf:NAME`` for what another package keeps. ``format`` is a name in ``FORMATS``; ``auto`` recognises it by the
    layout, see ``detect_format``. ``ignore``: class names or indices that are never stored or scored, beside those that
    the data set itself marks.

    Raises ``DatasetError``, which says what is missing, ``InputError`` for a file that cannot be read, and
    ``UsageError``, which lists the formats, for an unknown one. What is broken within it is in ``Dataset.rejected``.
    """
    for scheme in SCHEMES:
        if str(path).startswith(scheme.prefix):
            return scheme.open(str(path).removeprefix(scheme.prefix), ignore)
    root = Path(path)
    by_name: Mapping[str, Format] = {card.name: card for card in FORMATS}
    try:
        if not root.exists():
            raise DatasetError(f"{root} does not exist; check the path")
        card = lookup("data set format", detect_format(root) if format == "auto" else format, by_name)
        return card.open(root, ignore)
    except (OSError, ValueError) as error:  # a folder that may not be listed, a path that no system takes
        raise DatasetError(f"{root} cannot be read ({error}); check the path and its permissions") from error


def detect_format(root: Path) -> str:
    """The name of the format of a folder or file by its layout, the first in ``BY_PRIORITY`` that fits.

    ``DatasetError`` says what the folder holds and what was expected.
    """
    for card in BY_PRIORITY:
        if card.is_at(root):
            return card.name
    if is_saved(root):
        raise DatasetError(f"{root} is a data set of Hugging Face; pass it as {HUGGING_FACE}{root}")
    expected = ", ".join(f"{card.sign} ({card.name})" for card in FORMATS if card.sign)
    raise DatasetError(
        f"{root} is no data set that is known: {contents(root)}. Expected {expected}, or the tree of a published set; "
        "`knnclip datasets` shows them all"
    )
