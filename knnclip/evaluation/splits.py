"""Data sets to learn from and one to be scored on, encoded once, for protocols that fill many stores from them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from knnclip.catalogue import FrozenParts, make_parts
from knnclip.datasets import Dataset, Rejection, Sample
from knnclip.errors import DatasetError, InputError
from knnclip.evaluation.cases import Case, Shelf, confusion_of_cases, make_case
from knnclip.ingest import IngestSettings, labelled_instances
from knnclip.metrics.semantic import SemanticConfusion, SemanticScores
from knnclip.parallel import map_ahead
from knnclip.presets import Preset
from knnclip.progress import SILENT, Progress
from knnclip.segmenter import Segmenter
from knnclip.store import Store
from knnclip.structures import LabelledInstance
from knnclip.vocabulary import name_key

InstancesByClass = dict[str, list[LabelledInstance]]
"""Labelled masks with their vectors, by the name of their class."""


@dataclass(frozen=True)
class Splits:
    """Data sets to learn from, and one to be scored on."""

    train: tuple[Dataset, ...]
    val: Dataset
    settings: IngestSettings = field(default_factory=IngestSettings)  # what is stored of an image of train

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes of val that a set of train has too; ``DatasetError`` if there is none."""
        known = {name_key(name) for dataset in self.train for name in dataset.class_names}
        names = tuple(name for name in self.val.class_names if name_key(name) in known and self.settings.wants(name))
        if not names:
            roots = ", ".join(str(dataset.root) for dataset in self.train)
            raise DatasetError(f"{roots} and {self.val.root} have no class in common; check --ignore and the names")
        return names


@dataclass(frozen=True, eq=False)
class EncodedSplits:
    """Splits whose images were cut and encoded: what the protocols work on."""

    splits: Splits
    preset: Preset
    parts: FrozenParts  # that encoded them
    class_names: tuple[str, ...]  # that are scored
    train: tuple[InstancesByClass, ...]  # of each set to learn from
    val: tuple[Case, ...]  # of each image to be scored on
    rejected: tuple[Rejection, ...]  # what could not be read

    def instances(self, class_name: str) -> list[LabelledInstance]:
        """All instances of a class, of all sets to learn from."""
        return [instance for by_class in self.train for instance in by_class.get(class_name, ())]

    def scores(self, segmenter: Segmenter) -> SemanticScores:
        """What the segmenter's store makes of val."""
        confusion = SemanticConfusion(self.class_names)
        confusion.matrix += confusion_of_cases(segmenter, self.val, self.class_names)
        return confusion.compute()

    def scratch_segmenter(self) -> AbstractContextManager[Segmenter]:
        """A segmenter on an empty store in a temporary folder, which goes when the context ends."""
        return scratch_segmenter(self.preset, self.parts)


def encode_splits(
    splits: Splits,
    preset: Preset,
    *,
    device: str = "auto",
    cache: Path | None = None,
    workers: int = 2,
    progress: Progress = SILENT,
) -> EncodedSplits:
    """Cuts and encodes all images of the splits, once for all stores that are filled from them.

    ``preset``: see ``knnclip.presets.preset_by_name``. ``device``: where networks run, ``auto``, ``cuda``, ``mps`` or
    ``cpu``. ``cache``: a folder that keeps what networks make of images, for the next run over them. ``workers`` images
    are under work at once; ``progress`` counts images. Classes that only one side has are left out, and their pixels
    are not scored; ``DatasetError`` if no class is left. What cannot be read is in ``rejected``.
    """
    names = splits.class_names
    parts = make_parts(preset, device, cache)
    train, val = splits.train, splits.val
    place = {name_key(name): i for i, name in enumerate(names)}
    rejected = [item for dataset in (*train, val) for item in dataset.rejected]
    shelf = Shelf()
    with scratch_segmenter(preset, parts) as segmenter:

        def learn(dataset: Dataset, sample: Sample) -> tuple[list[LabelledInstance], tuple[Rejection, ...]]:
            try:
                labelled = dataset.load(sample)
            except InputError as error:
                return [], (Rejection(sample.ref, None, str(error)),)
            return labelled_instances(segmenter, sample.ref, labelled, splits.settings), labelled.rejected

        def count(sample: Sample) -> tuple[Case | None, tuple[Rejection, ...]]:
            try:
                labelled = val.load(sample)
            except InputError as error:
                return None, (Rejection(sample.ref, None, str(error)),)
            table = np.array([place.get(name_key(name), -1) for name in labelled.class_names] + [-1], dtype=np.int32)
            analysis = segmenter.analyse(labelled.image)
            return make_case(table[labelled.label_map], len(names), analysis, shelf), labelled.rejected

        progress.start(sum(len(dataset.samples) for dataset in (*train, val)))
        learned = []
        for dataset in train:
            by_class: InstancesByClass = {}
            for found, refused in map_ahead(partial(learn, dataset), dataset.samples, workers):
                for instance in found:
                    if (at := place.get(name_key(instance.class_name))) is not None:
                        by_class.setdefault(names[at], []).append(instance)
                rejected += refused
                progress.advance()
            learned.append(by_class)
        cases = []
        for case, refused in map_ahead(count, val.samples, workers):
            cases += [] if case is None else [case]
            rejected += refused
            progress.advance()
    return EncodedSplits(splits, preset, parts, names, tuple(learned), tuple(cases), tuple(rejected))


@contextmanager
def scratch_segmenter(preset: Preset, parts: FrozenParts) -> Iterator[Segmenter]:
    """A segmenter on an empty store in a temporary folder."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Segmenter(Store.create(Path(folder) / "store", parts.encoder.fingerprint), preset, parts) as segmenter,
    ):
        yield segmenter
