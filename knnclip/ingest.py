"""A labelled data set -> instances in the store: the path of the segmenter with the truth in place of the answer.

A single pass that may be stopped at any moment: the instances of an image and the note that it is finished are one
transaction, so the same call continues after the last finished image and never stores one twice.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from knnclip.analysis import LabelledMask
from knnclip.datasets import MIN_AREA_PX, Dataset, LabelledImage, Rejection, Sample
from knnclip.errors import DatasetError, InputError, UsageError, lookup, unknown_name
from knnclip.files import path_text
from knnclip.parallel import map_ahead
from knnclip.progress import SILENT, Progress
from knnclip.segmenter import MIN_PURITY, Segmenter
from knnclip.structures import LabelledInstance, Mask

Kind = Literal["truth", "proposals", "both"]
KINDS: tuple[Kind, ...] = ("truth", "proposals", "both")
"""The annotated segments, the generator's own masks labelled by the truth under them, or both."""

MAX_INSTANCES_PER_IMAGE = 150
"""Fewer lose instances of crowded images; more make the store larger for little: the votes of an image are capped."""


@dataclass(frozen=True)
class IngestSettings:
    """What of a labelled image is stored; ``UsageError`` for what is not known or out of range."""

    kind: Kind = "both"  # which masks, see KINDS; both finds most: a query's masks are cut by the same generator
    only: tuple[str, ...] = ()  # class names to store; empty: all
    exclude: tuple[str, ...] = ()  # class names not to store
    max_instances_per_image: int = MAX_INSTANCES_PER_IMAGE  # from 1; the classes of an image take turns up to this

    def __post_init__(self) -> None:
        kind_by_name(self.kind)
        if self.max_instances_per_image < 1:
            raise UsageError(f"at least 1 instance of an image is stored, found {self.max_instances_per_image}")

    def wants(self, class_name: str) -> bool:
        """Whether instances of this class are stored."""
        return class_name not in self.exclude and (not self.only or class_name in self.only)


def kind_by_name(name: str) -> Kind:
    """The kind of masks of this name; ``UsageError`` lists the known ones."""
    return lookup("kind of masks to ingest", name, {kind: kind for kind in KINDS})


@dataclass(frozen=True)
class IngestReport:
    """What one run did."""

    source_id: int
    images: int  # read and stored in this run
    already: int  # finished by an earlier run of the same ingest
    instances: int  # stored in this run
    rejected: tuple[Rejection, ...]


def ingest(
    segmenter: Segmenter,
    dataset: Dataset,
    samples: Sequence[Sample],
    settings: IngestSettings,
    *,
    workers: int = 2,
    progress: Progress = SILENT,
    stop: Callable[[], bool] = lambda: False,
    identity: str | None = None,
) -> IngestReport:
    """Stores the labelled masks of ``samples``, images of the data set, as one source of the segmenter's store.

    ``workers`` images are under work at once; what is stored does not depend on it. ``progress`` is told how many
    images there are and of each that is done. ``stop`` is asked after each image: where it says so, the rest is left
    for the next run. ``identity`` is what a later run must have in common with this one to continue it, beside the
    settings: the path of the data set if nothing else is said.

    What cannot be read is in the report's ``rejected`` and skipped; an unreadable image is tried again by the next run.
    Raises ``UsageError`` for a class in the settings that the data set does not have, ``DatasetError`` if two of its
    classes are one in the store, and ``StoreError`` if the store cannot be written.
    """
    _check_classes(dataset, settings)
    store = segmenter.store
    add_classes(segmenter, dataset, settings)
    where = str(dataset.root.resolve()) if identity is None else identity
    note = f"{dataset.format} {identity or path_text(dataset.root)}"
    source = store.begin_source("ingest", note, key=_source_key(where, dataset.format, settings))
    finished = store.finished_images(source)
    todo = [sample for sample in samples if sample.ref not in finished]
    progress.start(len(samples), len(samples) - len(todo))
    stored, images = 0, 0
    rejected: list[Rejection] = []

    def describe(sample: Sample) -> tuple[Sample, list[LabelledInstance] | None, tuple[Rejection, ...]]:
        try:
            labelled = dataset.load(sample)
        except InputError as error:
            return sample, None, (Rejection(str(sample.image_path), None, str(error)),)
        return sample, labelled_instances(segmenter, sample.ref, labelled, settings), labelled.rejected

    for sample, instances, refused in map_ahead(describe, todo, workers):
        rejected.extend(refused)
        if instances is not None:
            stored += len(store.add(instances, source, finished_images=[sample.ref]))
            images += 1
        progress.advance()
        if stop():
            break
    return IngestReport(source, images, len(samples) - len(todo), stored, tuple(rejected))


def labelled_instances(
    segmenter: Segmenter, ref: str, labelled: LabelledImage, settings: IngestSettings
) -> list[LabelledInstance]:
    """The instances of one image, encoded in one pass: annotated segments first, then proposals, at most so many."""
    kept: list[LabelledMask] = []
    if settings.kind != "proposals":
        kept += [
            LabelledMask(item.mask, item.class_name)
            for item in labelled.instances
            if not item.is_crowd and item.mask.area >= MIN_AREA_PX
        ]
    if settings.kind != "truth":
        for mask in segmenter.propose(labelled.image).masks:
            name, purity = majority(mask, labelled)
            if name is not None and purity >= MIN_PURITY:
                kept.append(LabelledMask(mask, name, purity, "proposal"))
    chosen = take_turns([item for item in kept if settings.wants(item.class_name)], settings.max_instances_per_image)
    analysis = segmenter.analyse(labelled.image, masks=[item.mask for item in chosen], ref=ref)
    return segmenter.instances_of(analysis, chosen)


def majority(mask: Mask, labelled: LabelledImage) -> tuple[str | None, float]:
    """The class that most of a mask's pixels carry, and the share of its pixels that do; None if all are ignored."""
    indices = np.asarray(mask.select(labelled.label_map), dtype=np.int64)
    counts = np.bincount(indices[indices >= 0])
    if counts.size == 0:
        return None, 0.0
    winner = int(counts.argmax())
    return labelled.class_names[winner], float(counts[winner] / len(indices))


def take_turns(labelled: Sequence[LabelledMask], limit: int) -> list[LabelledMask]:
    """At most ``limit`` of them, each class in proportion to the square root of how many it has.

    Within a class annotated segments go first, then proposals in a fixed shuffled order: the generator lists them from
    the top of the image down, and its first ones would all come from there.
    """
    shuffled = np.random.default_rng(0).permutation(len(labelled))
    order = sorted(shuffled.tolist(), key=lambda i: labelled[i].origin != "truth")
    size = Counter(item.class_name for item in labelled)
    taken: Counter[str] = Counter()
    turn: dict[int, float] = {}
    for i in order:
        class_name = labelled[i].class_name
        turn[i] = taken[class_name] / size[class_name] ** 0.5
        taken[class_name] += 1
    return [labelled[i] for i in sorted(sorted(order, key=turn.__getitem__)[:limit])]


def add_classes(segmenter: Segmenter, dataset: Dataset, settings: IngestSettings) -> None:
    """Puts the wanted classes into the store that it has not; ``DatasetError`` if two of them are one there."""
    store, own = segmenter.store, set(dataset.class_names)
    owners = {name: info.name for info in store.vocabulary() for name in (*info.synonyms, info.name)}
    for label in dataset.classes:
        if not settings.wants(label.name):
            continue
        owner = owners.get(label.name)
        if owner is not None and owner != label.name and owner in own:
            raise DatasetError(
                f"{dataset.root} has {label.name!r} and {owner!r} as two classes, in the store the first is a "
                "synonym of the second; leave one out with --exclude, or use another store"
            )
        if owner is None:
            # A synonym that the store or the data set has for another class would make that one ambiguous.
            free = [name for name in label.synonyms if name not in owners and name not in own]
            store.add_class(label.name, is_thing=label.is_thing, synonyms=free, color=label.color)
            owners |= dict.fromkeys((*free, label.name), label.name)


def _check_classes(dataset: Dataset, settings: IngestSettings) -> None:
    for name in (*settings.only, *settings.exclude):
        if name not in dataset.class_names:
            raise unknown_name(f"class of {dataset.root}", name, dataset.class_names)


def _source_key(root: str, data_format: str, settings: IngestSettings) -> str:
    """What makes two ingests the same act, so that the second continues the first."""
    act = {"root": root, "format": data_format, **asdict(settings)}
    return hashlib.blake2b(json.dumps(act, sort_keys=True).encode(), digest_size=16).hexdigest()
