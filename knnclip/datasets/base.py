"""What every reader of labelled data gives, whatever the format on the disk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from knnclip.errors import DatasetError
from knnclip.images import IMAGE_SUFFIXES, read_orientation, turned_upright
from knnclip.structures import Image, Int32, Mask, masks_from_labels
from knnclip.vocabulary import Color

MIN_AREA_PX = 30
"""Masks smaller than this have too few pixels to be described; they are scored, but neither stored nor asked."""

IGNORED = -1
"""Value of a label map where the truth says nothing: never stored, never scored."""


SEEN_ENTRIES = 6
"""So many entries of a folder are named in a message."""


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
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """One image of a data set, not yet read."""

    ref: str  # path within the data set, with forward slashes
    image_path: Path  # where the image lies; a mere name where the set does not keep its images as files


@dataclass(frozen=True, eq=False)
class LabelledMask:
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
    instances: tuple[LabelledMask, ...]
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

    @abstractmethod
    def load(self, sample: Sample) -> LabelledImage:
        """Reads one image and its truth. Raises ``ImageError`` or ``DatasetError`` if the image cannot be used at all;
        a broken annotation is in ``rejected`` and the others stand.
        """

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the label maps."""
        return tuple(label.name for label in self.classes)

    @property
    def called(self) -> tuple[tuple[str, ...], ...]:
        """The names and synonyms of each class, its own name first."""
        return tuple((label.name, *label.synonyms) for label in self.classes)

    def files(self, sample: Sample) -> tuple[Path, ...]:
        """The files that an image and its truth are read from; whoever counted them knows by them what changed."""
        return (sample.image_path,)


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


def connected_pieces(label_map: Int32, names: tuple[str, ...]) -> tuple[LabelledMask, ...]:
    """The connected pieces (8-connectivity) of each class of a label map, those of at least ``MIN_AREA_PX``."""
    from skimage.measure import label

    masks = masks_from_labels(label(label_map, background=IGNORED, connectivity=2))
    large = (mask for mask in masks if mask.area >= MIN_AREA_PX)
    return tuple(LabelledMask(mask, names[int(mask.select(label_map)[0])]) for mask in large)


def turn_of(
    size: tuple[int, int], shape: tuple[int, int], where: str, image_path: Path, content: bytes | None = None
) -> int:
    """The EXIF orientation by which labels made at ``size`` ``(h, w)`` come upright; 1 if they fit as they are.

    A camera may store a picture lying on its side and note how to turn it. Labels that were made on the pixels as they
    are stored have the sides swapped; they are turned as the image was. ``DatasetError`` if they fit in neither way.
    """
    if size == shape:
        return 1
    if size == shape[::-1] and (turn := read_orientation(image_path, content=content)) > 4:
        return turn
    raise DatasetError(
        f"{where}: the labels are for {size[1]}x{size[0]} px, the image has {shape[1]}x{shape[0]} px; "
        "export them again at the size of the image"
    )


def fitted(values: Int32, shape: tuple[int, int], file: Path, image_path: Path) -> Int32:
    """A label image in the shape ``(H, W)`` of its upright image, see ``turn_of``."""
    size = int(values.shape[0]), int(values.shape[1])
    return turned_upright(values, turn_of(size, shape, str(file), image_path))


def turned(mask: Mask, orientation: int) -> Mask:
    """A mask on the pixels as they are stored, on those of the upright image."""
    return mask if orientation == 1 else Mask.from_dense(turned_upright(mask.to_dense(), orientation))


def unwanted(value: int, label: ClassLabel, ignore: Collection[str]) -> bool:
    """Whether a class is to be ignored, by its value in the data or by one of its names."""
    return not {str(value), label.name, *label.synonyms}.isdisjoint(ignore)


def distinct(labels: Iterable[ClassLabel]) -> tuple[ClassLabel, ...]:
    """The classes without the synonyms that would also name another class."""
    labels = tuple(labels)
    owners = Counter(name for label in labels for name in {label.name, *label.synonyms})
    return tuple(
        replace(label, synonyms=tuple(name for name in dict.fromkeys(label.synonyms) if owners[name] == 1))
        for label in labels
    )


def seen(folder: Path) -> str:
    """What a folder holds, for a message: its first few entries."""
    if not folder.is_dir():
        return f"{folder.name} is {'a file' if folder.exists() else 'not there'}"
    entries = sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in folder.iterdir())
    more = f" and {len(entries) - SEEN_ENTRIES} more" if len(entries) > SEEN_ENTRIES else ""
    return f"it holds {', '.join(entries[:SEEN_ENTRIES]) or 'nothing'}{more}"


def read_text(path: Path) -> str:
    """A text file as UTF-8; ``DatasetError`` names it if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError:
        raise DatasetError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
