"""A data set to learn from and one to be asked, cut and encoded once, for protocols that fill many stores from them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from knnclip.catalogue import FrozenParts
from knnclip.datasets import Dataset, Rejection, Sample
from knnclip.errors import DatasetError, InputError
from knnclip.evaluation.cases import Case, confusion_of_cases, make_case
from knnclip.ingest import IngestSettings, labelled_instances
from knnclip.metrics.semantic import SemanticConfusion, SemanticScores
from knnclip.parallel import map_ahead
from knnclip.presets import Preset
from knnclip.progress import SILENT, Progress
from knnclip.segmenter import Segmenter
from knnclip.store import Store
from knnclip.structures import LabelledInstance

Rows = dict[str, list[LabelledInstance]]
"""Rows to be stored, by class."""


@dataclass(frozen=True, eq=False)
class EncodedSplits:
    """What the protocols work on."""

    class_names: tuple[str, ...]  # of the asked set, which some set to learn from has too
    learned: tuple[Rows, ...]  # of each set to learn from
    asked: tuple[Case, ...]
    rejected: tuple[Rejection, ...]

    def rows(self, class_name: str) -> list[LabelledInstance]:
        """All rows of a class."""
        return [row for rows in self.learned for row in rows.get(class_name, ())]

    def scores(self, segmenter: Segmenter) -> SemanticScores:
        """What the segmenter's store makes of the asked pictures."""
        confusion = SemanticConfusion(self.class_names)
        confusion.matrix += confusion_of_cases(segmenter, self.asked, self.class_names)
        return confusion.compute()


def encode(
    preset: Preset,
    parts: FrozenParts,
    train: Sequence[Dataset],
    val: Dataset,
    settings: IngestSettings,
    *,
    workers: int = 2,
    progress: Progress = SILENT,
) -> EncodedSplits:
    """Encodes all sets; ``DatasetError`` if those to learn from have no class that the asked one has.

    Classes that only one side has are left out, and their pixels are not scored.
    """
    names = common_classes(train, val, settings)
    place = {name: i for i, name in enumerate(names)}
    rejected = [item for dataset in (*train, val) for item in dataset.rejected]
    with scratch_segmenter(preset, parts) as segmenter:

        def learn(dataset: Dataset, sample: Sample) -> tuple[list[LabelledInstance], tuple[Rejection, ...]]:
            try:
                labelled = dataset.load(sample)
            except InputError as error:
                return [], (Rejection(sample.ref, None, str(error)),)
            return labelled_instances(segmenter, sample.ref, labelled, settings), labelled.rejected

        def ask(sample: Sample) -> tuple[Case | None, tuple[Rejection, ...]]:
            try:
                labelled = val.load(sample)
            except InputError as error:
                return None, (Rejection(sample.ref, None, str(error)),)
            table = np.array([place.get(name, -1) for name in labelled.class_names] + [-1], dtype=np.int32)
            analysis = segmenter.analyse(labelled.image)
            return make_case(table[labelled.label_map], len(names), analysis), labelled.rejected

        progress.start(sum(len(dataset.samples) for dataset in (*train, val)))
        learned = []
        for dataset in train:
            rows: Rows = {}
            for found, refused in map_ahead(partial(learn, dataset), dataset.samples, workers):
                for instance in found:
                    if instance.class_name in place:
                        rows.setdefault(instance.class_name, []).append(instance)
                rejected += refused
                progress.advance()
            learned.append(rows)
        asked = []
        for case, refused in map_ahead(ask, val.samples, workers):
            asked += [] if case is None else [case]
            rejected += refused
            progress.advance()
    return EncodedSplits(names, tuple(learned), tuple(asked), tuple(rejected))


def common_classes(train: Sequence[Dataset], val: Dataset, settings: IngestSettings) -> tuple[str, ...]:
    """The classes of the asked set that a set to learn from has too; ``DatasetError`` if there is none."""
    known = {name for dataset in train for name in dataset.class_names}
    names = tuple(name for name in val.class_names if name in known and settings.wants(name))
    if not names:
        roots = ", ".join(str(dataset.root) for dataset in train)
        raise DatasetError(f"{roots} and {val.root} have no class in common; check --ignore and the names")
    return names


@contextmanager
def scratch_segmenter(preset: Preset, parts: FrozenParts) -> Iterator[Segmenter]:
    """A segmenter on an empty store in a temporary folder."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Segmenter(Store.create(Path(folder) / "store", parts.encoder.fingerprint), preset, parts) as segmenter,
    ):
        yield segmenter
