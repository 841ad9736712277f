"""COCO instances: one JSON of images, annotations (polygons, run lengths, crowds) and categories.

The JSON is the file itself, or ``instances.json`` or ``annotations/instances_*.json`` in the folder; images lie beside
it or under ``images/``. Pixels without annotation are not scored: an instance set does not say what they are.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from knnclip.datasets.base import (
    MIN_AREA_PX,
    ClassLabel,
    Dataset,
    LabelledImage,
    LabelledMask,
    Rejection,
    Sample,
    paint,
    read_text,
)
from knnclip.datasets.polygons import mask_from_coco
from knnclip.errors import DatasetError, MaskError
from knnclip.images import read_image

Annotation = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class CocoInstances(Dataset):
    """The reader of this format."""

    format: ClassVar[str] = "coco"
    file: Path
    names: Mapping[int, str]  # category id -> class name, ignored categories left out
    ignored: frozenset[int]  # category ids
    annotations: Mapping[str, tuple[Annotation, ...]]  # sample ref -> its annotations

    def load(self, sample: Sample) -> LabelledImage:
        """Reads one image and its annotations; raises ``ImageError`` if the image cannot be read."""
        image = read_image(sample.image_path)
        shape = (int(image.shape[0]), int(image.shape[1]))
        found: list[LabelledMask] = []
        rejected: list[Rejection] = []
        too_small = 0
        for annotation in self.annotations.get(sample.ref, ()):
            row = f"annotation {annotation.get('id', '?')}"
            category = int(annotation.get("category_id", -1))
            if category in self.ignored:
                continue
            if category not in self.names:
                rejected.append(Rejection(str(self.file), row, f"category {category!r} is not in categories"))
                continue
            try:
                mask = mask_from_coco(annotation.get("segmentation"), shape)
            except MaskError as error:
                rejected.append(Rejection(str(self.file), row, str(error)))
                continue
            crowd = bool(annotation.get("iscrowd", 0))
            if mask.area < MIN_AREA_PX:
                too_small += 1
            else:
                found.append(LabelledMask(mask, self.names[category], crowd))
        names = self.class_names
        return LabelledImage(image, paint(tuple(found), names, shape), names, tuple(found), tuple(rejected), too_small)


def open_coco(root: Path, ignore: Collection[str] = ()) -> CocoInstances:
    """Opens a folder, or the JSON file itself; ``DatasetError`` if the JSON is missing or is not COCO instances."""
    file = find_annotations(root)
    folder = file.parent.parent if file.parent.name == "annotations" else file.parent
    content = _read(file)
    names = {int(c["id"]): str(c["name"]) for c in content["categories"]}
    ignored = frozenset(key for key, name in names.items() if {name, str(key)} & set(ignore))
    kept = {key: name for key, name in names.items() if key not in ignored}
    if len(set(kept.values())) < len(kept):
        raise DatasetError(f"{file}: two categories have the same name; give each its own")
    samples, rejected = [], []
    refs: dict[int, str] = {}
    for entry in content["images"]:
        path = _image_path(folder, file, str(entry["file_name"]))
        refs[entry["id"]] = entry["file_name"]
        if path is None:
            rejected.append(Rejection(str(file), f"image {entry['id']}", f"image {entry['file_name']} is missing"))
        else:
            samples.append(Sample(str(entry["file_name"]), path))
    grouped: dict[str, list[Annotation]] = defaultdict(list)
    for position, annotation in enumerate(content["annotations"]):
        ref = refs.get(int(annotation.get("image_id", -1))) if isinstance(annotation, dict) else None
        if ref is None:
            rejected.append(Rejection(str(file), f"annotation at {position}", "its image is not in images"))
        else:
            grouped[ref].append(annotation)
    return CocoInstances(
        root=root,
        file=file,
        classes=tuple(ClassLabel(name, True) for name in kept.values()),
        samples=tuple(samples),
        rejected=tuple(rejected),
        names=kept,
        ignored=ignored,
        annotations={ref: tuple(group) for ref, group in grouped.items()},
    )


def find_annotations(root: Path) -> Path:
    """The JSON of a COCO folder, or ``root`` itself if it is a file; ``DatasetError`` if none or several are there."""
    if root.is_file():
        return root
    found = [file for file in (root / "instances.json",) if file.is_file()]
    found += sorted((root / "annotations").glob("instances*.json"))
    if len(found) != 1:
        raise DatasetError(
            f"{root} holds {len(found) or 'no'} instances.json or annotations/instances_*.json; pass the file itself"
        )
    return found[0]


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_text(file))
    except json.JSONDecodeError as error:
        raise DatasetError(f"{file} line {error.lineno}: is not JSON ({error.msg}); mend or export it again") from None
    missing = [
        key for key in ("images", "annotations", "categories") if not isinstance(content, dict) or key not in content
    ]
    if missing:
        raise DatasetError(f"{file} is not COCO instances: it has no {', '.join(missing)}")
    return dict(content)


def _image_path(folder: Path, file: Path, name: str) -> Path | None:
    """Where an image lies; None if it is nowhere, or outside the data set's folder."""
    for base in (
        folder / "images",
        folder,
        folder / file.stem.removeprefix("instances_"),
        folder / "images" / file.stem.removeprefix("instances_"),
    ):
        path = base / name
        if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
            return path
    return None
