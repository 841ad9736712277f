"""The search structure over the store's embeddings: in memory, exact, rebuildable, never the truth."""

from __future__ import annotations

from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from knnclip.store.exact import Float64, exact_similarity, float32_error, nearest_first
from knnclip.store.moments import Moments
from knnclip.structures import Float32, Int64, Neighbors

ROW = np.dtype(
    [
        ("instance_id", "<i8"),
        ("key", "<u8"),
        ("class_id", "<i8"),
        ("image_id", "<i8"),
        ("purity", "<f4"),
        ("fold", "<i4"),
    ]
)
"""What the index knows of a row besides its vector; ``key`` is the first 8 bytes of its content key, ``fold`` that of
its image, see ``knnclip.store.moments``."""

Rows = NDArray[np.void]  # of dtype ROW

BLOCK_ROWS = 65_536
"""Vectors in a block. Smaller ones mean more calls of FAISS a search, larger ones more unused memory at the end."""

MARGIN = 16
"""Candidates beside the k, at least: with fewer more queries are doubtful and compared with all rows within reach."""

BLAS_THRESHOLD = 4_096
"""Queries times D from which FAISS multiplies matrices with BLAS."""

GATHER_NUMBERS = 2**22
"""Numbers that are gathered for exact comparison at a time: 32 MB as float64, whatever k and D are."""

TAKEN_NUMBERS = 2**20
"""Numbers that are taken from the moments at a time: 8 MB as float64, however many rows are removed."""

TOGETHER = 32
"""Doubtful queries that go over all blocks together: more take more memory, fewer more passes over the vectors."""


class Index:
    """N rows of D numbers in blocks of fixed size, so that growing copies no vector.

    Rows lie in no particular order: a removed one is replaced by the last. Answers do not depend on it.

    ``moments`` are those of all rows, at any time.
    """

    def __init__(self, dim: int) -> None:
        import faiss

        # FAISS leaves out BLAS below this many queries times D; its default of 128,000 makes 100 queries of 256 numbers
        # seven times slower than with it.
        faiss.cvar.distance_compute_blas_threshold = BLAS_THRESHOLD
        self.dim = dim
        self.moments = Moments.empty(dim)
        self.size = 0
        self._rows = np.empty(0, dtype=ROW)
        self._blocks: list[Float32] = []
        self._snapshots: WeakSet[Index] = WeakSet()

    def snapshot(self) -> Index:
        """The index as it is now, whatever becomes of this one; it costs nothing until then.

        What is appended to this one lies beyond the end of the snapshot. What is removed or relabelled is copied first,
        block by block, as long as somebody holds a snapshot.
        """
        taken = Index(self.dim)
        taken.size, taken._rows, taken._blocks = self.size, self._rows, list(self._blocks)
        taken.moments = self.moments
        self._snapshots.add(taken)
        return taken

    @property
    def rows(self) -> Rows:
        """``(N,)`` of dtype ``ROW``: a view that is valid until the next change."""
        return self._rows[: self.size]

    def append(self, rows: Rows, vectors: NDArray[np.floating]) -> None:
        """Adds rows with their ``(n, D)`` vectors, whose numbers are float16 numbers."""
        self.moments = self.moments.changed(vectors, rows["class_id"], rows["fold"], 1)
        self.put_back(rows, vectors)

    def put_back(self, rows: Rows, vectors: NDArray[np.floating]) -> None:
        """As ``append``, for rows that ``moments`` have already."""
        start, stop = self.size, self.size + len(rows)
        if stop > len(self._rows):
            grown = np.zeros(max(stop, len(self._rows) * 3 // 2), dtype=ROW)
            grown[:start] = self.rows
            self._rows = grown
        while stop > len(self._blocks) * BLOCK_ROWS:
            self._blocks.append(np.empty((BLOCK_ROWS, self.dim), dtype=np.float32))
        self._rows[start:stop] = rows
        while start < stop:
            block, offset = divmod(start, BLOCK_ROWS)
            count = min(BLOCK_ROWS - offset, stop - start)
            self._blocks[block][offset : offset + count] = vectors[len(vectors) - (stop - start) :][:count]
            start += count
        self.size = stop

    def remove(self, instance_ids: Int64) -> Rows:
        """Takes rows out and returns them; ids that the index does not have are left out."""
        slots = np.flatnonzero(np.isin(self.rows["instance_id"], instance_ids))
        removed = self.rows[slots]
        step = max(1, TAKEN_NUMBERS // self.dim)
        for first in range(0, len(slots), step):
            part = slots[first : first + step]
            rows = self.rows[part]
            self.moments = self.moments.changed(self.vectors(part), rows["class_id"], rows["fold"], -1)
        kept = self.size - len(slots)
        holes = slots[slots < kept]
        if len(slots):
            self._unshare(np.append(holes, kept))  # from there on, what comes next is written over what was there
        movers = np.setdiff1d(np.arange(kept, self.size), slots, assume_unique=True)
        self._rows[holes] = self._rows[movers]
        for hole, mover in zip(holes.tolist(), movers.tolist(), strict=True):
            self._vector(hole)[:] = self._vector(mover)
        self.size = kept
        del self._blocks[-(-kept // BLOCK_ROWS) :]
        return removed

    def relabel(self, class_id: int, into_class_id: int) -> None:
        """Gives all rows of one class to another."""
        self.moments = self.moments.relabelled(class_id, into_class_id)
        self._unshare(np.empty(0, dtype=np.int64))
        column = self.rows["class_id"]
        column[column == class_id] = into_class_id

    def blocks(self) -> list[Float32]:
        """The vectors, ``(n, D)`` each, in the order of ``rows``; views that are valid until the next change."""
        return [block[: self.size - first] for first, block in zip(self._starts(), self._blocks, strict=True)]

    def vectors(self, slots: Int64) -> Float32:
        """``(..., D)``: the vectors at positions in ``rows``."""
        if len(self._blocks) == 1:
            return self._blocks[0][slots]
        gathered = np.empty((*slots.shape, self.dim), dtype=np.float32)
        which = slots // BLOCK_ROWS
        for number, block in enumerate(self._blocks):
            here = which == number
            gathered[here] = block[slots[here] - number * BLOCK_ROWS]
        return gathered

    def search(self, queries: Float32, k: int, class_rank: Int64) -> Neighbors:
        """The k nearest rows of each of ``(N, D)`` queries, whose numbers are float16 numbers: exactly, without ties.

        ``class_rank`` maps a class id to the place of its name among all names. Candidates come from a float32 search
        and are compared exactly. Where the worst candidate is not below the k-th by more than float32 can be wrong, a
        row that is not a candidate might belong to the answer: then all rows within reach are compared.
        """
        n, found = len(queries), min(k, self.size)
        similarity = np.full((n, k), -np.inf)
        slots = np.zeros((n, k), dtype=np.int64)
        width = min(found + max(MARGIN, found // 4), self.size)
        if n and found:
            candidates, worst = self._candidates(queries, width)
            step = max(1, GATHER_NUMBERS // (width * self.dim))
            for first in range(0, n, step):
                part = slice(first, first + step)
                exact = exact_similarity(queries[part], self.vectors(candidates[part]))
                order = self._order(exact, candidates[part], class_rank)[:, :found]
                similarity[part, :found] = np.take_along_axis(exact, order, axis=1)
                slots[part, :found] = np.take_along_axis(candidates[part], order, axis=1)
            reach = similarity[:, found - 1] - float32_error(self.dim)
            doubtful = np.flatnonzero((worst >= reach) & (width < self.size))
            for first in range(0, len(doubtful), TOGETHER):
                some = doubtful[first : first + TOGETHER]
                for query, near in zip(some.tolist(), self._all_within(queries[some], reach[some]), strict=True):
                    exact = self._exact(queries[query], near)
                    order = self._order(exact, near, class_rank)[:found]
                    similarity[query, :found], slots[query, :found] = exact[order], near[order]
        return self._neighbors(similarity, slots, found)

    def _candidates(self, queries: Float32, width: int) -> tuple[Int64, Float32]:
        """Positions ``(N, width)`` of the most similar rows by float32, and the lowest similarity ``(N,)`` of each."""
        import faiss

        similarities, slots = [], []
        for first, block in zip(self._starts(), self.blocks(), strict=True):
            found = faiss.knn(queries, block, min(width, len(block)), metric=faiss.METRIC_INNER_PRODUCT)
            similarities.append(found[0])
            slots.append(found[1] + first)
        similarity, slot = np.concatenate(similarities, axis=1), np.concatenate(slots, axis=1)
        if len(self._blocks) > 1:
            best = np.argpartition(-similarity, width - 1, axis=1)[:, :width]
            similarity, slot = np.take_along_axis(similarity, best, axis=1), np.take_along_axis(slot, best, axis=1)
        return slot, similarity.min(axis=1)

    def _all_within(self, queries: Float32, reach: Float64) -> list[Int64]:
        """For each of N queries the positions of every row whose float32 similarity is at least ``reach`` (N,)."""
        found: list[list[Int64]] = [[] for _ in queries]
        for first, block in zip(self._starts(), self.blocks(), strict=True):
            query, slot = np.nonzero(queries @ block.T >= reach[:, None].astype(np.float32))
            for own, near in zip(
                found, np.split(slot, np.searchsorted(query, np.arange(1, len(queries)))), strict=True
            ):
                own.append(near + first)
        return [np.concatenate(own) for own in found]

    def _exact(self, query: Float32, slots: Int64) -> Float64:
        """``(M,)`` exact similarities of one query with the rows at M positions, a bounded number of them at a time."""
        step = max(1, GATHER_NUMBERS // self.dim)
        parts = (slots[first : first + step] for first in range(0, len(slots), step))
        return np.concatenate([exact_similarity(query[None], self.vectors(part)[None])[0] for part in parts])

    def _order(self, similarity: Float64, slots: Int64, class_rank: Int64) -> Int64:
        rows = self._rows[slots]
        return nearest_first(similarity, rows["key"], class_rank[rows["class_id"]], rows["instance_id"])

    def _neighbors(self, similarity: Float64, slots: Int64, found: int) -> Neighbors:
        rows = self._rows[slots] if found else np.zeros(slots.shape, dtype=ROW)
        missing = np.arange(slots.shape[1]) >= found
        return Neighbors(
            # Rounding to float16 can leave a vector a little longer than 1.
            similarity=np.minimum(similarity, 1).astype(np.float32),
            instance_id=np.where(missing, -1, rows["instance_id"]),
            class_id=np.where(missing, 0, rows["class_id"]),
            image_id=np.where(missing, -1, rows["image_id"]),
            purity=np.where(missing, np.float32(0), rows["purity"]),
        )

    def _unshare(self, slots: Int64) -> None:
        """Leaves to the snapshots in use what this index is about to write over: rows, and vectors at positions."""
        if self._snapshots:
            self._rows = self._rows.copy()
            for block in np.unique(slots // BLOCK_ROWS).tolist():
                self._blocks[block] = self._blocks[block].copy()

    def _vector(self, slot: int) -> Float32:
        row: Float32 = self._blocks[slot // BLOCK_ROWS][slot % BLOCK_ROWS]
        return row

    def _starts(self) -> range:
        return range(0, len(self._blocks) * BLOCK_ROWS, BLOCK_ROWS)
