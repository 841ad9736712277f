"""Images whose truth is a label image each: a class index a pixel, and beside it, in some sets, an image of objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from knnclip.datasets.base import IGNORED, AnnotatedMask, Dataset, LabelledImage, Sample, connected_pieces
from knnclip.datasets.matlab import read_matrix
from knnclip.datasets.orientation import fitted
from knnclip.errors import DatasetError
from knnclip.images import MAX_INDEX, MAX_PIXELS, check_indices, read_image, read_index_map
from knnclip.structures import Int32, masks_from_labels

NOTHING = -1
"""Key of the pixels where an image of objects has none."""


@dataclass(frozen=True, eq=False)
class Objects:
    """What an image of objects says."""

    keys: Int32  # (H, W) a number for each object, NOTHING where there is none
    classes: Mapping[int, int] | None  # key -> value of its class; None: what most of its labelled pixels are
    groups: frozenset[int] = frozenset()  # keys of groups of objects


@dataclass(frozen=True)
class ObjectFiles:
    """Where the images of objects lie and how they are read."""

    files: Mapping[str, Path]  # by sample ref
    read: Callable[[Path], Objects]
    classes: Mapping[int, int]  # value of a class in these files -> its index


@dataclass(frozen=True, kw_only=True)
class LabelImages(Dataset):
    """The reader of such sets. Without images of objects an instance is a connected piece of one class."""

    has_instances: bool = False
    labels: Mapping[str, Path]  # the label image of each sample, by its ref
    values: tuple[int, ...]  # the value of each class in the label images
    void: frozenset[int]  # values that are never stored or scored
    objects: ObjectFiles | None = None  # where has_instances

    def files(self, sample: Sample) -> tuple[Path, ...]:
        """The image, its labels and its objects."""
        objects = () if self.objects is None else (self.objects.files[sample.ref],)
        return sample.image_path, self.labels[sample.ref], *objects

    def load(self, sample: Sample) -> LabelledImage:
        """Reads one image and its labels; raises ``ImageError`` or ``DatasetError`` naming the file."""
        image = read_image(sample.image_path)
        shape = (int(image.shape[0]), int(image.shape[1]))
        file = self.labels[sample.ref]
        values = fitted(read_label_image(file), shape, file, sample.image_path)
        label_map = index_map(values, self.values, self.void, str(file))
        if self.objects is None:
            instances = connected_pieces(label_map, self.class_names)
        else:
            instances = self._instances(sample, label_map, self.objects)
        return LabelledImage(image, label_map, self.class_names, instances)

    def _instances(self, sample: Sample, label_map: Int32, files: ObjectFiles) -> tuple[AnnotatedMask, ...]:
        """The objects of the things, and the connected pieces of the stuff."""
        file = files.files[sample.ref]
        objects = files.read(file)
        height, width = label_map.shape
        keys = fitted(objects.keys, (height, width), file, sample.image_path)
        is_thing = np.array([*(label.is_thing for label in self.classes), False])  # the last is for IGNORED
        stuff: Int32 = np.where(is_thing[label_map], IGNORED, label_map)
        found = list(connected_pieces(stuff, self.class_names))
        for mask in masks_from_labels(keys + 1):
            key = int(mask.select(keys)[0])
            if objects.classes is None:
                index = _majority(mask.select(label_map))
            else:
                index = files.classes.get(objects.classes[key], IGNORED)
            if is_thing[index]:
                found.append(AnnotatedMask(mask, self.class_names[index], key in objects.groups))
        return tuple(found)


def read_label_image(file: Path) -> Int32:
    """The values of a label image, or of the ``LabelMap`` of a MATLAB file, as ``(H, W) int32``.

    ``InputError`` if the file cannot be read, or a value is no whole number from 0 to ``MAX_INDEX``.
    """
    if file.suffix != ".mat":
        return read_index_map(file)
    found = np.asarray(read_matrix(file, "LabelMap", MAX_PIXELS))
    values: Int32 = np.clip(np.nan_to_num(found, nan=-1), -1, MAX_INDEX + 1).astype(np.int32)
    if (values != found).any():
        raise DatasetError(f"{file}: LabelMap holds what is no index; fetch the file again")
    return check_indices(values, file)


def index_map(values: Int32, listed: tuple[int, ...], void: frozenset[int], where: str) -> Int32:
    """Values as indices of classes, IGNORED where they are void; ``DatasetError`` for a value that is neither."""
    present = np.unique(values)
    strangers = sorted(set(present.tolist()) - set(listed) - void)
    if strangers:
        raise DatasetError(
            f"{where}: index {strangers[0]} is not in the list of classes; list it or pass --ignore {strangers[0]}"
        )
    table = np.full(int(present[-1]) + 1, IGNORED, dtype=np.int32)
    for i, value in enumerate(listed):
        if 0 <= value < len(table):
            table[value] = i
    mapped: Int32 = table[values]
    return mapped


def voc_objects(file: Path) -> Objects:
    """Pascal VOC's SegmentationObject: objects from 1; 0 is background and 255 the border."""
    numbers = read_index_map(file)
    return Objects(np.where((numbers == 0) | (numbers == 255), NOTHING, numbers), None)


def ade_objects(file: Path) -> Objects:
    """ADE20K's annotations_instance: red is the category of things, green the number of the object, 0 for none."""
    rgb = read_image(file).astype(np.int32)
    keys = np.where(rgb[..., 1] > 0, rgb[..., 0] * 256 + rgb[..., 1], NOTHING)
    return Objects(keys, {key: key // 256 for key in np.unique(keys).tolist()})


def cityscapes_objects(file: Path) -> Objects:
    """Cityscapes' instanceIds: label id * 1000 + number; below 1000 a label id alone, which is a group of objects."""
    keys = read_index_map(file)
    present = np.unique(keys).tolist()
    classes = {key: key // 1000 if key >= 1000 else key for key in present}
    return Objects(keys, classes, frozenset(key for key in present if key < 1000))


def mapillary_objects(file: Path) -> Objects:
    """Mapillary Vistas' instances: class * 256 + number."""
    keys = read_index_map(file)
    return Objects(keys, {key: key // 256 for key in np.unique(keys).tolist()})


def _majority(indices: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> int:
    """The most frequent index that is not IGNORED; IGNORED if there is none."""
    counts = np.bincount(np.asarray(indices, dtype=np.int64) + 1)[1:]
    return int(counts.argmax()) if counts.any() else IGNORED
