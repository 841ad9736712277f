"""A labelled data set -> scores: the segmenter's answers against the truth, image by image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from knnclip.datasets import Dataset, Rejection, Sample
from knnclip.errors import DatasetError, ImageError, UsageError
from knnclip.evaluation.semantic import SemanticConfusion
from knnclip.parallel import map_ahead
from knnclip.segmenter import Segmenter
from knnclip.structures import UNKNOWN, Int32
from knnclip.vocabulary import Vocabulary

MaskSource = Literal["own", "oracle"]
MASK_SOURCES: tuple[MaskSource, ...] = ("own", "oracle")


def evaluate(
    segmenter: Segmenter,
    dataset: Dataset,
    samples: Sequence[Sample],
    *,
    masks: MaskSource = "own",
    workers: int = 2,
    on_image: Callable[[], None] = lambda: None,
    stop: Callable[[], bool] = lambda: False,
) -> tuple[SemanticConfusion, tuple[Rejection, ...]]:
    """The confusion of the segmenter's semantic maps with the truth, and what could not be read.

    ``masks="oracle"`` puts the ground-truth masks in place of the generator's: it separates what retrieval gets wrong
    from what the masks miss. A class of the store that the data set does not have counts as unknown, hence as a miss.
    ``on_image`` is called after each image; where ``stop`` then says so the rest is left out.
    """
    if masks not in MASK_SOURCES:
        raise UsageError(f"masks are one of {', '.join(MASK_SOURCES)}, found {masks!r}")
    confusion = SemanticConfusion(dataset.class_names)
    to_index = index_of_class(segmenter.store.vocabulary(), dataset.class_names)
    rejected: list[Rejection] = []

    def answer(sample: Sample) -> tuple[Int32, Int32, tuple[Rejection, ...]] | Rejection:
        try:
            labelled = dataset.load(sample)
        except (ImageError, DatasetError) as error:
            return Rejection(str(sample.image_path), None, str(error))
        truth = [item.mask for item in labelled.instances if not item.is_crowd] if masks == "oracle" else None
        semantic = segmenter.label(segmenter.analyse(labelled.image, masks=truth)).semantic
        return labelled.label_map, to_index[semantic], labelled.rejected

    for result in map_ahead(answer, samples, workers):
        if isinstance(result, Rejection):
            rejected.append(result)
        else:
            truth, prediction, refused = result
            confusion.update(truth, prediction)
            rejected.extend(refused)
        on_image()
        if stop():
            break
    return confusion, tuple(rejected)


def index_of_class(vocabulary: Vocabulary, class_names: Sequence[str]) -> Int32:
    """``(largest class id + 1,)``: the data set's index of each class id of the store, -1 for unknown and others."""
    table = np.full(max([UNKNOWN, *vocabulary.class_ids.tolist()]) + 1, -1, dtype=np.int32)
    for index, name in enumerate(class_names):
        if (info := vocabulary.find(name)) is not None:
            table[info.class_id] = index
    return table
