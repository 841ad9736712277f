"""One immutable state of the store, for one answer: all its parts fit together, whatever is written meanwhile."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar, cast

import numpy as np

from knnclip.errors import StoreError
from knnclip.knowledge import Census, ClassMoments, FoldSample, HeldOut, Levels
from knnclip.store.content import check_units
from knnclip.store.fold_sample import of_a_fold
from knnclip.store.held_out import held_out
from knnclip.store.index import Index
from knnclip.store.left_out import Leaving
from knnclip.store.rows import read_areas, read_evidence, read_image_order
from knnclip.store.statistics import Counts, LevelCache, count, levels_of, of_vocabulary
from knnclip.store.tunings import Tuning
from knnclip.structures import Evidence, Float32, Int64, Neighbors
from knnclip.vocabulary import Vocabulary

Found = TypeVar("Found")


class State:
    """What is known of one generation of the store. Its views share it, and what was worked out of it."""

    def __init__(
        self, generation: int, vocabulary: Vocabulary, index: Index, levels: LevelCache, tuning: Tuning | None
    ) -> None:
        """``index`` is a snapshot, which nobody changes; ``levels`` goes from one generation to the next."""
        self.generation, self.vocabulary, self.index, self.tuning = generation, vocabulary, index, tuning
        self._levels = levels
        self._lock = threading.RLock()
        self._kept: dict[Hashable, object] = {}

    def kept(self, key: Hashable, make: Callable[[], Found]) -> Found:
        """What ``make`` returned when this key was first asked for; one thread makes it, others wait for it."""
        with self._lock:
            if key not in self._kept:
                self._kept[key] = make()
            return cast(Found, self._kept[key])

    @property
    def rank(self) -> Int64:
        """``(largest class id + 1,)``: the place of each class's name among all names."""
        return self.kept("rank", self._make_rank)

    @property
    def census(self) -> Census:
        """How many instances, of how many images, each class has."""
        return self.kept("census", lambda: of_vocabulary(self._counts, self.vocabulary))

    @property
    def levels(self) -> Levels:
        """How similar the instances of each class are to each other across images."""
        return self.kept("levels", lambda: levels_of(self._levels.of(self.index, self._counts), self.vocabulary))

    def moments(self, without: int | None) -> ClassMoments:
        """What the instances add up to, those of a fold left out."""
        rows = self.index.rows
        images = len(np.unique(rows["image_id"][rows["fold"] != (-1 if without is None else without)]))
        return ClassMoments(*self.index.moments.of_classes(self.vocabulary.class_ids, without), images)

    @property
    def _counts(self) -> Counts:
        return self.kept("counts", lambda: count(self.index))

    def _make_rank(self) -> Int64:
        rank = np.zeros(int(self.vocabulary.class_ids.max(initial=0)) + 1, dtype=np.int64)
        rank[self.vocabulary.class_ids] = np.arange(len(self.vocabulary))
        return rank


class View:
    """One state of the store, as long as the block of ``Store.view`` lasts.

    Whatever other threads and processes teach, forget or rename meanwhile, it answers from the state that was there
    when the block began. Several threads may share a view.

    >>> from knnclip import Segmenter
    >>> with Segmenter.open("my-store") as segmenter:
    ...     source = segmenter.teach("street.jpg", (114, 165, 190, 225), "traffic cone")
    ...     embeddings = segmenter.analyse("street.jpg").embeddings
    ...     with segmenter.store.view() as view:
    ...         neighbors = view.search(embeddings, k=3)
    ...         names = {view.vocabulary.by_id(class_id).name for class_id in neighbors.class_id[:, 0].tolist()}
    >>> names
    {'traffic cone'}
    """

    def __init__(self, state: State, connection: sqlite3.Connection) -> None:
        """Use ``Store.view``. ``connection`` sees the generation of ``state`` until ``end``."""
        self._state = state
        self._connection: sqlite3.Connection | None = connection
        self._lock = threading.Lock()

    def end(self) -> None:
        """Gives back the connection; nothing can be asked for by id any more."""
        with self._lock:
            self._connection = None

    @property
    def generation(self) -> int:
        """The generation of the store that this is; see ``Store.generation``."""
        return self._state.generation

    @property
    def tuning(self) -> Tuning | None:
        """What the store was tuned to; None if it was not, or if what that was found from is gone."""
        return self._state.tuning

    @property
    def vocabulary(self) -> Vocabulary:
        """The C classes of the store, in the order of all that is said of them here."""
        return self._state.vocabulary

    @property
    def census(self) -> Census:
        """How many instances, of how many images, each class of the vocabulary has."""
        return self._state.census

    @property
    def levels(self) -> Levels:
        """How similar the instances of each class are to each other across images: see ``knnclip.store.statistics``."""
        return self._state.levels

    def search(self, queries: Float32, k: int) -> Neighbors:
        """The ``k`` nearest instances of each of ``(N, D)`` unit queries, by exact inner product of float16 vectors.

        The answer depends on the instances alone, never on the order in which they came. ``StoreError`` for queries
        that are not finite, not of unit length or of another D, and for a k below 1.
        """
        if k < 1:
            raise StoreError(f"a search needs at least 1 neighbour a query, found k = {k}")
        rounded = check_units(queries, self._state.index.dim, what="query").astype(np.float32)
        return self._state.index.search(rounded, k, self._state.rank)

    def moments(self, without: int | None = None) -> ClassMoments:
        """What the instances of the vocabulary's classes add up to, exactly: see ``knnclip.store.moments``.

        ``without`` leaves out the images of a fold.
        """
        return self._state.moments(without)

    def held_out(self, k: int) -> HeldOut:
        """The ``k`` nearest instances of other images for a sample of Q instances.

        The sample depends on which instances there are and on nothing else: see ``knnclip.store.held_out``.
        """
        return held_out(self._state.index, k)

    def of_a_fold(self) -> FoldSample | None:
        """Some instances of one fold, of classes that other folds have too: see ``knnclip.store.fold_sample``."""
        return of_a_fold(self._state.index)

    def leaving(self) -> Leaving:
        """The state for whoever wants to know what it would say without parts of the images, also after its end."""
        with self._lock:
            order, areas = read_image_order(self._open_connection), read_areas(self._open_connection)
        index = self._state.index
        area_px = np.array([areas[instance_id] for instance_id in index.rows["instance_id"].tolist()], dtype=np.int64)
        return Leaving(self.generation, self.vocabulary, self.census, index, order, area_px)

    def evidence(self, instance_ids: Iterable[int]) -> dict[int, Evidence]:
        """What is known of instances, by id, with similarity 0; ids that the state does not have are left out."""
        with self._lock:
            return read_evidence(self._open_connection, instance_ids)

    def kept(self, key: Hashable, make: Callable[[], Found]) -> Found:
        """What ``make`` finds out of this state, found once for all views of it; ``key`` tells it from all else.

        For what is costly and depends on the state alone, such as how far its votes can be trusted.
        """
        return self._state.kept((View, key), make)

    @property
    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError("a view of the store was asked after its end; ask inside the block of Store.view")
        return self._connection
