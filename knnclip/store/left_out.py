"""Leave a part of the images out: what the store would say of its own instances if it had never seen that part.

How far the next picture will be from the stored ones is not known. It may be of a street that the store has seen a
second before or after, or of another one. So the images are parted in two ways:

* ``dealt``: by a hash of their names. Whatever is much like an image lies mostly in other parts, as for a picture of
  what is stored already.
* ``runs``: in the order of their names, in runs of equal length. Pictures of one film or one folder lie together and
  are left out together, as for a picture of something else.

Both depend on which instances there are and on nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from knnclip.knowledge import Census, ClassMoments, LeftOut
from knnclip.store.index import Index, Rows
from knnclip.store.moments import CHUNK_NUMBERS, FOLDS, Moments
from knnclip.structures import Float32, Int64, Neighbors
from knnclip.vocabulary import Vocabulary

Parting = Literal["dealt", "runs"]
PARTINGS: tuple[Parting, ...] = get_args(Parting)

MOST_INSTANCES = 65_536
"""Of the sample that is asked: 50,000 instances are asked as a whole, larger stores by a sample."""

SIMILARITIES = 2**24
"""That are worked out at a time: 64 MB."""


@dataclass(frozen=True, eq=False)
class Leaving:
    """One state of the store, to be asked at leisure: nobody waits for it, whatever is forgotten meanwhile."""

    generation: int
    vocabulary: Vocabulary
    census: Census  # of the vocabulary
    index: Index  # a snapshot
    image_order: Int64  # all image ids, in the order of the images' names
    area_px: Int64  # of each row of the index

    @property
    def newest_instance(self) -> int:
        """The largest id of an instance, 0 if there is none."""
        return int(self.index.rows["instance_id"].max(initial=0))

    def left_out(self, parting: Parting, k: int, most: int) -> LeftOut:
        """At most ``most`` instances, and their ``k`` nearest and the moments without the part that each lies in.

        Classes take turns in proportion to the square root of how many instances they have. Instances whose class has
        none in another part are not asked.
        """
        sample = np.argsort(self.index.rows["key"], kind="stable")[:MOST_INSTANCES]
        rows, vectors = self.index.rows[sample], self.index.vectors(sample)
        run = _runs(rows, self.image_order)
        part = rows["fold"].astype(np.int64) if parting == "dealt" else run
        queries, stands_for = _asked(rows, part, most)
        moments = _moments(vectors, rows, part)
        images = [len(np.unique(rows["image_id"][part != number])) for number in range(FOLDS)]
        class_ids = self.vocabulary.class_ids
        return LeftOut(
            neighbors=_neighbors(rows, vectors, part, queries, k),
            class_id=rows["class_id"][queries],
            vectors=vectors[queries],
            area_px=self.area_px[sample][queries],
            stands_for=stands_for,
            part=part[queries],
            group=rows["fold"][queries].astype(np.int64) * FOLDS + run[queries],
            moments=tuple(ClassMoments(*moments.of_classes(class_ids, n), images[n]) for n in range(FOLDS)),
        )


def _runs(rows: Rows, image_order: Int64) -> Int64:
    """The run of each row's image."""
    present = image_order[np.isin(image_order, rows["image_id"])]
    run = np.zeros(int(image_order.max(initial=0)) + 1, dtype=np.int64)
    run[present] = np.arange(len(present)) * FOLDS // max(len(present), 1)
    found: Int64 = run[rows["image_id"]]
    return found


def _asked(rows: Rows, part: Int64, most: int) -> tuple[Int64, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    """The rows that are asked, and how many each stands for."""
    owners, owner = np.unique(rows["class_id"], return_inverse=True)
    there = np.zeros((len(owners), FOLDS), dtype=bool)
    there[owner, part] = True
    eligible = np.flatnonzero(there.sum(axis=1)[owner] >= 2)
    by_class = eligible[np.argsort(owner[eligible], kind="stable")]  # within a class by content key, as the rows are
    size = np.bincount(owner[eligible], minlength=len(owners))
    first = np.cumsum(size) - size
    turn = (np.arange(len(by_class)) - first[owner[by_class]]) / np.sqrt(size[owner[by_class]])
    chosen = by_class[np.lexsort((rows["key"][by_class], turn))[:most]]
    asked = np.bincount(owner[chosen], minlength=len(owners))
    return chosen, size[owner[chosen]] / asked[owner[chosen]]


def _moments(vectors: Float32, rows: Rows, part: Int64) -> Moments:
    found = Moments.empty(vectors.shape[1])
    step = max(1, CHUNK_NUMBERS // vectors.shape[1])
    for first in range(0, len(rows), step):
        some = slice(first, first + step)
        found = found.changed(vectors[some], rows["class_id"][some], part[some], 1)
    return found


def _neighbors(rows: Rows, vectors: Float32, part: Int64, queries: Int64, k: int) -> Neighbors:
    """The k nearest rows of other parts, of equal ones the first by content key."""
    k = min(k, len(rows))
    slots, similarity = np.zeros((len(queries), k), dtype=np.int64), np.zeros((len(queries), k), dtype=np.float32)
    step = max(1, SIMILARITIES // max(len(rows), 1))
    for first in range(0, len(queries), step):
        some = slice(first, first + step)
        found = vectors[queries[some]] @ vectors.T
        found[part[queries[some], None] == part[None, :]] = -np.inf
        near = np.sort(np.argpartition(-found, k - 1, axis=1)[:, :k], axis=1)
        there = np.take_along_axis(found, near, axis=1)
        order = np.argsort(-there, axis=1, kind="stable")
        slots[some], similarity[some] = (np.take_along_axis(those, order, axis=1) for those in (near, there))
    there = np.isfinite(similarity)
    return Neighbors(
        similarity=similarity,
        instance_id=np.where(there, rows["instance_id"][slots], -1),
        class_id=np.where(there, rows["class_id"][slots], 0),
        image_id=np.where(there, rows["image_id"][slots], -1),
        purity=rows["purity"][slots].astype(np.float32),
    )
