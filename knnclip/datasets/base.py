"""What every reader of labelled data gives, whatever the format on the disk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from knnclip.datasets.rejections import Rejection
from knnclip.errors import DatasetError, UsageError
from knnclip.structures import Image, Int32, Mask, masks_from_labels
from knnclip.vocabulary import Color, check_name, distinct_names, name_key, same_names

MIN_AREA_PX = 30
"""Masks smaller than this are scored, but neither stored nor asked: 5 x 6 pixels are too few to describe a thing by.

Smaller ones fill a store with what resembles everything; a larger limit leaves out what is far away.
"""

MAX_CLASSES = 25_000
"""More than any published set has (ImageNet's 21,841). Each becomes a row of every table and a transaction of the
store, so a file that lists far more by mistake or malice would be read for minutes."""

IGNORED = -1
"""Value of a label map where the truth says nothing: never stored, never scored."""


@dataclass(frozen=True)
class ClassLabel:
    """A class as a data set names it."""

    name: str
    is_thing: bool
    color: Color | None = None
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """One image of a data set, not yet read."""

    ref: str  # path within the data set, with forward slashes
    image_path: Path  # where the image lies; a mere name where the set does not keep its images as files


@dataclass(frozen=True, eq=False)
class AnnotatedMask:
    """One annotated instance."""

    mask: Mask
    class_name: str
    is_crowd: bool = False  # a group of objects: never stored, never scored as one of them


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """An image with its truth."""

    image: Image  # (H, W, 3)
    label_map: Int32  # (H, W) index into class_names, IGNORED where nothing is said
    class_names: tuple[str, ...]
    instances: tuple[AnnotatedMask, ...]
    rejected: tuple[Rejection, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Dataset(ABC):
    """A labelled data set on the disk; each format is a subclass."""

    format: str
    root: Path
    classes: tuple[ClassLabel, ...]
    samples: tuple[Sample, ...]
    rejected: tuple[Rejection, ...] = ()  # found while opening
    has_instances: bool = True  # whether the truth tells the objects of one class apart
    exhaustive: bool = True  # whether what is not annotated is not there, so that a detection of it is false
    stacked: bool = False  # whether instances come in the order in which they lie on each other; else small on large

    def __post_init__(self) -> None:
        if len(self.classes) > MAX_CLASSES:
            raise DatasetError(
                f"{self.root} has {len(self.classes):,} classes, at most {MAX_CLASSES:,} can be read; check its list"
            )
        for label in self.classes:
            for name in (label.name, *label.synonyms):
                try:
                    check_name(name)
                except UsageError as error:
                    raise DatasetError(f"{self.root}: {error}; mend its list of classes") from None

    @abstractmethod
    def load(self, sample: Sample) -> LabelledImage:
        """Reads one image and its truth. Raises ``InputError`` if the image or its truth cannot be used at all;
        a broken annotation is in ``rejected`` and the others stand.
        """

    @property
    def summary(self) -> str:
        """What was found, for people: format, number of images and classes, whether objects are told apart."""
        objects = "objects told apart" if self.has_instances else "objects not told apart"
        return f"{self.format}, {len(self.samples):,} images, {len(self.classes)} classes, {objects}"

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the label maps."""
        return tuple(label.name for label in self.classes)

    @property
    def class_aliases(self) -> tuple[tuple[str, ...], ...]:
        """The names and synonyms of each class, its own name first."""
        return tuple((label.name, *label.synonyms) for label in self.classes)

    def files(self, sample: Sample) -> tuple[Path, ...]:
        """The files that an image and its truth are read from; whoever counted them knows by them what changed."""
        return (sample.image_path,)


def select_samples(dataset: Dataset, patterns: Sequence[str] = ()) -> list[Sample]:
    """The samples whose image's file name matches one of the patterns (``*``, ``?`` and ``[...]``, as a shell's).

    Without patterns all of them. ``DatasetError`` if there is none: the data set has no image that can be read, or no
    pattern matches.
    """
    if not dataset.samples:
        first = dataset.rejected[0].reason if dataset.rejected else "it lists none"
        raise DatasetError(f"{dataset.root} has no image that can be read: {first}")
    chosen = [
        sample
        for sample in dataset.samples
        if not patterns or any(fnmatchcase(sample.image_path.name, pattern) for pattern in patterns)
    ]
    if not chosen:
        name, asked = dataset.samples[0].image_path.name, " ".join(patterns)
        raise DatasetError(f"no image of {dataset.root} matches {asked}; its first is {name}, check the pattern")
    return chosen


def paint(instances: tuple[AnnotatedMask, ...], names: tuple[str, ...], shape: tuple[int, int]) -> Int32:
    """The label map of instances: smaller ones lie on larger ones, crowds and unannotated pixels are IGNORED."""
    label_map = np.full(shape, IGNORED, dtype=np.int32)
    index = {name: i for i, name in enumerate(names)}
    for item in sorted(instances, key=lambda item: (not item.is_crowd, -item.mask.area)):
        label_map[item.mask.slices][item.mask.crop] = IGNORED if item.is_crowd else index[item.class_name]
    return label_map


def connected_pieces(label_map: Int32, names: tuple[str, ...]) -> tuple[AnnotatedMask, ...]:
    """The connected pieces (8-connectivity) of each class of a label map, those of at least ``MIN_AREA_PX``."""
    from skimage.measure import label

    masks = masks_from_labels(label(label_map, background=IGNORED, connectivity=2))
    large = (mask for mask in masks if mask.area >= MIN_AREA_PX)
    return tuple(AnnotatedMask(mask, names[int(mask.select(label_map)[0])]) for mask in large)


def unwanted(value: int, label: ClassLabel, ignore: Collection[str]) -> bool:
    """Whether a class is to be ignored, by its value in the data or by one of its names."""
    return same_names((str(value), label.name, *label.synonyms), ignore)


def without_shared_synonyms(labels: Iterable[ClassLabel]) -> tuple[ClassLabel, ...]:
    """The classes without the synonyms that would also name another class."""
    labels = tuple(labels)
    owners = Counter(key for label in labels for key in {name_key(name) for name in (label.name, *label.synonyms)})
    return tuple(
        replace(label, synonyms=tuple(name for name in distinct_names(label.synonyms) if owners[name_key(name)] == 1))
        for label in labels
    )
