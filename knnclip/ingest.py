"""A labelled data set -> rows of the store: the path of the segmenter with the truth in place of the answer.

A single pass that may be stopped at any moment: an image's rows and the note that it is finished are one transaction,
so the same call continues after the last finished image and never stores one twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from knnclip.datasets import Dataset, LabelledImage, Rejection, Sample
from knnclip.errors import DatasetError, ImageError, UsageError, unknown_name
from knnclip.parallel import map_ahead
from knnclip.segmenter import MIN_PURITY, Analysis, Segmenter
from knnclip.structures import LabelledInstance, Mask

Kind = Literal["truth", "proposals", "both"]
KINDS: tuple[Kind, ...] = ("truth", "proposals", "both")


@dataclass(frozen=True)
class IngestSettings:
    """What of a labelled image becomes rows of the store."""

    kind: Kind = "both"  # the annotated segments, the generator's own masks labelled by the truth under them, or both
    only: tuple[str, ...] = ()  # class names to store; empty: all
    exclude: tuple[str, ...] = ()  # class names not to store
    max_rows_per_image: int = 150

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"what to ingest is one of {', '.join(KINDS)}, found {self.kind!r}")
        if self.max_rows_per_image < 1:
            raise UsageError(f"at least 1 row an image is stored, found {self.max_rows_per_image}")

    def wants(self, class_name: str) -> bool:
        """Whether instances of this class are stored."""
        return class_name not in self.exclude and (not self.only or class_name in self.only)


@dataclass(frozen=True)
class IngestReport:
    """What one run did."""

    source_id: int
    images: int  # read and stored in this run
    already: int  # finished by an earlier run of the same ingest
    rows: int  # stored in this run
    rejected: tuple[Rejection, ...]


def ingest(
    segmenter: Segmenter,
    dataset: Dataset,
    samples: Sequence[Sample],
    settings: IngestSettings,
    *,
    workers: int = 2,
    on_image: Callable[[], None] = lambda: None,
) -> IngestReport:
    """Stores the samples' labelled masks as one source. ``on_image`` is called after each image.

    What cannot be read is reported in ``rejected`` and skipped; an unreadable image is tried again by the next run.
    """
    _check_classes(dataset, settings)
    store = segmenter.store
    for label in dataset.classes:
        if settings.wants(label.name) and store.vocabulary().find(label.name) is None:
            store.add_class(label.name, is_thing=label.is_thing, color=label.color)
    source = store.begin_source("ingest", f"{dataset.format} {dataset.root}", key=_source_key(dataset, settings))
    finished = store.finished_images(source)
    todo = [sample for sample in samples if sample.ref not in finished]
    rows, images = 0, 0
    rejected: list[Rejection] = []

    def describe(sample: Sample) -> tuple[Sample, list[LabelledInstance] | None, tuple[Rejection, ...]]:
        try:
            labelled = dataset.load(sample)
        except (ImageError, DatasetError) as error:
            return sample, None, (Rejection(str(sample.image_path), None, str(error)),)
        analysis = segmenter.analyse(labelled.image, ref=sample.ref, masks=() if settings.kind == "truth" else None)
        return sample, labelled_instances(segmenter, analysis, labelled, settings), labelled.rejected

    for sample, instances, refused in map_ahead(describe, todo, workers):
        rejected.extend(refused)
        if instances is not None:
            rows += len(store.add(instances, source, finished_images=[sample.ref]))
            images += 1
        on_image()
    return IngestReport(source, images, len(samples) - len(todo), rows, tuple(rejected))


def labelled_instances(
    segmenter: Segmenter, analysis: Analysis, labelled: LabelledImage, settings: IngestSettings
) -> list[LabelledInstance]:
    """The rows of one image: annotated segments first, then proposals, at most ``max_rows_per_image``."""
    instances: list[LabelledInstance] = []
    if settings.kind != "proposals":
        truth = [item for item in labelled.instances if not item.is_crowd and settings.wants(item.class_name)]
        vectors = segmenter.encoder.encode(analysis.image, [item.mask for item in truth])
        instances += [
            LabelledInstance(vector, item.class_name, analysis.reference, item.mask)
            for item, vector in zip(truth, vectors, strict=True)
        ]
    if settings.kind != "truth":
        for mask, vector in zip(analysis.proposals.masks, analysis.embeddings, strict=True):
            name, purity = majority(mask, labelled)
            if name is not None and purity >= MIN_PURITY and settings.wants(name):
                instances.append(
                    LabelledInstance(vector, name, analysis.reference, mask, purity=purity, origin="proposal")
                )
    return take_turns(instances, settings.max_rows_per_image)


def majority(mask: Mask, labelled: LabelledImage) -> tuple[str | None, float]:
    """The class that most of a mask's pixels carry, and the share of its pixels that do; None if all are ignored."""
    indices = np.asarray(mask.select(labelled.label_map), dtype=np.int64)
    counts = np.bincount(indices[indices >= 0])
    if counts.size == 0:
        return None, 0.0
    winner = int(counts.argmax())
    return labelled.class_names[winner], float(counts[winner] / len(indices))


def take_turns(instances: Sequence[LabelledInstance], limit: int) -> list[LabelledInstance]:
    """At most ``limit`` instances, the classes taking turns, so that a rare class keeps all it has."""
    turn: dict[str, int] = {}
    turns = []
    for instance in instances:
        turns.append(turn.setdefault(instance.class_name, 0))
        turn[instance.class_name] += 1
    kept = np.sort(np.argsort(turns, kind="stable")[:limit])
    return [instances[i] for i in kept]


def _check_classes(dataset: Dataset, settings: IngestSettings) -> None:
    for name in (*settings.only, *settings.exclude):
        if name not in dataset.class_names:
            raise unknown_name(f"class of {dataset.root}", name, dataset.class_names)


def _source_key(dataset: Dataset, settings: IngestSettings) -> str:
    """What makes two ingests the same act, so that the second continues the first."""
    act = {"root": str(dataset.root.resolve()), "format": dataset.format, **asdict(settings)}
    return hashlib.blake2b(json.dumps(act, sort_keys=True).encode(), digest_size=16).hexdigest()
