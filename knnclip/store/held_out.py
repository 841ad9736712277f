"""Leave one image out: what the store would say of its own instances if their images were not in it."""

from __future__ import annotations

import numpy as np

from knnclip.knowledge import HeldOut
from knnclip.store.index import Index
from knnclip.structures import Int64, Neighbors

MOST_INSTANCES = 8192
"""Of the sample that is asked: the more, the nearer its neighbours are to those of the whole store, and the slower."""

MOST_QUERIES = 256
"""Of the instances that are asked: they tell the share that is right to about 3 %, in some milliseconds."""


def held_out(index: Index, k: int) -> HeldOut:
    """The k nearest instances of other images for some of a sample.

    The sample depends on which instances there are and on nothing else: classes take turns, each giving its own by
    their content keys. Instances whose class has no other image in the sample are not asked.
    """
    rows = index.rows
    order = np.lexsort((rows["key"], rows["class_id"]))
    owner = rows["class_id"][order]
    starts = np.flatnonzero(np.append(True, owner[1:] != owner[:-1])) if len(owner) else np.zeros(0, dtype=np.int64)
    turn = np.arange(len(owner)) - np.repeat(starts, np.diff(np.append(starts, len(owner))))
    sample = order[np.lexsort((rows["key"][order], turn))[:MOST_INSTANCES]]
    class_id, image_id = rows["class_id"][sample], rows["image_id"][sample]
    queries = np.flatnonzero(_seen_elsewhere(class_id, image_id))[:MOST_QUERIES]
    vectors = index.vectors(sample)
    similarity = vectors[queries] @ vectors.T
    similarity[image_id[queries, None] == image_id[None, :]] = -np.inf
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    found = np.take_along_axis(similarity, nearest, axis=1)
    there = np.isfinite(found)
    neighbors = Neighbors(
        similarity=found,
        instance_id=np.where(there, rows["instance_id"][sample][nearest], -1),
        class_id=np.where(there, class_id[nearest], 0),
        image_id=np.where(there, image_id[nearest], -1),
        purity=rows["purity"][sample][nearest].astype(np.float32),
    )
    fold = rows["fold"][sample][queries].astype(np.int64)
    return HeldOut(neighbors, class_id[queries], vectors[queries], fold)


def _seen_elsewhere(class_id: Int64, image_id: Int64) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """``(M,)``: whether an instance's class has one of another image."""
    pairs, which = np.unique(np.stack([class_id, image_id], axis=1), axis=0, return_inverse=True)
    images = np.bincount(pairs[:, 0], minlength=1)
    return np.asarray(images[pairs[which.ravel(), 0]] >= 2)
