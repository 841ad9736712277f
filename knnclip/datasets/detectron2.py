"""Any data set that is registered in detectron2's DatasetCatalog, as ``detectron2:NAME``.

A record's truth is its panoptic map where it has one, else its semantic map and its instances. In a *separated* set the
semantic map has one value for all things: which thing a pixel shows is told by the instances. detectron2 is imported
when this is asked for, and with it the modules named in the environment variable ``KNNCLIP_DETECTRON2_REGISTER``,
separated by commas, which may register data sets of their own.
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
from knnclip.datasets.coco_panoptic import read_segments
from knnclip.datasets.orientation import fitted
from knnclip.datasets.polygons import mask_from_coco
from knnclip.datasets.rejections import Rejection
from knnclip.detectron2_catalog import CatalogClasses, detectron2_module
from knnclip.errors import DatasetError, MaskError, unknown_name
from knnclip.fields import shown
from knnclip.images import ids_from_rgb, read_image, read_index_map
from knnclip.structures import Image, Int32

SCHEME = "detectron2:"
REGISTER = "KNNCLIP_DETECTRON2_REGISTER"  # environment variable
TRUTHS = ("pan_seg_file_name", "sem_seg_file_name", "annotations")
"""Where a record keeps its truth."""

Record = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class RegisteredDataset(Dataset):
    """The reader of such sets."""

    format: str = "detectron2"
    records: Mapping[str, Record]  # by sample ref
    known: CatalogClasses
    ignore_value: int

    def files(self, sample: Sample) -> tuple[Path, ...]:
        """The image and the maps of its truth."""
        record = self.records[sample.ref]
        return sample.image_path, *(Path(record[key]) for key in TRUTHS[:2] if key in record)

    def load(self, sample: Sample) -> LabelledImage:
        """Reads one image and its truth; raises ``ImageError`` or ``DatasetError`` if one cannot be read."""
        record = self.records[sample.ref]
        image = read_image(sample.image_path)
        shape = (int(image.shape[0]), int(image.shape[1]))
        names = self.class_names
        if "pan_seg_file_name" in record:
            found, rejected = self._segments(record, image, sample)
            return LabelledImage(image, paint(found, names, shape), names, found, rejected)
        found, rejected = self._instances(record, shape, sample.ref)
        label_map = paint(found, names, shape)
        if "sem_seg_file_name" in record:
            file = Path(record["sem_seg_file_name"])
            values = fitted(read_index_map(file), shape, file, sample.image_path)
            semantic = self._by_value(values)
            # Things that the map does not name are what the instances say there.
            label_map = semantic if self.known.names_things else np.where(values == 0, label_map, semantic)
            pieces = connected_pieces(semantic, names)
            if "annotations" in record:
                pieces = tuple(piece for piece in pieces if piece.class_name not in self.known.thing_names)
            found += pieces
        return LabelledImage(image, label_map, names, found, rejected)

    def _instances(
        self, record: Record, shape: tuple[int, int], ref: str
    ) -> tuple[tuple[AnnotatedMask, ...], tuple[Rejection, ...]]:
        things = self.known.things
        found: list[AnnotatedMask] = []
        rejected: list[Rejection] = []
        for number, annotation in enumerate(record.get("annotations", ())):
            category = annotation.get("category_id")
            if not isinstance(category, int) or not 0 <= category < len(things):
                reason = f"category {shown(category)} is not among its {len(things)} classes"
                rejected.append(Rejection(ref, f"annotation {number}", reason))
                continue
            try:
                mask = mask_from_coco(annotation.get("segmentation"), shape)
            except MaskError as error:
                rejected.append(Rejection(ref, f"annotation {number}", str(error)))
                continue
            if things[category] in self.class_names:
                found.append(AnnotatedMask(mask, things[category], bool(annotation.get("iscrowd", 0))))
        return tuple(found), tuple(rejected)

    def _segments(
        self, record: Record, image: Image, sample: Sample
    ) -> tuple[tuple[AnnotatedMask, ...], tuple[Rejection, ...]]:
        file = Path(record["pan_seg_file_name"])
        ids = fitted(ids_from_rgb(read_image(file)), (image.shape[0], image.shape[1]), file, sample.image_path)
        all_names = self.known.names

        def numbered(segment: Record) -> Record:
            """The segment with the number of its class among all, whichever of the two lists its own is in."""
            category = segment["category_id"]
            is_thing = segment.get("isthing", category in self.known.thing_ids)
            name = self.known.name(category, is_thing=is_thing)
            return {**segment, "category_id": all_names.index(name) if name in all_names else -1}

        wanted = {number: name for number, name in enumerate(all_names) if name in self.class_names}
        return read_segments(ids, map(numbered, record["segments_info"]), wanted, range(len(all_names)), file)

    def _by_value(self, values: Int32) -> Int32:
        """The label map of a semantic map."""
        index = {name: i for i, name in enumerate(self.class_names)}
        table = np.full(max(len(self.known.stuff), int(values.max()) + 1), IGNORED, dtype=np.int32)
        for value, name in enumerate(self.known.stuff):
            if value != self.ignore_value and (value > 0 or self.known.names_things):
                table[value] = index.get(name, IGNORED)
        return table[values]


def open_detectron2(name: str, ignore: Collection[str] = ()) -> RegisteredDataset:
    """A registered set; ``UsageError`` without detectron2 or for an unknown name, ``DatasetError`` without images,
    without a truth or without names of its classes.
    """
    data = detectron2_module("data", f"{SCHEME}{name}")
    for module in filter(None, os.environ.get(REGISTER, "").split(",")):
        import_module(module.strip())
    if name not in data.DatasetCatalog:
        raise unknown_name("data set of detectron2", name, list(data.DatasetCatalog))
    try:
        records = {str(record["file_name"]): record for record in data.DatasetCatalog.get(name)}
    except Exception as error:  # whatever the function does that somebody registered
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DatasetError(
            f"{SCHEME}{name}: its files cannot be read ({reason}); for detectron2's own sets the environment variable "
            "DETECTRON2_DATASETS names the folder that they lie in"
        ) from error
    if not records:
        raise DatasetError(f"{SCHEME}{name} has no images; is it registered with the right folders?")
    kinds = frozenset(key for record in records.values() for key in TRUTHS if key in record)
    metadata = data.MetadataCatalog.get(name)
    known = CatalogClasses.of(metadata)
    told = _told(known, kinds)
    if not told:
        raise DatasetError(
            f"{SCHEME}{name} tells no classes: its records have {', '.join(sorted(kinds)) or 'no truth'}, its metadata "
            f"{len(known.things)} thing_classes and {len(known.stuff)} stuff_classes; take a split with both"
        )
    kept = [label for number, label in enumerate(told) if label not in ignore and str(number) not in ignore]
    return RegisteredDataset(
        root=Path(f"{SCHEME}{name}"),
        classes=tuple(ClassLabel(label, label in known.thing_names) for label in kept),
        samples=tuple(Sample(file, Path(file)) for file in sorted(records)),
        has_instances=not kinds.isdisjoint(("annotations", "pan_seg_file_name")),
        records=records,
        known=known,
        ignore_value=int(metadata.get("ignore_label", 255)),
    )


def _told(known: CatalogClasses, kinds: Collection[str]) -> tuple[str, ...]:
    """The classes of which these kinds of truth can tell something."""
    unnamed = () if known.names_things else known.stuff[:1]
    stuff = known.stuff if "sem_seg_file_name" in kinds else ()
    things = known.things if "annotations" in kinds else ()
    everything = known.names if "pan_seg_file_name" in kinds else ()
    return tuple(name for name in dict.fromkeys((*everything, *stuff, *things)) if name not in unnamed)
