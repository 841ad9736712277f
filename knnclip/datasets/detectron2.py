"""Any data set that is registered in detectron2's DatasetCatalog, as ``detectron2:NAME``.

Its records have an instance or a semantic truth; where there are both the semantic one is the map that is scored.
detectron2 is imported when this is asked for, and with it the modules named in the environment variable
``KNNCLIP_DETECTRON2_REGISTER``, separated by commas, which may register data sets of their own.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import import_module
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
    connected_pieces,
    paint,
)
from knnclip.datasets.orientation import fitted
from knnclip.datasets.polygons import mask_from_coco
from knnclip.datasets.rejections import Rejection
from knnclip.errors import DatasetError, MaskError, UsageError, unknown_name
from knnclip.fields import shown
from knnclip.images import read_image, read_index_map
from knnclip.structures import Int32

SCHEME = "detectron2:"
REGISTER = "KNNCLIP_DETECTRON2_REGISTER"  # environment variable
INSTALL = "pip install 'git+https://github.com/facebookresearch/detectron2.git'"

Record = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class RegisteredDataset(Dataset):
    """The reader of such sets."""

    format: str = "detectron2"
    records: Mapping[str, Record]  # by sample ref
    names: tuple[str, ...]  # of all classes; an instance's category_id, a pixel's value
    ignore_value: int
    ignored: frozenset[str]

    def load(self, sample: Sample) -> LabelledImage:
        """Reads one image and its truth; raises ``ImageError`` or ``DatasetError`` if one cannot be read."""
        record = self.records[sample.ref]
        image = read_image(sample.image_path)
        shape = (int(image.shape[0]), int(image.shape[1]))
        found: list[AnnotatedMask] = []
        rejected: list[Rejection] = []
        for number, annotation in enumerate(record.get("annotations", ())):
            category = annotation.get("category_id")
            if not isinstance(category, int) or not 0 <= category < len(self.names):
                reason = f"category {shown(category)} is not among its {len(self.names)} classes"
                rejected.append(Rejection(sample.ref, f"annotation {number}", reason))
                continue
            name = self.names[category]
            try:
                mask = mask_from_coco(annotation.get("segmentation"), shape)
            except MaskError as error:
                rejected.append(Rejection(sample.ref, f"annotation {number}", str(error)))
                continue
            if name not in self.ignored:
                found.append(AnnotatedMask(mask, name, bool(annotation.get("iscrowd", 0))))
        names = self.class_names
        if "sem_seg_file_name" in record:
            label_map = self._semantic(Path(record["sem_seg_file_name"]), shape, sample.image_path)
            if not found:
                found = list(connected_pieces(label_map, names))
        else:
            label_map = paint(tuple(found), names, shape)
        return LabelledImage(image, label_map, names, tuple(found), tuple(rejected))

    def _semantic(self, file: Path, shape: tuple[int, int], image_path: Path) -> Int32:
        values = fitted(read_index_map(file), shape, file, image_path)
        index = {name: i for i, name in enumerate(self.class_names)}
        table = np.full(max(len(self.names), int(values.max()) + 1, self.ignore_value + 1), IGNORED, dtype=np.int32)
        for value, name in enumerate(self.names):
            if value != self.ignore_value:
                table[value] = index.get(name, IGNORED)
        return table[values]


def open_detectron2(name: str, ignore: Collection[str] = ()) -> RegisteredDataset:
    """A registered set; ``UsageError`` without detectron2 or for an unknown name, ``DatasetError`` without images."""
    try:
        data = import_module("detectron2.data")
    except ImportError as error:
        raise UsageError(f"{SCHEME}{name} needs detectron2, which is not here ({error}); {INSTALL}") from error
    for module in filter(None, os.environ.get(REGISTER, "").split(",")):
        import_module(module.strip())
    if name not in data.DatasetCatalog:
        raise unknown_name("data set of detectron2", name, list(data.DatasetCatalog))
    known = data.MetadataCatalog.get(name)
    records = {str(record["file_name"]): record for record in data.DatasetCatalog.get(name)}
    if not records:
        raise DatasetError(f"{SCHEME}{name} has no images; is it registered with the right folders?")
    things = list(known.get("thing_classes", []))
    semantic = any("sem_seg_file_name" in record for record in records.values())
    names = list(known.get("stuff_classes", [])) if semantic else things
    kept = [label for number, label in enumerate(names) if label not in ignore and str(number) not in ignore]
    return RegisteredDataset(
        root=Path(f"{SCHEME}{name}"),
        classes=tuple(ClassLabel(label, label in things) for label in kept),
        samples=tuple(Sample(file, Path(file)) for file in sorted(records)),
        has_instances=any("annotations" in record for record in records.values()),
        records=records,
        names=tuple(names),
        ignore_value=int(known.get("ignore_label", 255)),
        ignored=frozenset(names) - frozenset(kept),
    )
