"""COCO panoptic: a JSON of segments and a folder of PNGs whose colours are segment ids (R + 256 G + 65536 B).

The JSON is the file itself, or the one ``panoptic*.json`` or ``ade20k_panoptic*.json`` in the folder or its
``annotations/``; the PNGs lie in a folder of the JSON's name beside it, images in ``images/``, ``input_images/`` or the
split's folder. 0 is void; crowds are neither stored nor scored.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from knnclip.datasets.base import (
    IGNORED,
    AnnotatedMask,
    ClassLabel,
    Dataset,
    LabelledImage,
    Sample,
    unwanted,
    without_shared_synonyms,
)
from knnclip.datasets.class_lists import known_classes
from knnclip.datasets.coco import image_folders
from knnclip.datasets.orientation import fitted
from knnclip.datasets.reading import contents
from knnclip.datasets.rejections import Rejection
from knnclip.errors import DatasetError
from knnclip.files import read_json
from knnclip.images import ids_from_rgb, read_image
from knnclip.structures import Mask


@dataclass(frozen=True, kw_only=True)
class CocoPanoptic(Dataset):
    """The reader of this format."""

    format: str = "coco-panoptic"
    file: Path
    maps: Mapping[str, Path]  # sample ref -> its PNG
    segments: Mapping[str, tuple[dict[str, Any], ...]]  # sample ref -> its segments_info
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
        names = self.class_names
        place = {name: i for i, name in enumerate(names)}
        label_map = np.full(ids.shape, IGNORED, dtype=np.int32)
        found: list[AnnotatedMask] = []
        rejected: list[Rejection] = []
        for segment in self.segments[sample.ref]:
            number, category = int(segment.get("id", 0)), int(segment.get("category_id", -1))
            own = ids == number
            if category not in self.known or number == 0 or not own.any():
                reason = "its category is not in categories" if category not in self.known else "it has no pixel"
                rejected.append(Rejection(str(file), f"segment {number}", reason))
            elif category in self.names:
                crowd, mask = bool(segment.get("iscrowd", 0)), Mask.from_dense(own)
                label_map[own] = IGNORED if crowd else place[self.names[category]]
                found.append(AnnotatedMask(mask, self.names[category], crowd))
        return LabelledImage(image, label_map, names, tuple(found), tuple(rejected))


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
    """Opens a folder, or the JSON itself; ``DatasetError`` if it is missing, ambiguous or of another kind,
    ``InputError`` if it cannot be read at all.
    """
    file = find_panoptic(root)
    if file is None:
        raise DatasetError(
            f"{root} has not one panoptic*.json with a folder of PNGs of its name; pass the file itself; "
            f"{contents(root)}"
        )
    try:
        return _opened(root, file, ignore)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{file} is not a COCO panoptic JSON ({error}); export it again") from error


def _opened(root: Path, file: Path, ignore: Collection[str]) -> CocoPanoptic:
    content = read_json(file)
    categories, annotations = content["categories"], content["annotations"]
    folder = file.parent.parent if file.parent.name == "annotations" else file.parent
    split = file.stem.removeprefix("panoptic_")
    places = (*image_folders(folder, split), folder / "input_images")
    named = {image["id"]: str(image["file_name"]) for image in content.get("images", ())}
    samples, maps, segments, rejected = [], {}, {}, []
    for annotation in annotations:
        name = named.get(annotation["image_id"], f"{Path(annotation['file_name']).stem}.jpg")
        path = next((place / name for place in places if (place / name).is_file()), None)
        if path is None or not path.resolve().is_relative_to(folder.resolve()):
            rejected.append(Rejection(str(file), f"image {annotation['image_id']}", f"image {name} is missing"))
            continue
        samples.append(Sample(name, path))
        maps[name] = file.with_suffix("") / annotation["file_name"]
        segments[name] = tuple(annotation["segments_info"])
    names = {int(entry["id"]): str(entry["name"]).strip() for entry in categories}
    things = {int(entry["id"]): bool(entry.get("isthing", 1)) for entry in categories}
    labels = known_classes(names) or {number: ClassLabel(name, things[number]) for number, name in names.items()}
    kept = {number: label for number, label in labels.items() if not unwanted(number, label, ignore)}
    return CocoPanoptic(
        root=root,
        classes=without_shared_synonyms(kept.values()),
        samples=tuple(samples),
        rejected=tuple(rejected),
        file=file,
        maps=maps,
        segments=segments,
        names={number: label.name for number, label in kept.items()},
        known=frozenset(labels),
    )
