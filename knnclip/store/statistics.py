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


class ClassStatistics:
    """Counts and levels of an index, kept until its rows change."""

    def __init__(self) -> None:
        self._generation = -1
        self._counts = self._images = np.empty(0, dtype=np.int64)
        self._signatures = np.empty(0, dtype=np.uint64)
        self._levels: dict[int, tuple[int, ClassLevel | None]] = {}

    def census(self, index: Index, generation: int, vocabulary: Vocabulary) -> Census:
        """How many rows and images each class of a vocabulary has."""
        self._refresh(index, generation)
        return Census(_by_id(self._counts, vocabulary), _by_id(self._images, vocabulary))

    def levels(self, index: Index, generation: int, vocabulary: Vocabulary) -> Levels:
        """The levels of the classes of a vocabulary; only those whose rows changed are computed anew."""
        self._refresh(index, generation)
        signatures = dict(enumerate(self._signatures.tolist()))
        present = np.flatnonzero(self._counts).tolist()
        self._levels = {known: self._levels[known] for known in present if known in self._levels}
        changed = [known for known in present if self._levels.get(known, (None,))[0] != signatures[known]]
        found = class_levels(index, np.array(changed, dtype=np.int64))
        self._levels |= {known: (signatures[known], found.get(known)) for known in changed}
        return levels_of({known: level for known, (_, level) in self._levels.items() if level is not None}, vocabulary)

    def _refresh(self, index: Index, generation: int) -> None:
        if generation != self._generation:
            self._counts, self._images = count_rows(index)
            self._signatures = np.zeros(len(self._counts), dtype=np.uint64)
            # A sum of hashes, modulo 2**64, stands for a set of rows.
            np.add.at(self._signatures, index.rows["class_id"], index.rows["key"])
            self._generation = generation


def count_rows(index: Index) -> tuple[Int64, Int64]:
    """How many rows, and how many distinct images, each class id has: two arrays indexed by class id."""
    class_id, image_id = index.rows["class_id"], index.rows["image_id"]
    stride = int(image_id.max(initial=0)) + 1
    pairs = np.sort(class_id * stride + image_id)
    first = np.ones(len(pairs), dtype=bool)
    first[1:] = pairs[1:] != pairs[:-1]
    return np.bincount(class_id), np.bincount(pairs[first] // stride)


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


def _by_id(counts: Int64, vocabulary: Vocabulary) -> Int64:
    padded = np.zeros(max(len(counts), int(vocabulary.class_ids.max(initial=0)) + 1), dtype=np.int64)
    padded[: len(counts)] = counts
    return padded[vocabulary.class_ids]


def _drawn(own: Float64, weight: Float64, common: float) -> Float32:
    return (weight * own + (1 - weight) * common).astype(np.float32)
