"""The continual protocol: classes arrive in steps, each is stored once, and after each step everything is scored again.

A step inserts the instances of its classes, or of its data set, and relabels the images of val. With a[t, i] the mean
IoU of the classes of step i after step t:

    average            mean over i <= t of a[t, i]
    forgetting         mean over i < t of (max over s < t of a[s, i]) - a[t, i]
    backward transfer  mean over i < t of a[t, i] - a[i, i]

They are the measures of Lopez-Paz and Ranzato (GEM, arXiv 1706.08840) and Chaudhry et al. (arXiv 1801.10112), with IoU
in place of accuracy. "Zero forgetting" is true of the memory, whose instances stay, not of the answers: a new class may
take what an old one had.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from knnclip.errors import UsageError, unknown_name
from knnclip.evaluation.splits import EncodedSplits
from knnclip.progress import SILENT, Progress
from knnclip.structures import LabelledInstance

NAN = float("nan")
Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class Arrival:
    """What comes in one step."""

    classes: tuple[str, ...]  # that no earlier step had
    instances: tuple[LabelledInstance, ...]


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
    instances: int  # in the store
    store_bytes: int  # of all its files
    seconds: float  # of inserting and relabelling, the encoding of the images left out


def order_seeds(seeds: int) -> list[int | None]:
    """The seeds of so many shuffled orders, from 0; one order, the set's own, for none of them."""
    return [*range(seeds)] or [None]


def in_steps(names: Sequence[str], steps: int, seed: int | None) -> list[tuple[str, ...]]:
    """The classes in ``steps`` groups of nearly equal size, in the given order or shuffled by a seed."""
    if not 1 <= steps <= len(names):
        raise UsageError(f"{len(names)} classes can arrive in 1 to {len(names)} steps, found {steps}")
    groups = np.array_split(np.array(_shuffled(names, seed), dtype=object), steps)
    return [tuple(group.tolist()) for group in groups]


def check_groups(names: Sequence[str], groups: Sequence[Sequence[str]]) -> None:
    """``UsageError`` unless each of the names is in one of the groups, and nothing else is."""
    named = [name for group in groups for name in group]
    for name in named:
        if name not in names:
            raise unknown_name("class", name, names)
    for name in names:
        if named.count(name) != 1:
            raise UsageError(f"each class arrives in one step; {name!r} is in {named.count(name)}")


def by_class(encoded: EncodedSplits, groups: Sequence[Sequence[str]]) -> list[Arrival]:
    """Groups of classes, each with its instances of all data sets."""
    return [
        Arrival(tuple(group), tuple(instance for name in group for instance in encoded.instances(name)))
        for group in groups
    ]


def by_data_set(encoded: EncodedSplits, seed: int | None) -> list[Arrival]:
    """Each data set in a step of its own, in the given order or shuffled by a seed."""
    arrivals: list[Arrival] = []
    known: set[str] = set()
    for of_class in _shuffled(encoded.train, seed):
        new = tuple(name for name in encoded.class_names if name in of_class and name not in known)
        known.update(new)
        arrivals.append(Arrival(new, tuple(instance for found in of_class.values() for instance in found)))
    return arrivals


def run_continual(
    encoded: EncodedSplits, orders: Sequence[Sequence[Arrival]], *, progress: Progress = SILENT
) -> list[list[Step]]:
    """The steps of each order, each order on a store of its own that is gone afterwards.

    ``orders`` come from ``by_class`` or ``by_data_set``; ``progress`` counts steps.
    """
    progress.start(sum(map(len, orders)))
    return [_run_order(encoded, arrivals, progress) for arrivals in orders]


def _run_order(encoded: EncodedSplits, arrivals: Sequence[Arrival], progress: Progress) -> list[Step]:
    steps: list[Step] = []
    table = np.full((len(arrivals), len(arrivals)), np.nan)  # a[t, i]
    with encoded.scratch_segmenter() as segmenter:
        for t, arrival in enumerate(arrivals):
            start = time.perf_counter()
            source = segmenter.store.begin_source("ingest", ", ".join(arrival.classes))
            segmenter.store.add(arrival.instances, source)
            # A class that has not arrived has a truth and no answer: 0. One that never occurs has no IoU.
            iou = {row.name: row.iou for row in encoded.scores(segmenter).classes}
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
                    instances=len(segmenter.store),
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
