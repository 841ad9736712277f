"""The continual protocol: classes arrive in steps, each is seen once, and after each step everything is asked again.

A step inserts the rows of its classes, or of its data set, and relabels the asked pictures. With a[t, i] the mean IoU
of the classes of step i after step t, T steps in all:

    average            mean over i <= t of a[t, i]
    forgetting         mean over i < t of (max over s < t of a[s, i]) - a[t, i]
    backward transfer  mean over i < t of a[t, i] - a[i, i]

"Zero forgetting" is true of the memory, whose rows stay, not of the answers: a new class may take what an old one had.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from knnclip.catalogue import FrozenParts
from knnclip.errors import UsageError, unknown_name
from knnclip.evaluation.splits import EncodedSplits, scratch_segmenter
from knnclip.presets import Preset
from knnclip.progress import SILENT, Progress
from knnclip.structures import LabelledInstance

NAN = float("nan")
Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class Arrival:
    """What comes in one step."""

    classes: tuple[str, ...]  # that no earlier step had
    rows: tuple[LabelledInstance, ...]


@dataclass(frozen=True)
class Step:
    """What is known after one step; fractions in [0, 1], NaN where undefined."""

    classes: tuple[str, ...]  # that arrived in it
    miou: float  # over all classes of the set, those to come included
    old: float  # over the classes of earlier steps
    new: float  # over those of this step
    average: float  # over the steps so far
    forgetting: float
    backward_transfer: float
    rows: int
    store_bytes: int
    seconds: float  # of inserting and relabelling, the encoding of the pictures left out


def in_steps(names: Sequence[str], steps: int, seed: int | None) -> list[tuple[str, ...]]:
    """The classes in ``steps`` groups of nearly equal size, in the given order or shuffled by a seed."""
    if not 1 <= steps <= len(names):
        raise UsageError(f"{len(names)} classes can arrive in 1 to {len(names)} steps, found {steps}")
    groups = np.array_split(np.array(_shuffled(names, seed), dtype=object), steps)
    return [tuple(group.tolist()) for group in groups]


def check_groups(names: Sequence[str], groups: Sequence[Sequence[str]]) -> None:
    """``UsageError`` unless every class is in one of the groups, and nothing else."""
    named = [name for group in groups for name in group]
    for name in named:
        if name not in names:
            raise unknown_name("class", name, names)
    for name in names:
        if named.count(name) != 1:
            raise UsageError(f"each class arrives in one step; {name!r} is in {named.count(name)}")


def by_class(material: EncodedSplits, groups: Sequence[Sequence[str]]) -> list[Arrival]:
    """Groups of classes with their rows of all data sets."""
    return [Arrival(tuple(group), tuple(row for name in group for row in material.rows(name))) for group in groups]


def by_data_set(material: EncodedSplits, seed: int | None) -> list[Arrival]:
    """Each data set in a step of its own, in the given order or shuffled by a seed."""
    arrivals: list[Arrival] = []
    known: set[str] = set()
    for rows in _shuffled(material.learned, seed):
        new = tuple(name for name in material.class_names if name in rows and name not in known)
        known.update(new)
        arrivals.append(Arrival(new, tuple(row for found in rows.values() for row in found)))
    return arrivals


def run(
    preset: Preset,
    parts: FrozenParts,
    material: EncodedSplits,
    arrivals: Sequence[Arrival],
    *,
    progress: Progress = SILENT,
) -> list[Step]:
    """The steps, on a store of their own that is gone afterwards; ``progress`` advances with each."""
    steps: list[Step] = []
    table = np.full((len(arrivals), len(arrivals)), np.nan)  # a[t, i]
    with scratch_segmenter(preset, parts) as segmenter:
        for t, arrival in enumerate(arrivals):
            start = time.perf_counter()
            source = segmenter.store.begin_source("ingest", ", ".join(arrival.classes))
            segmenter.store.add(arrival.rows, source)
            # A class that has not arrived has a truth and no answer: 0. One that never occurs has no IoU.
            iou = {row.name: row.iou for row in material.scores(segmenter).classes}
            for i, earlier in enumerate(arrivals[: t + 1]):
                table[t, i] = _mean([iou[name] for name in earlier.classes])
            steps.append(
                Step(
                    classes=arrival.classes,
                    miou=_mean(list(iou.values())),
                    old=_mean([iou[name] for earlier in arrivals[:t] for name in earlier.classes]),
                    new=float(table[t, t]),
                    average=_mean(table[t, : t + 1].tolist()),
                    forgetting=forgetting(table, t),
                    backward_transfer=backward_transfer(table, t),
                    rows=len(segmenter.store),
                    store_bytes=sum(file.stat().st_size for file in segmenter.store.path.rglob("*") if file.is_file()),
                    seconds=time.perf_counter() - start,
                )
            )
            progress.advance()
    return steps


def forgetting(table: NDArray[np.float64], t: int) -> float:
    """Of ``a[t, i]``, after step t: how far earlier groups fell below their best; NaN in the first step."""
    return _mean([max(table[i:t, i]) - table[t, i] for i in range(t)])


def backward_transfer(table: NDArray[np.float64], t: int) -> float:
    """Of ``a[t, i]``, after step t: what earlier groups gained since they arrived; NaN in the first step."""
    return _mean([table[t, i] - table[i, i] for i in range(t)])


def _mean(values: Sequence[float]) -> float:
    """Of those that are defined; a step that brings no new class has no IoU of its own."""
    there = [value for value in values if not np.isnan(value)]
    return float(np.mean(there)) if there else NAN


def _shuffled(items: Sequence[Item], seed: int | None) -> list[Item]:
    order = range(len(items)) if seed is None else np.random.default_rng(seed).permutation(len(items)).tolist()
    return [items[i] for i in order]
