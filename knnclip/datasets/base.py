"""What every reader of labelled data gives, whatever the format on the disk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from knnclip.errors import DatasetError
from knnclip.images import IMAGE_SUFFIXES
from knnclip.structures import Image, Int32, Mask, masks_from_labels
from knnclip.vocabulary import Color

MIN_AREA_PX = 30
"""Annotated pieces smaller than this are left out: too few pixels to describe."""

IGNORED = -1
"""Value of a label map where the truth says nothing: never stored, never scored."""


@dataclass(frozen=True)
class Rejection:
    """Something that could not be used, and why."""

    file: str
    row: str | None  # line, annotation id or index within the file
    reason: str


@dataclass(frozen=True)
class ClassLabel:
    """A class as a data set names it."""

    name: str
    is_thing: bool
    color: Color | None = None


@dataclass(frozen=True)
class Sample:
    """One image of a data set, not yet read."""

    ref: str  # path within the data set, with forward slashes
    image_path: Path


@dataclass(frozen=True, eq=False)
class LabelledMask:
    """One annotated instance."""

    mask: Mask
    class_name: str
    is_crowd: bool = False  # a group of objects: never stored, its pixels never scored


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """An image with its truth."""

    image: Image  # (H, W, 3)
    label_map: Int32  # (H, W) index into class_names, IGNORED where nothing is said
    class_names: tuple[str, ...]
    instances: tuple[LabelledMask, ...]
    rejected: tuple[Rejection, ...] = ()
    too_small: int = 0  # annotated pieces under MIN_AREA_PX


@dataclass(frozen=True, kw_only=True)
class Dataset(ABC):
    """A labelled data set on the disk; each format is a subclass."""

    format: ClassVar[str]
    root: Path
    classes: tuple[ClassLabel, ...]
    samples: tuple[Sample, ...]
    rejected: tuple[Rejection, ...] = ()  # found while opening

    @abstractmethod
    def load(self, sample: Sample) -> LabelledImage:
        """Reads one image and its truth. Raises ``ImageError`` or ``DatasetError`` if the image cannot be used at all;
        a broken annotation is in ``rejected`` and the others stand.
        """

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the label maps."""
        return tuple(label.name for label in self.classes)


def images_in(folder: Path, root: Path) -> tuple[Sample, ...]:
    """The images of a folder by name; ``DatasetError`` if there is none."""
    files = (
        sorted(file for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES) if folder.is_dir() else []
    )
    if not files:
        raise DatasetError(f"{folder} holds no images; a data set keeps them in {root / 'images'}")
    return tuple(Sample(file.relative_to(root).as_posix(), file) for file in files)


def paint(instances: tuple[LabelledMask, ...], names: tuple[str, ...], shape: tuple[int, int]) -> Int32:
    """The label map of instances: smaller ones lie on larger ones, crowds and unannotated pixels are IGNORED."""
    label_map = np.full(shape, IGNORED, dtype=np.int32)
    index = {name: i for i, name in enumerate(names)}
    for item in sorted(instances, key=lambda item: (not item.is_crowd, -item.mask.area)):
        label_map[item.mask.slices][item.mask.crop] = IGNORED if item.is_crowd else index[item.class_name]
    return label_map


def connected_pieces(label_map: Int32, names: tuple[str, ...]) -> tuple[tuple[LabelledMask, ...], int]:
    """The connected pieces (8-connectivity) of each class of a label map, and how many were too small to be kept."""
    from skimage.measure import label

    masks = masks_from_labels(label(label_map, background=IGNORED, connectivity=2))
    large = [mask for mask in masks if mask.area >= MIN_AREA_PX]
    found = tuple(LabelledMask(mask, names[int(mask.select(label_map)[0])]) for mask in large)
    return found, len(masks) - len(large)


def read_text(path: Path) -> str:
    """A text file as UTF-8; ``DatasetError`` names it if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError:
        raise DatasetError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
