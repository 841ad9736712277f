"""COCO panoptic: a JSON of segments and a folder of PNGs whose colours are segment ids (R + 256 G + 65536 B).

The JSON is the file itself, or the one ``panoptic*.json`` or ``ade20k_panoptic*.json`` in the folder or its
``annotations/``; the PNGs lie in a folder of the JSON's name beside it, images in ``images/``, ``input_images/`` or the
split's folder. 0 is void; crowds are neither stored nor scored.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from knnclip.datasets.base import (
    AnnotatedMask,
    Dataset,
    LabelledImage,
    Sample,
    paint,
    unwanted,
    without_shared_synonyms,
)
from knnclip.datasets.coco import image_folders, read_categories
from knnclip.datasets.orientation import fitted
from knnclip.datasets.reading import contents, find_inside
from knnclip.datasets.rejections import Rejection
from knnclip.errors import DatasetError, InputError
from knnclip.fields import Fields, Ident
from knnclip.files import read_json
from knnclip.images import ids_from_rgb, read_image
from knnclip.structures import Int32, Mask, masks_from_labels

VOID = 0
"""The id of pixels that belong to no segment."""

MAX_ID = 2**24 - 1
"""Ids are R + 256 G + 65536 B."""


@dataclass(frozen=True, kw_only=True)
class CocoPanoptic(Dataset):
    """The reader of this format."""

    format: str = "coco-panoptic"
    file: Path
    maps: Mapping[str, Path]  # sample ref -> its PNG
    segments: Mapping[str, tuple[Any, ...]]  # sample ref -> its segments_info
    names: Mapping[int, str]  # category id -> class name, ignored categories left out
    known: frozenset[int]  # all category ids

    def files(self, sample: Sample) -> tuple[Path, ...]:
        """The image, its map and the JSON."""
        return sample.image_path, self.maps[sample.ref], self.file

    def load(self, sample: Sample) -> LabelledImage:
        """Reads one image and its segments; raises ``ImageError`` or ``DatasetError`` if a file cannot be read."""
        image = read_image(sample.image_path)
        file = self.maps[sample.ref]
        ids = fitted(ids_from_rgb(read_image(file)), (image.shape[0], image.shape[1]), file, sample.image_path)
        found, rejected = read_segments(ids, self.segments[sample.ref], self.names, self.known, file)
        label_map = paint(found, self.class_names, ids.shape)
        return LabelledImage(image, label_map, self.class_names, found, rejected)


def read_segments(
    ids: Int32, segments: Iterable[object], names: Mapping[int, str], known: Collection[int], file: Path
) -> tuple[tuple[AnnotatedMask, ...], tuple[Rejection, ...]]:
    """The segments of a map ``(H, W)`` of ids by their ``segments_info``, and what cannot be used of them.

    ``known`` are all category ids, ``names`` those of the classes that are wanted, ``file`` is where the map is from.
    """
    masks = _masks(ids)
    found: list[AnnotatedMask] = []
    rejected: list[Rejection] = []
    for position, content in enumerate(segments):
        place = f"segment at {position}"
        try:
            segment = Fields.of(content)
            number = segment.whole("id", 1, MAX_ID)
            place = f"segment {number}"
            category, crowd = segment.whole("category_id"), segment.flag("iscrowd")
            if category not in known:
                raise InputError("its category is not in categories")
            mask = masks.pop(number, None)
            if mask is None:
                raise InputError("it has no pixel, or is listed twice")
        except InputError as error:
            rejected.append(Rejection(str(file), place, str(error)))
            continue
        if category in names:
            found.append(AnnotatedMask(mask, names[category], crowd))
    return tuple(found), tuple(rejected)


def is_coco_panoptic(root: Path) -> bool:
    """Whether a folder has one panoptic JSON with its PNGs, or ``root`` is one itself."""
    return find_panoptic(root) is not None


def find_panoptic(root: Path) -> Path | None:
    """The panoptic JSON of a folder, or the file itself; None if there is none."""
    if root.is_file():
        return root if root.stem.startswith(("panoptic", "ade20k_panoptic")) and root.suffix == ".json" else None
    found = [
        file
        for folder in (root, root / "annotations")
        for name in ("panoptic*.json", "ade20k_panoptic*.json")
        for file in sorted(folder.glob(name))
    ]
    found = [file for file in found if file.with_suffix("").is_dir()]
    return found[0] if len(found) == 1 else None


def open_coco_panoptic(root: Path, ignore: Collection[str] = ()) -> CocoPanoptic:
    """Opens a folder, or the JSON itself; ``InputError`` if it is missing, ambiguous or of another kind."""
    file = find_panoptic(root)
    if file is None:
        raise DatasetError(
            f"{root} has not one panoptic*.json with a folder of PNGs of its name; pass the file itself; "
            f"{contents(root)}"
        )
    content = Fields.of(read_json(file), f"{file} is not a COCO panoptic JSON")
    annotations, categories = content.items("annotations"), content.items("categories")
    labels, rejected = read_categories(categories, file, stuff=True)
    kept = {number: label for number, label in labels.items() if not unwanted(number, label, ignore)}
    if len({label.name for label in kept.values()}) < len(kept):
        raise DatasetError(f"{file}: two categories have the same name; give each its own")
    folder = file.parent.parent if file.parent.name == "annotations" else file.parent
    places = (*image_folders(folder, file.stem.removeprefix("panoptic_")), folder / "input_images")
    named = _named(content.items("images") if content.has("images") else [])
    samples: dict[str, Sample] = {}
    maps, segments = {}, {}
    for position, item in enumerate(annotations):
        label = f"annotation at {position}"
        try:
            annotation = Fields.of(item)
            key, map_name = annotation.ident("image_id"), annotation.text("file_name")
            label = f"image {key}"
            infos = annotation.items("segments_info")
            name = named.get(key, f"{Path(map_name).stem}.jpg")
            if not name or name in samples:
                raise InputError(f"image {name or key} is there twice; give each image an id and an annotation")
            path = find_inside(name, places, folder)
            if path is None:
                raise InputError(f"image {name} is missing")
            found = find_inside(map_name, [file.with_suffix("")])
            if found is None:
                raise InputError(f"{map_name}, the map of its segments, is missing")
        except InputError as error:
            rejected.append(Rejection(str(file), label, str(error)))
            continue
        samples[name], maps[name], segments[name] = Sample(name, path), found, tuple(infos)
    return CocoPanoptic(
        root=root,
        classes=without_shared_synonyms(kept.values()),
        samples=tuple(samples.values()),
        rejected=tuple(rejected),
        file=file,
        maps=maps,
        segments=segments,
        names={number: label.name for number, label in kept.items()},
        known=frozenset(labels),
    )


def _named(images: list[Any]) -> dict[Ident, str]:
    """The file names of images by their id, empty where several have one; what has no name is looked for by its map."""
    names: dict[Ident, str] = {}
    for content in images:
        with suppress(InputError):
            entry = Fields.of(content)
            key, name = entry.ident("id"), entry.text("file_name")
            names[key] = name if names.get(key, name) == name else ""
    return names


def _masks(ids: Int32) -> dict[int, Mask]:
    """The pixels of each segment of an image by its id, without void."""
    present = np.unique(ids)
    places = np.searchsorted(present, ids).astype(np.int32) + 1
    masks = zip(present.tolist(), masks_from_labels(places), strict=True)
    return {number: mask for number, mask in masks if number != VOID}
