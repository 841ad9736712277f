"""The continual protocol: classes arrive in steps, each is seen once, and after each step everything is asked again.

The pictures are cut and encoded once; a step inserts the rows of its classes and relabels the evaluation pictures. With
a[t, i] the mean IoU of the classes of step i after step t, T steps in all:

    average            mean over i <= t of a[t, i]
    forgetting         mean over i < t of (max over s < t of a[s, i]) - a[t, i]
    backward transfer  mean over i < t of a[t, i] - a[i, i]

"Zero forgetting" is true of the memory, whose rows stay, not of the answers: a new class may take what an old one had.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knnclip.datasets import Dataset, Sample
from knnclip.errors import DatasetError, ImageError, UsageError
from knnclip.evaluate import index_of_class
from knnclip.evaluation.semantic import SemanticConfusion
from knnclip.ingest import IngestSettings, labelled_instances
from knnclip.parallel import map_ahead
from knnclip.presets import Preset
from knnclip.segmenter import Analysis, Parts, Segmenter
from knnclip.store import Store
from knnclip.structures import Int32, LabelledInstance


@dataclass(frozen=True)
class Step:
    """What is known after one step."""

    classes: tuple[str, ...]  # that arrived in it
    miou: float  # over all classes of the set, those to come included
    old: float  # over the classes of earlier steps, NaN in the first
    new: float  # over those of this step
    forgetting: float  # NaN in the first step
    backward_transfer: float  # NaN in the first step
    rows: int
    store_bytes: int
    seconds: float  # of inserting and relabelling, the encoding of the pictures left out


@dataclass(frozen=True, eq=False)
class Material:
    """A data set to learn from and one to be asked, cut and encoded once."""

    class_names: tuple[str, ...]
    rows: dict[str, list[LabelledInstance]]  # by class
    asked: list[tuple[Int32, Analysis]]  # truth as indices of class_names, and the picture


def prepare(
    preset: Preset,
    parts: Parts,
    train: tuple[Dataset, Sequence[Sample]],
    val: tuple[Dataset, Sequence[Sample]],
    settings: IngestSettings,
    *,
    workers: int = 2,
    on_image: Callable[[], None] = lambda: None,
) -> Material:
    """Encodes both sets; ``DatasetError`` if they have no class in common. What cannot be read is left out."""
    names = tuple(name for name in train[0].class_names if name in val[0].class_names and settings.wants(name))
    if not names:
        raise DatasetError(f"{train[0].root} and {val[0].root} have no class in common; check --ignore and the names")
    with _scratch(preset, parts) as segmenter:

        def learn(sample: Sample) -> list[LabelledInstance]:
            try:
                return labelled_instances(segmenter, sample.ref, train[0].load(sample), settings)
            except (ImageError, DatasetError):
                return []

        def ask(sample: Sample) -> tuple[Int32, Analysis] | None:
            try:
                labelled = val[0].load(sample)
            except (ImageError, DatasetError):
                return None
            place = {name: i for i, name in enumerate(names)}
            table = np.array([place.get(name, -1) for name in labelled.class_names] + [-1], dtype=np.int32)
            return table[labelled.label_map], segmenter.analyse(labelled.image)

        rows: dict[str, list[LabelledInstance]] = {name: [] for name in names}
        for found in map_ahead(learn, train[1], workers):
            for instance in found:
                if instance.class_name in rows:
                    rows[instance.class_name].append(instance)
            on_image()
        asked = []
        for answer in map_ahead(ask, val[1], workers):
            asked += [answer] if answer is not None else []
            on_image()
    return Material(names, rows, asked)


def split_classes(names: Sequence[str], steps: int, seed: int | None) -> list[tuple[str, ...]]:
    """The classes in ``steps`` groups of nearly equal size, in the given order or shuffled by a seed."""
    if not 1 <= steps <= len(names):
        raise UsageError(f"{len(names)} classes can arrive in 1 to {len(names)} steps, found {steps}")
    order = list(names) if seed is None else [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    return [tuple(group.tolist()) for group in np.array_split(np.array(order, dtype=object), steps)]


def run(
    preset: Preset,
    parts: Parts,
    material: Material,
    groups: Sequence[Sequence[str]],
    *,
    on_step: Callable[[], None] = lambda: None,
) -> list[Step]:
    """The steps, on a store of their own that is gone afterwards."""
    steps: list[Step] = []
    table = np.full((len(groups), len(groups)), np.nan)  # a[t, i]
    with _scratch(preset, parts) as segmenter:
        for t, group in enumerate(groups):
            start = time.perf_counter()
            source = segmenter.store.begin_source("ingest", ", ".join(group))
            for name in group:
                segmenter.store.add(material.rows[name], source)
            iou = _iou_of_classes(segmenter, material)
            for i, earlier in enumerate(groups[: t + 1]):
                table[t, i] = np.mean([iou[name] for name in earlier])
            old = [iou[name] for earlier in groups[:t] for name in earlier]
            steps.append(
                Step(
                    classes=tuple(group),
                    miou=float(np.mean(list(iou.values()))),
                    old=float(np.mean(old)) if old else float("nan"),
                    new=float(table[t, t]),
                    forgetting=forgetting(table, t),
                    backward_transfer=backward_transfer(table, t),
                    rows=int(segmenter.store.info()["instances"]),
                    store_bytes=sum(file.stat().st_size for file in segmenter.store.path.rglob("*") if file.is_file()),
                    seconds=time.perf_counter() - start,
                )
            )
            on_step()
    return steps


def forgetting(table: NDArray[np.float64], t: int) -> float:
    """Of ``a[t, i]``, after step t: how far earlier groups fell below their best; NaN in the first step."""
    return float(np.mean(np.nanmax(table[:t, :t], axis=0) - table[t, :t])) if t else float("nan")


def backward_transfer(table: NDArray[np.float64], t: int) -> float:
    """Of ``a[t, i]``, after step t: what earlier groups gained since they arrived; NaN in the first step."""
    return float(np.mean(table[t, :t] - np.diagonal(table)[:t])) if t else float("nan")


def _iou_of_classes(segmenter: Segmenter, material: Material) -> dict[str, float]:
    """IoU of every class that the asked pictures have; 0 for one that has not arrived."""
    confusion = SemanticConfusion(material.class_names)
    to_index = index_of_class(segmenter.store.vocabulary(), material.class_names)
    for truth, analysis in material.asked:
        confusion.update(truth, to_index[segmenter.label(analysis).semantic])
    return {row.name: 0.0 if np.isnan(row.iou) else row.iou for row in confusion.compute().classes}


@contextmanager
def _scratch(preset: Preset, parts: Parts) -> Iterator[Segmenter]:
    """A segmenter on a store in a temporary folder."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Segmenter(Store.create(Path(folder) / "store", parts.encoder.fingerprint), preset, parts) as segmenter,
    ):
        yield segmenter
