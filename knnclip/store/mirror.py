"""The index kept equal to the database: loaded from its cache, caught up by what it lacks, built again when it must be."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knnclip.store.cache import FILE_NAME, CacheError, Stamp, read_cache, write_cache
from knnclip.store.database import Database, current_generation, event_token
from knnclip.store.index import ROW, Index, Rows
from knnclip.structures import Int64

FETCH_ROWS = 1024
WORTH_WRITING_ROWS = 2048
"""Reading this many rows from the database takes a few milliseconds: a cache that lacks no more is left as it is."""


class Mirror:
    """An ``Index`` and the generation of the store that it is equal to.

    Every method is called inside a read transaction of the caller, so that what it sees is one state of the store.
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self._path = folder / FILE_NAME
        (self._dim,) = connection.execute("SELECT dim FROM meta").fetchone()
        self._uncached_rows = 0
        try:
            self.index, stamp = read_cache(self._path, self._dim)
        except CacheError:
            self._clear()
            return
        self.generation, self._last_id = stamp.generation, stamp.last_instance_id
        token = event_token(connection, self.generation)
        if token is None or token.hex() != stamp.token:
            self._clear()

    def catch_up(self, connection: sqlite3.Connection) -> Int64:
        """Makes the index equal to the store and returns the ids of the classes whose rows changed."""
        current = current_generation(connection)
        if current == self.generation:
            return np.empty(0, dtype=np.int64)
        (complete_since,) = connection.execute("SELECT complete_since FROM meta").fetchone()
        touched = [self.index.rows["class_id"]]
        if self.generation < complete_since:
            self._clear()
        removed = [
            instance_id
            for (instance_id,) in connection.execute(
                "SELECT instance_id FROM removed WHERE generation > ?", (self.generation,)
            )
        ]
        merged = connection.execute(
            "SELECT class_id, into_class_id FROM merged WHERE generation > ? ORDER BY generation", (self.generation,)
        ).fetchall()
        if self.index.size:
            touched = [self._remove(removed)]
            for class_id, into_class_id in merged:
                self.index.relabel(class_id, into_class_id)
        touched.append(np.array(merged, dtype=np.int64).ravel())
        touched += self._append_new(connection)
        self.generation = current
        return np.unique(np.concatenate(touched))

    @property
    def worth_writing(self) -> bool:
        """Whether the next opening would be noticeably quicker with a new cache."""
        return self._uncached_rows > max(WORTH_WRITING_ROWS, self.index.size // 16)

    def write_cache(self, database: Database) -> None:
        """Writes the cache, unless the store has changed meanwhile.

        It is moved into place under the write lock, so that no vector that is being forgotten can come back with it.
        """
        with database.read() as connection:
            token = event_token(connection, self.generation) or b""
        draft = self._path.with_name(f"{FILE_NAME}.{os.getpid()}-{os.urandom(4).hex()}")
        try:
            write_cache(draft, self.index, Stamp(self.generation, token.hex(), self._last_id))
            with database.write() as connection:
                if current_generation(connection) == self.generation:
                    draft.replace(self._path)
                    self._uncached_rows = 0
        finally:
            draft.unlink(missing_ok=True)

    def _clear(self) -> None:
        self.index, self.generation, self._last_id = Index(self._dim), 0, 0
        self._uncached_rows = 0

    def _remove(self, instance_ids: list[int]) -> Int64:
        removed = self.index.remove(np.array(instance_ids, dtype=np.int64))
        self._uncached_rows += len(removed)
        return removed["class_id"]

    def _append_new(self, connection: sqlite3.Connection) -> list[Int64]:
        touched: list[Int64] = []
        for rows, vectors in read_index_rows(connection, self._last_id, self._dim):
            self.index.append(rows, vectors)
            self._last_id = int(rows["instance_id"][-1])
            self._uncached_rows += len(rows)
            touched.append(np.unique(rows["class_id"]))
        return touched
