"""Accuracy against the number of labelled instances a class: what a store knows after 1, 2, 5, ... of each.

One shot is one annotated segment together with the generator's own masks that lie in it, as ``Segmenter.teach`` stores
them. The instances of a class are shuffled by a seed and stored in that order, so each number holds the smaller ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from knnclip.analysis import MIN_PURITY
from knnclip.errors import UsageError
from knnclip.evaluation.splits import EncodedSplits
from knnclip.progress import SILENT, Progress
from knnclip.structures import LabelledInstance

ALL = 0
"""Stands for all instances that there are, with those that belong to no annotated segment."""

SupportExample = list[LabelledInstance]
"""One annotated segment, which comes first, and the proposals that lie in it."""


@dataclass(frozen=True)
class ShotScores:
    """What is known with so many annotated segments a class."""

    shots: int  # ALL for all
    miou: float  # in [0, 1]
    instances: int  # in the store: the annotated segments and the proposals in them


def read_shots(text: str) -> list[int]:
    """``1,2,5,all`` in rising order; ``UsageError`` for anything else."""
    try:
        numbers = {int(part) for part in text.split(",") if part.strip() != "all"}
    except ValueError:
        numbers = {0}
    if min(numbers, default=1) < 1:
        raise UsageError(f"shots are numbers above 0 or all, joined by commas, found {text!r}")
    return [*sorted(numbers), *([ALL] if "all" in (part.strip() for part in text.split(",")) else [])]


def name_of(shots: int) -> str:
    """A number of shots as ``read_shots`` reads it."""
    return "all" if shots == ALL else str(shots)


def run_shots(
    encoded: EncodedSplits, shots: Sequence[int], seeds: int, *, progress: Progress = SILENT
) -> list[list[ShotScores]]:
    """The scores for rising numbers of shots, for so many draws of the instances, each on a store that goes afterwards.

    ``shots``: see ``read_shots``; ``progress`` counts stores that were scored.
    """
    progress.start(seeds * len(shots))
    examples = [support_examples(encoded.instances(name)) for name in encoded.class_names]
    return [_run_draw(encoded, examples, shots, seed, progress) for seed in range(seeds)]


def support_examples(
    instances: Sequence[LabelledInstance],
) -> tuple[list[SupportExample], list[LabelledInstance]]:
    """The annotated segments of one class with the proposals in each, and the proposals that lie in none."""
    examples = [[instance] for instance in instances if instance.origin == "truth"]
    of_image: dict[str, list[SupportExample]] = {}
    for example in examples:
        of_image.setdefault(example[0].image.ref, []).append(example)
    rest = []
    for instance in instances:
        if instance.origin == "truth":
            continue
        dense = instance.mask.to_dense()
        near = of_image.get(instance.image.ref, [])
        inside = [np.count_nonzero(example[0].mask.select(dense)) / instance.mask.area for example in near]
        if inside and max(inside) >= MIN_PURITY:
            near[int(np.argmax(inside))].append(instance)
        else:
            rest.append(instance)
    return examples, rest


def _run_draw(
    encoded: EncodedSplits,
    examples: Sequence[tuple[list[SupportExample], list[LabelledInstance]]],
    shots: Sequence[int],
    seed: int,
    progress: Progress,
) -> list[ShotScores]:
    """The scores of one draw; ``examples`` and what belongs to none, of each class."""
    rng = np.random.default_rng(seed)
    drawn = [([of_class[i] for i in rng.permutation(len(of_class))], rest) for of_class, rest in examples]
    scores = []
    with encoded.scratch_segmenter() as segmenter:
        for before, count in pairwise([0, *shots]):
            source = segmenter.store.begin_source("ingest", "all" if count == ALL else f"{count} a class")
            for of_class, rest in drawn:
                new = of_class[before:] if count == ALL else of_class[before:count]
                instances = [instance for example in new for instance in example] + (rest if count == ALL else [])
                segmenter.store.add(instances, source)
            scores.append(ShotScores(count, encoded.scores(segmenter).miou, len(segmenter.store)))
            progress.advance()
    return scores
