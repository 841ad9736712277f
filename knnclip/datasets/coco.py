"""COCO instances: one JSON of images, annotations (polygons, run lengths, crowds) and categories; and LVIS.

The JSON is the file itself, or ``instances.json``, ``annotations/instances_*.json`` or ``ade20k_instance_*.json`` in
the folder; images lie beside it, under ``images/`` or in the folder of the split. Pixels without annotation are not
scored: an instance set does not say what they are. LVIS has a JSON of its own name, its names have ``_`` for blanks, it
lists synonyms, and it says where an image lies by its address.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knnclip.datasets.base import (
    AnnotatedMask,
    ClassLabel,
    Dataset,
    LabelledImage,
    Sample,
    paint,
    unwanted,
    without_shared_synonyms,
)
from knnclip.datasets.class_lists import known_classes
from knnclip.datasets.orientation import turn_of, turned
from knnclip.datasets.polygons import mask_from_coco
from knnclip.datasets.reading import MAX_SIDE_PX, contents, find_inside
from knnclip.datasets.rejections import Rejection
from knnclip.errors import DatasetError, InputError, MaskError
from knnclip.fields import Fields, Ident, shown
from knnclip.files import read_json
from knnclip.images import read_image

# What a folder lacks, for messages.
INSTANCES = "instances.json, annotations/instances_SPLIT.json or ade20k_instance_SPLIT.json"
LVIS = "lvis_v1_SPLIT.json"
ADE_SPLITS = {"train": "training", "val": "validation"}
"""ADE20K's folders of images, by the end of the names of its JSONs."""


@dataclass(frozen=True, kw_only=True)
class CocoInstances(Dataset):
    """The reader of this format."""

    file: Path
    names: Mapping[int, str]  # category id -> class name, ignored categories left out
    ignored: frozenset[int]  # category ids
    annotations: Mapping[str, tuple[Fields, ...]]  # sample ref -> its annotations
    sizes: Mapping[str, tuple[int, int]]  # sample ref -> (height, width) that its annotations are for, where given

    def files(self, sample: Sample) -> tuple[Path, ...]:
        """The image and the JSON."""
        return sample.image_path, self.file

    def load(self, sample: Sample) -> LabelledImage:
        """Reads one image and its annotations; raises ``ImageError`` if the image cannot be read, and
        ``DatasetError`` if it has another size than its annotations.
        """
        image = read_image(sample.image_path)
        shape = (int(image.shape[0]), int(image.shape[1]))
        size = self.sizes.get(sample.ref, shape)
        turn = turn_of(size, shape, f"{self.file}, image {sample.ref}", sample.image_path)
        found: list[AnnotatedMask] = []
        rejected: list[Rejection] = []
        for annotation in self.annotations.get(sample.ref, ()):
            try:
                category = annotation.whole("category_id")
                if category in self.ignored:
                    continue
                if category not in self.names:
                    raise InputError(f"category {category} is not in categories")
                mask = turned(mask_from_coco(annotation.content.get("segmentation"), size), turn)
                found.append(AnnotatedMask(mask, self.names[category], annotation.flag("iscrowd")))
            except (InputError, MaskError) as error:
                place = f"annotation {shown(annotation.content.get('id', '?'))}"
                rejected.append(Rejection(str(self.file), place, str(error)))
        names = self.class_names
        return LabelledImage(image, paint(tuple(found), names, shape), names, tuple(found), tuple(rejected))


def open_coco(root: Path, ignore: Collection[str] = ()) -> CocoInstances:
    """Opens a folder, or the JSON file itself; ``InputError`` if the JSON is missing or is not COCO instances."""
    file = root if root.is_file() else _only(root, INSTANCES, find_instances(root))
    return _opened("coco", root, file, ignore)


def open_lvis(root: Path, ignore: Collection[str] = ()) -> CocoInstances:
    """Opens a folder with ``lvis_v1_SPLIT.json``, or the JSON itself; ``InputError`` as ``open_coco``.

    The set is federated: of an image it lists only some of the classes that are there. So a pixel without annotation
    is unknown, never background.
    """
    file = root if root.is_file() else _only(root, LVIS, find_lvis(root))
    return _opened("lvis", root, file, ignore)


def is_coco(root: Path) -> bool:
    """Whether a folder has a JSON of instances, or ``root`` is a JSON itself."""
    return root.suffix == ".json" or bool(find_instances(root))


def is_lvis(root: Path) -> bool:
    """Whether a folder has a JSON of LVIS, or ``root`` is one itself."""
    return bool(find_lvis(root))


def find_instances(root: Path) -> list[Path]:
    """The instance JSONs of a folder."""
    found = [file for file in (root / "instances.json",) if file.is_file()]
    return found + sorted((root / "annotations").glob("instances*.json")) + sorted(root.glob("ade20k_instance_*.json"))


def find_lvis(root: Path) -> list[Path]:
    """The JSONs of LVIS in a folder, or ``root`` itself if it is one; empty if there is none."""
    if root.is_file():
        return [root] if root.stem.startswith("lvis") and root.suffix == ".json" else []
    return [file for folder in (root, root / "annotations") for file in sorted(folder.glob("lvis_v*.json"))]


def _only(root: Path, expected: str, found: list[Path]) -> Path:
    if not found:
        raise DatasetError(f"{root} has no {expected}; {contents(root)}")
    if len(found) > 1:
        names = ", ".join(file.relative_to(root).as_posix() for file in found)
        raise DatasetError(f"{root} has {len(found)} of {expected} ({names}); pass the file itself")
    return found[0]


def _opened(format: str, root: Path, file: Path, ignore: Collection[str]) -> CocoInstances:  # noqa: A002
    content = Fields.of(read_json(file), f"{file} is not COCO instances")
    categories, listed, annotations = (content.items(key) for key in ("categories", "images", "annotations"))
    labels, rejected = read_categories(categories, file)
    ignored = frozenset(key for key, label in labels.items() if unwanted(key, label, ignore))
    kept = {key: label for key, label in labels.items() if key not in ignored}
    if len({label.name for label in kept.values()}) < len(kept):
        raise DatasetError(f"{file}: two categories have the same name; give each its own")
    images, refused = _images(listed, file)
    grouped: dict[str, list[Fields]] = defaultdict(list)
    for position, annotation in enumerate(annotations):
        try:
            entry = Fields.of(annotation)
            owner = images.get(entry.ident("image_id"))
            if owner is None:
                raise InputError("its image is not in images, or cannot be used")
            grouped[owner.ref].append(entry)
        except InputError as error:
            refused.append(Rejection(str(file), f"annotation at {position}", str(error)))
    present = [image for image in images.values() if image.path is not None]
    return CocoInstances(
        format=format,
        exhaustive=format != "lvis",
        root=root,
        file=file,
        classes=without_shared_synonyms(kept.values()),
        samples=tuple(Sample(image.ref, image.path) for image in present if image.path is not None),
        rejected=(*rejected, *refused),
        names={key: label.name for key, label in kept.items()},
        ignored=ignored,
        annotations={ref: tuple(group) for ref, group in grouped.items()},
        sizes={image.ref: image.size for image in present if image.size is not None},
    )


@dataclass(frozen=True)
class _Image:
    """An entry of ``images``."""

    ref: str
    path: Path | None  # None where it is missing
    size: tuple[int, int] | None  # (height, width), where given


def _images(listed: list[Any], file: Path) -> tuple[dict[Ident, _Image], list[Rejection]]:
    """The images by their id, and what cannot be used of them.

    Of images that share an id none is used: whose their annotations are cannot be told.
    """
    folder = file.parent.parent if file.parent.name == "annotations" else file.parent
    places = image_folders(folder, file.stem.removeprefix("instances_"))
    images: dict[Ident, _Image] = {}
    twice: dict[Ident, None] = {}
    rejected: list[Rejection] = []
    refs: set[str] = set()
    for position, content in enumerate(listed):
        place = f"image at {position}"
        try:
            entry = Fields.of(content)
            key = entry.ident("id")
            place = f"image {key}"
            name = _file_name(entry)
            if key in images or key in twice:
                twice[key] = None
                raise InputError(f"id {key} is that of several images; give each its own")
            if name in refs:
                raise InputError(f"image {name} is listed twice; leave one out")
            size = None
            if entry.has("height") and entry.has("width"):
                size = entry.whole("height", 1, MAX_SIDE_PX), entry.whole("width", 1, MAX_SIDE_PX)
            images[key] = _Image(name, find_inside(name, places, folder), size)
            refs.add(name)
            if images[key].path is None:
                raise InputError(f"image {name} is missing")
        except InputError as error:
            rejected.append(Rejection(str(file), place, str(error)))
    return {key: image for key, image in images.items() if key not in twice}, rejected


def read_categories(
    categories: list[Any], file: Path, *, stuff: bool = False
) -> tuple[dict[int, ClassLabel], list[Rejection]]:
    """The classes of a COCO JSON by category id, and what cannot be used of them.

    Where all categories are those of a published set, what is known of that set is known of them. LVIS writes ``_``
    for blanks, and lists synonyms. ``stuff``: whether a category may say by ``isthing`` that it is no thing.
    """
    listed: dict[int, Fields] = {}
    names: dict[int, str] = {}
    synonyms: dict[int, list[str]] = {}
    rejected: list[Rejection] = []
    for position, content in enumerate(categories):
        try:
            entry = Fields.of(content)
            key = entry.whole("id")
            if key in listed:
                raise InputError(f"id {key} is that of several categories; give each its own")
            name = entry.name("name")
            listed_synonyms = entry.items("synonyms") if entry.has("synonyms") else []
            synonyms[key] = [Fields({"synonym": other}).name("synonym") for other in listed_synonyms]
            entry.flag("isthing")
            listed[key], names[key] = entry, name
        except InputError as error:
            rejected.append(Rejection(str(file), f"category at {position}", str(error)))
    if known := known_classes(names):
        return known, rejected
    labels = {}
    for key, name in names.items():
        is_thing = not stuff or not listed[key].has("isthing") or listed[key].flag("isthing")
        readable, others = name, tuple[str, ...]()
        if synonyms[key]:  # LVIS: blanks are underscores
            readable = name.replace("_", " ")
            spelled = (name, *synonyms[key], *(other.replace("_", " ") for other in synonyms[key]))
            others = tuple(other for other in spelled if other != readable)
        labels[key] = ClassLabel(readable, is_thing, None, others)
    return labels, rejected


def _file_name(entry: Fields) -> str:
    """Where an image lies in the set; LVIS says it by the end of an address, ``.../train2017/000000391895.jpg``."""
    if entry.has("file_name"):
        return entry.text("file_name")
    if entry.has("coco_url"):
        return "/".join(entry.text("coco_url").split("/")[-2:])
    raise InputError("it has neither file_name nor coco_url; export the file again")


def image_folders(folder: Path, split: str) -> tuple[Path, ...]:
    """Where the images of a JSON may lie, by what its name says of the split."""
    if split.startswith("ade20k_"):
        split = ADE_SPLITS.get(split.rpartition("_")[2], split)
    return folder / "images", folder, folder / split, folder / "images" / split
