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
from knnclip.datasets.reading import contents
from knnclip.datasets.rejections import Rejection
from knnclip.errors import DatasetError, MaskError
from knnclip.files import read_json
from knnclip.images import read_image

Annotation = dict[str, Any]

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
    annotations: Mapping[str, tuple[Annotation, ...]]  # sample ref -> its annotations
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
            place = f"annotation {annotation.get('id', '?')}"
            category = int(annotation.get("category_id", -1))
            if category in self.ignored:
                continue
            if category not in self.names:
                rejected.append(Rejection(str(self.file), place, f"category {category!r} is not in categories"))
                continue
            try:
                mask = turned(mask_from_coco(annotation.get("segmentation"), size), turn)
            except MaskError as error:
                rejected.append(Rejection(str(self.file), place, str(error)))
                continue
            found.append(AnnotatedMask(mask, self.names[category], bool(annotation.get("iscrowd", 0))))
        names = self.class_names
        return LabelledImage(image, paint(tuple(found), names, shape), names, tuple(found), tuple(rejected))


def open_coco(root: Path, ignore: Collection[str] = ()) -> CocoInstances:
    """Opens a folder, or the JSON file itself; ``DatasetError`` if the JSON is missing or is not COCO instances,
    ``InputError`` if it cannot be read at all.
    """
    file = root if root.is_file() else _only(root, INSTANCES, find_instances(root))
    return _checked("coco", root, file, ignore)


def open_lvis(root: Path, ignore: Collection[str] = ()) -> CocoInstances:
    """Opens a folder with ``lvis_v1_SPLIT.json``, or the JSON itself; ``DatasetError`` as ``open_coco``.

    The set is federated: of an image it lists only some of the classes that are there. So a pixel without annotation
    is unknown, never background.
    """
    file = root if root.is_file() else _only(root, LVIS, find_lvis(root))
    return _checked("lvis", root, file, ignore)


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


def _checked(format: str, root: Path, file: Path, ignore: Collection[str]) -> CocoInstances:  # noqa: A002
    try:
        return _opened(format, root, file, ignore)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DatasetError(f"{file} is not COCO instances: {type(error).__name__} {error}; export it again") from error


def _opened(format: str, root: Path, file: Path, ignore: Collection[str]) -> CocoInstances:  # noqa: A002
    folder = file.parent.parent if file.parent.name == "annotations" else file.parent
    content = _read(file)
    labels = _labels(content["categories"])
    ignored = frozenset(key for key, label in labels.items() if unwanted(key, label, ignore))
    kept = {key: label for key, label in labels.items() if key not in ignored}
    if len({label.name for label in kept.values()}) < len(kept):
        raise DatasetError(f"{file}: two categories have the same name; give each its own")
    samples, rejected = [], []
    refs: dict[Any, str] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for entry in content["images"]:
        name = _file_name(entry, file)
        path = _image_path(folder, file, name)
        refs[entry["id"]] = name
        if "height" in entry and "width" in entry:
            sizes[name] = int(entry["height"]), int(entry["width"])
        if path is None:
            rejected.append(Rejection(str(file), f"image {entry['id']}", f"image {name} is missing"))
        else:
            samples.append(Sample(name, path))
    grouped: dict[str, list[Annotation]] = defaultdict(list)
    for position, annotation in enumerate(content["annotations"]):
        ref = refs.get(annotation.get("image_id")) if isinstance(annotation, dict) else None
        if ref is None:
            rejected.append(Rejection(str(file), f"annotation at {position}", "its image is not in images"))
        else:
            grouped[ref].append(annotation)
    return CocoInstances(
        format=format,
        exhaustive=format != "lvis",
        root=root,
        file=file,
        classes=without_shared_synonyms(kept.values()),
        samples=tuple(samples),
        rejected=tuple(rejected),
        names={key: label.name for key, label in kept.items()},
        ignored=ignored,
        annotations={ref: tuple(group) for ref, group in grouped.items()},
        sizes=sizes,
    )


def _labels(categories: list[dict[str, Any]]) -> dict[int, ClassLabel]:
    """The classes by category id, with what is known of them where the categories are those of a published set."""
    published = {int(entry["id"]): str(entry["name"]).strip() for entry in categories}
    if known := known_classes(published):
        return known
    labels = {}
    for entry in categories:
        name, synonyms = published[int(entry["id"])], entry.get("synonyms", ())
        if synonyms:  # LVIS: blanks are underscores
            others = (name, *synonyms, *(other.replace("_", " ") for other in synonyms))
            readable = name.replace("_", " ")
            label = ClassLabel(readable, True, None, tuple(other for other in others if other != readable))
        else:
            label = ClassLabel(name, True)
        labels[int(entry["id"])] = label
    return labels


def _file_name(entry: dict[str, Any], file: Path) -> str:
    """Where an image lies in the set; LVIS says it by the end of an address, ``.../train2017/000000391895.jpg``."""
    if "file_name" in entry:
        return str(entry["file_name"])
    if "coco_url" in entry:
        return "/".join(str(entry["coco_url"]).split("/")[-2:])
    raise DatasetError(f"{file}: image {entry.get('id')} has neither file_name nor coco_url; export the file again")


def _read(file: Path) -> dict[str, Any]:
    content = read_json(file)
    missing = [
        key for key in ("images", "annotations", "categories") if not isinstance(content, dict) or key not in content
    ]
    if missing:
        raise DatasetError(f"{file} is not COCO instances: it has no {', '.join(missing)}; export it again")
    return dict(content)


def _image_path(folder: Path, file: Path, name: str) -> Path | None:
    """Where an image lies; None if it is nowhere, or outside the data set's folder."""
    for base in image_folders(folder, file.stem.removeprefix("instances_")):
        path = base / name
        if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
            return path
    return None


def image_folders(folder: Path, split: str) -> tuple[Path, ...]:
    """Where the images of a JSON may lie, by what its name says of the split."""
    if split.startswith("ade20k_"):
        split = ADE_SPLITS.get(split.rpartition("_")[2], split)
    return folder / "images", folder, folder / split, folder / "images" / split
