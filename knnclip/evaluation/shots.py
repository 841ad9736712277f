"""Accuracy against the number of labelled instances a class: what a store knows after 1, 2, 5, ... of each.

One shot is one annotated segment together with the generator's own masks that lie in it, as ``Segmenter.teach`` stores
them. The instances of a class are shuffled by a seed and stored in that order, so each number holds the smaller ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from knnclip.catalogue import FrozenParts
from knnclip.errors import UsageError
from knnclip.evaluation.splits import EncodedSplits, scratch_segmenter
from knnclip.presets import Preset
from knnclip.progress import SILENT, Progress
from knnclip.segmenter import MIN_PURITY
from knnclip.structures import LabelledInstance

ALL = 0
"""Stands for all rows that there are, with those that belong to no annotated segment."""

Shot = list[LabelledInstance]


@dataclass(frozen=True)
class ShotScores:
    """What is known with so many instances a class."""

    shots: int  # ALL for all
    miou: float  # in [0, 1]
    rows: int


def read_shots(text: str) -> list[int]:
    """``1,2,5,all`` in rising order; ``UsageError`` for anything else."""
    try:
        numbers = {int(part) for part in text.split(",") if part.strip() != "all"}
    except ValueError:
        numbers = {0}
    if min(numbers, default=1) < 1:
        raise UsageError(f"shots are numbers above 0 or all, joined by commas, found {text!r}")
    return [*sorted(numbers), *([ALL] if "all" in (part.strip() for part in text.split(",")) else [])]


def run_shots(
    preset: Preset,
    parts: FrozenParts,
    material: EncodedSplits,
    shots: Sequence[int],
    seed: int,
    *,
    progress: Progress = SILENT,
) -> list[ShotScores]:
    """The scores for rising numbers of shots, on a store that is gone afterwards; ``progress`` advances with each."""
    rng = np.random.default_rng(seed)
    classes = []
    for name in material.class_names:
        given, rest = gather_shots(material.rows(name))
        classes.append(([given[i] for i in rng.permutation(len(given))], rest))
    scores = []
    with scratch_segmenter(preset, parts) as segmenter:
        for before, count in pairwise([0, *shots]):
            source = segmenter.store.begin_source("ingest", "all" if count == ALL else f"{count} a class")
            for given, rest in classes:
                new = given[before:] if count == ALL else given[before:count]
                rows = [row for shot in new for row in shot] + (rest if count == ALL else [])
                segmenter.store.add(rows, source)
            stored = len(segmenter.store)
            scores.append(ShotScores(count, material.scores(segmenter).miou, stored))
            progress.advance()
    return scores


def gather_shots(rows: Sequence[LabelledInstance]) -> tuple[list[Shot], list[LabelledInstance]]:
    """The annotated segments of one class with the proposals in each, and the proposals that lie in none."""
    shots = [[row] for row in rows if row.origin == "truth"]
    of_image: dict[str, list[Shot]] = {}
    for shot in shots:
        of_image.setdefault(shot[0].image.ref, []).append(shot)
    rest = []
    for row in rows:
        if row.origin == "truth":
            continue
        dense = row.mask.to_dense()
        near = of_image.get(row.image.ref, [])
        inside = [np.count_nonzero(shot[0].mask.select(dense)) / row.mask.area for shot in near]
        if inside and max(inside) >= MIN_PURITY:
            near[int(np.argmax(inside))].append(row)
        else:
            rest.append(row)
    return shots, rest
