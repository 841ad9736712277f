"""What the instances say about each class: how many there are, and how similar they are across images."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from knnclip.knowledge import Census, Levels
from knnclip.store.exact import Float64, UInt64
from knnclip.store.index import Index
from knnclip.structures import Float32, Int64
from knnclip.vocabulary import Vocabulary

SAMPLE_ROWS = 4096
"""Instances by which a large class is judged. More make its nearest others nearer, as in the store, and cost memory."""

SAMPLE_QUERIES = 256
"""Those of them that are asked: enough for a quantile of 5 % (the 13th smallest), 256 x 4096 products a class."""

FLOOR_QUANTILE = 0.05
"""The share of a class's instances that may be less alike than its floor: outliers, wrong labels."""

PRIOR_IMAGES = 4.0
"""Images at which a class's own level counts as much as the level of the others; larger trusts own levels later."""


@dataclass(frozen=True)
class ClassLevel:
    """How similar the instances of one class are to their nearest one of the class in another image."""

    floor: float  # the FLOOR_QUANTILE of it
    typical: float  # its median
    images: int  # how many images that was seen in


@dataclass(frozen=True, eq=False)
class Counts:
    """What an index holds of each class; each array is indexed by class id."""

    instances: Int64
    images: Int64  # distinct ones
    signatures: UInt64  # a sum of hashes, modulo 2**64, which stands for the set of the class's instances


def count(index: Index) -> Counts:
    """Counts the instances of an index."""
    class_id, image_id = index.rows["class_id"], index.rows["image_id"]
    stride = int(image_id.max(initial=0)) + 1
    pairs = np.sort(class_id * stride + image_id)
    first = np.ones(len(pairs), dtype=bool)
    first[1:] = pairs[1:] != pairs[:-1]
    instances = np.bincount(class_id)
    signatures = np.zeros(len(instances), dtype=np.uint64)
    np.add.at(signatures, class_id, index.rows["key"])
    return Counts(instances, np.bincount(pairs[first] // stride), signatures)


def of_vocabulary(counts: Counts, vocabulary: Vocabulary) -> Census:
    """The counts in the order of a vocabulary."""
    return Census(_by_id(counts.instances, vocabulary), _by_id(counts.images, vocabulary))


class LevelCache:
    """The levels of classes, each kept until the instances of the class change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[int, tuple[int, ClassLevel | None]] = {}  # class id -> signature, level

    def of(self, index: Index, counts: Counts) -> dict[int, ClassLevel]:
        """The level of each class of an index that has one; only those that changed are computed anew."""
        signatures = dict(enumerate(counts.signatures.tolist()))
        present = np.flatnonzero(counts.instances).tolist()
        with self._lock:
            known = {class_id: self._known[class_id] for class_id in present if class_id in self._known}
            changed = [class_id for class_id in present if known.get(class_id, (None,))[0] != signatures[class_id]]
            found = class_levels(index, np.array(changed, dtype=np.int64))
            self._known = known | {class_id: (signatures[class_id], found.get(class_id)) for class_id in changed}
            return {class_id: level for class_id, (_, level) in self._known.items() if level is not None}


def class_levels(index: Index, class_ids: Int64) -> dict[int, ClassLevel]:
    """The level of each class that has instances in at least two images.

    A large class is judged by the ``SAMPLE_ROWS`` instances with the smallest content keys, and these by the
    ``SAMPLE_QUERIES`` smallest among them: a sample that depends on which there are and on nothing else.
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
    """For each of the first ``queries`` of ``(N, D)`` vectors the similarity of the nearest one of another image.

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
    images nothing is known.
    """
    seen = [levels[info.class_id] for info in vocabulary if info.class_id in levels]
    if not seen:
        nothing = np.zeros(len(vocabulary), dtype=np.float32)
        return Levels(nothing, nothing, known=False)
    floor = float(np.median([level.floor for level in seen]))
    typical = float(np.median([level.typical for level in seen]))
    own = [levels.get(info.class_id, ClassLevel(floor, typical, 0)) for info in vocabulary]
    weight = np.array([level.images / (level.images + PRIOR_IMAGES) for level in own])
    return Levels(
        floor=_drawn(np.array([level.floor for level in own]), weight, floor),
        typical=_drawn(np.array([level.typical for level in own]), weight, typical),
        known=True,
    )


def _by_id(counts: Int64, vocabulary: Vocabulary) -> Int64:
    padded = np.zeros(max(len(counts), int(vocabulary.class_ids.max(initial=0)) + 1), dtype=np.int64)
    padded[: len(counts)] = counts
    return padded[vocabulary.class_ids]


def _drawn(own: Float64, weight: Float64, common: float) -> Float32:
    return (weight * own + (1 - weight) * common).astype(np.float32)
