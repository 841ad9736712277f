"""What the rows say about each class: how many there are, and how similar they are to each other across images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from knnclip.store.exact import Float64
from knnclip.store.index import Index
from knnclip.structures import Census, Float32, Int64, Levels
from knnclip.vocabulary import Vocabulary

SAMPLE_ROWS = 4096
SAMPLE_QUERIES = 256
FLOOR_QUANTILE = 0.05
PRIOR_IMAGES = 4.0


@dataclass(frozen=True)
class ClassLevel:
    """How similar the rows of one class are to their nearest row of the class in another image."""

    floor: float  # the FLOOR_QUANTILE of it
    typical: float  # its median
    images: int  # how many images that was seen in


def count_rows(index: Index) -> tuple[Int64, Int64]:
    """How many rows, and how many distinct images, each class id has: two arrays indexed by class id."""
    class_id, image_id = index.rows["class_id"], index.rows["image_id"]
    rows = np.bincount(class_id)
    stride = int(image_id.max(initial=0)) + 1
    pairs = np.sort(class_id * stride + image_id)
    first = np.ones(len(pairs), dtype=bool)
    first[1:] = pairs[1:] != pairs[:-1]
    return rows, np.bincount(pairs[first] // stride)


def census_of(rows: Int64, images: Int64, vocabulary: Vocabulary) -> Census:
    """The counts by class id, in the order of a vocabulary."""
    known = vocabulary.class_ids < len(rows)
    ids = np.where(known, vocabulary.class_ids, 0)
    if len(rows) == 0:
        return Census(np.zeros_like(ids), np.zeros_like(ids))
    return Census(np.where(known, rows[ids], 0), np.where(known, images[ids], 0))


def class_levels(index: Index, class_ids: Int64) -> dict[int, ClassLevel]:
    """The level of each class that has rows in at least two images.

    A large class is judged by the ``SAMPLE_ROWS`` rows with the smallest content keys, and these by the
    ``SAMPLE_QUERIES`` smallest among them: a sample that depends on which rows there are and on nothing else.
    """
    wanted = np.flatnonzero(np.isin(index.rows["class_id"], class_ids))
    rows = index.rows[wanted]
    order = np.lexsort((rows["key"], rows["class_id"]))
    wanted, owner = wanted[order], rows["class_id"][order]
    levels: dict[int, ClassLevel] = {}
    for members in np.split(wanted, np.flatnonzero(owner[1:] != owner[:-1]) + 1) if len(wanted) else ():
        sample = members[:SAMPLE_ROWS]
        image_id = index.rows["image_id"][sample]
        images = len(np.unique(image_id))
        if images >= 2:
            nearest = nearest_elsewhere(index.vectors(sample), image_id, SAMPLE_QUERIES)
            floor, typical = np.quantile(nearest, [FLOOR_QUANTILE, 0.5])
            levels[int(index.rows["class_id"][members[0]])] = ClassLevel(float(floor), float(typical), images)
    return levels


def nearest_elsewhere(vectors: Float32, image_id: Int64, queries: int) -> Float64:
    """For each of the first ``queries`` of ``(N, D)`` rows the similarity of the nearest row of another image.

    At least two images are needed. In float64, hence exact (see ``knnclip.store.exact``).
    """
    exact = vectors.astype(np.float64)
    similarity = exact[:queries] @ exact.T
    similarity[image_id[:queries, None] == image_id[None, :]] = -np.inf
    nearest: Float64 = similarity.max(axis=1)
    return nearest


def levels_of(levels: dict[int, ClassLevel], vocabulary: Vocabulary) -> Levels:
    """The levels in the order of a vocabulary, those of little-seen classes drawn towards those of the others.

    A class that was seen in n images has the mean of its own level and the median level of all classes, weighted n to
    ``PRIOR_IMAGES``; one that was seen in fewer than two images has the median alone. Where no class was seen in two
    images nothing is known: every similarity reaches the floor, -1, and only an exact match is typical, 1.
    """
    known = [levels[info.class_id] for info in vocabulary if info.class_id in levels]
    floor = float(np.median([level.floor for level in known])) if known else -1.0
    typical = float(np.median([level.typical for level in known])) if known else 1.0
    own = [levels.get(info.class_id, ClassLevel(floor, typical, 0)) for info in vocabulary]
    weight = np.array([level.images / (level.images + PRIOR_IMAGES) for level in own])
    return Levels(
        floor=_drawn(np.array([level.floor for level in own]), weight, floor),
        typical=_drawn(np.array([level.typical for level in own]), weight, typical),
    )


def _drawn(own: Float64, weight: Float64, common: float) -> Float32:
    return (weight * own + (1 - weight) * common).astype(np.float32)
