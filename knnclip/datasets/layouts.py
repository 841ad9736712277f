"""Where published sets keep their images and their labels: a table, and finding the files by it.

A template is a path within the set: ``{split}``, ``{city}`` and ``{name}`` are what an image and its labels have in
common. The traps of the sets are in the table, as the values that are void: VOC's 255 is the border of objects; in
ADE20K 0 is "other" and classes begin at 1; Cityscapes has 34 label ids of which 19 count, or train ids with 255.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from knnclip.datasets.label_images import (
    Objects,
    ade_objects,
    cityscapes_objects,
    mapillary_objects,
    voc_objects,
)
from knnclip.images import IMAGE_SUFFIXES

COCO_STUFF_UNUSED = {11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90}
CITYSCAPES_LABELS = range(34)
SPLITS_OF_TRAINING = ("training", "validation")
SPLITS_OF_2017 = ("train2017", "val2017")

Key = tuple[tuple[str, str], ...]
"""What an image and its labels have in common: the parts of a template and what stands for them."""


@dataclass(frozen=True)
class ObjectLayout:
    """Where the images of objects lie."""

    files: str  # template
    read: Callable[[Path], Objects]
    encoding: str  # of the classes in them, as in the list of classes


@dataclass(frozen=True)
class Layout:
    """One published set in one of the trees that it comes in."""

    format: str
    images: tuple[str, ...]  # templates; an image lies at one of them
    labels: str  # template
    classes: str  # the list of classes; empty where only the set's own configuration has it
    encoding: str  # which of the values in that list the label images hold
    void: frozenset[int]
    splits: tuple[str, ...] = ("",)
    objects: ObjectLayout | None = None  # used where such files are
    config: str = ""  # a file of the set that lists its classes, in place of the list where it is there
    partly: bool = False  # whether images without labels are as it should be
    without: frozenset[str] = frozenset()  # names in the list that are no class here

    def found(self, home: Path, *templates: str) -> Mapping[Key, Path]:
        """The files at a template, in the order of their paths."""
        found: dict[Key, Path] = {}
        for template in templates:
            pattern = _pattern(template)
            for split in self.splits:
                for file in sorted(home.glob(template.format(split=split, city="*", name="*"))):
                    match = pattern.fullmatch(file.relative_to(home).as_posix())
                    if match is not None:
                        found.setdefault(tuple(match.groupdict().items()), file)
        return found

    def is_at(self, home: Path) -> bool:
        """Whether the labels of this layout are in a folder."""
        globs = (self.labels.format(split=split, city="*", name="*") for split in self.splits)
        return any(next(home.glob(glob), None) is not None for glob in globs)

    def home(self, root: Path) -> Path | None:
        """The folder of the set: ``root``, or what it is a split, a city or a list of the images of."""
        for home in (root, *list(root.parents)[:3]):
            if self.is_at(home) and (home == root or self._is_part(root.relative_to(home))):
                return home
        return None

    def _is_part(self, inside: Path) -> bool:
        if inside.parts[0] == "ImageSets":
            return inside.suffix == ".txt" and "{split}" not in self.labels
        return any(_begins(template, inside.parts, self.splits) for template in (*self.images, self.labels))

    def described(self, template: str) -> str:
        """A template as people read it."""
        return template.format(split="|".join(self.splits), city="CITY", name="NAME")


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template)))


def _begins(template: str, parts: Sequence[str], splits: Sequence[str]) -> bool:
    folders = template.split("/")[:-1]
    return len(parts) <= len(folders) and all(
        part == folder or (folder == "{split}" and part in splits) or folder == "{city}"
        for part, folder in zip(parts, folders, strict=False)
    )


VOC_OBJECTS = ObjectLayout("SegmentationObject/{name}.png", voc_objects, "label")
ADE_OBJECTS = ObjectLayout("annotations_instance/{split}/{name}.png", ade_objects, "instance")
CITYSCAPES_OBJECTS = ObjectLayout("gtFine/{split}/{city}/{name}_gtFine_instanceIds.png", cityscapes_objects, "label")

CONTEXT_IMAGES = ("images/{split}/{name}.jpg",)
VOC_IMAGES = tuple(f"JPEGImages/{{name}}{suffix}" for suffix in (".jpg", *sorted(IMAGE_SUFFIXES - {".jpg"})))
ADE_IMAGES = ("images/{split}/{name}.jpg",)
CITYSCAPES_IMAGES = ("leftImg8bit/{split}/{city}/{name}_leftImg8bit.png",)
CITYSCAPES_SPLITS = ("train", "val", "test")
COCO_IMAGES = ("{split}/{name}.jpg", "images/{split}/{name}.jpg")
BACKGROUND = frozenset({"background"})


def _mapillary(version: str, config: str, classes: str) -> Layout:
    return Layout(
        "mapillary", ("{split}/images/{name}.jpg",), f"{{split}}/{version}labels/{{name}}.png",
        classes, "pixel", frozenset({65}), SPLITS_OF_TRAINING,
        ObjectLayout(f"{{split}}/{version}instances/{{name}}.png", mapillary_objects, "pixel"), config=config,
    )  # fmt: skip


LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "ade20k", ADE_IMAGES, "annotations/{split}/{name}.png",
        "ade20k-150", "label", frozenset({0}), SPLITS_OF_TRAINING, ADE_OBJECTS,
    ),
    Layout(
        "ade20k", ADE_IMAGES, "annotations_detectron2/{split}/{name}.png",
        "ade20k-150", "prepared", frozenset({255}), SPLITS_OF_TRAINING, ADE_OBJECTS,
    ),
    Layout(
        "ade20k-full", ("images_detectron2/{split}/{name}.jpg",), "annotations_detectron2/{split}/{name}.tif",
        "ade20k-847", "pixel", frozenset({65535}), SPLITS_OF_TRAINING,
    ),
    Layout(
        "cityscapes", CITYSCAPES_IMAGES, "gtFine/{split}/{city}/{name}_gtFine_labelIds.png",
        "cityscapes", "label", frozenset({*CITYSCAPES_LABELS, 255}), CITYSCAPES_SPLITS, CITYSCAPES_OBJECTS, partly=True,
    ),
    Layout(
        "cityscapes", CITYSCAPES_IMAGES, "gtFine/{split}/{city}/{name}_gtFine_labelTrainIds.png",
        "cityscapes", "train", frozenset({255}), CITYSCAPES_SPLITS, CITYSCAPES_OBJECTS, partly=True,
    ),
    _mapillary("v2.0/", "config_v2.0.json", ""),
    _mapillary("v1.2/", "config_v1.2.json", "mapillary-1.2"),
    _mapillary("", "config.json", "mapillary-1.2"),
    Layout(
        "context-59", CONTEXT_IMAGES, "annotations_ctx59/{split}/{name}.png",
        "context-59", "prepared", frozenset({255}), SPLITS_OF_TRAINING, without=BACKGROUND,
    ),
    Layout(
        "context-60", CONTEXT_IMAGES, "annotations_ctx59/{split}/{name}.png",
        "context-59", "prepared", frozenset(), SPLITS_OF_TRAINING,
    ),
    Layout(
        "context-60", VOC_IMAGES, "SegmentationClassContext/{name}.png",
        "context-59", "label", frozenset({255}), partly=True,
    ),
    Layout(
        "context-59", VOC_IMAGES, "SegmentationClassContext/{name}.png",
        "context-59", "label", frozenset({0, 255}), partly=True, without=BACKGROUND,
    ),
    Layout(
        "context-459", CONTEXT_IMAGES, "annotations_ctx459/{split}/{name}.tif",
        "context-459", "prepared", frozenset({65535}), SPLITS_OF_TRAINING,
    ),
    Layout(
        "context-459", VOC_IMAGES, "trainval/{name}.mat",
        "context-459", "raw", frozenset({0}), partly=True,
    ),
    Layout(
        "context-59", VOC_IMAGES, "trainval/{name}.mat",
        "context-59", "raw", frozenset(range(460)), partly=True, without=BACKGROUND,
    ),
    Layout(
        "voc", VOC_IMAGES, "SegmentationClass/{name}.png",
        "voc-21", "label", frozenset({255}), objects=VOC_OBJECTS, config="labelmap.txt", partly=True,
    ),
    Layout(
        "voc", ("images/{split}/{name}.jpg",), "annotations_pascal21/{split}/{name}.png",
        "voc-21", "label", frozenset({255}), SPLITS_OF_TRAINING,
    ),
    Layout(
        "coco-stuff", COCO_IMAGES, "stuffthingmaps/{split}/{name}.png",
        "coco-stuff", "pixel", frozenset({*COCO_STUFF_UNUSED, 255}), SPLITS_OF_2017,
    ),
)  # fmt: skip
"""The first that fits is what a folder is taken for."""
