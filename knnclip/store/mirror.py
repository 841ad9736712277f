"""The index kept equal to the database: loaded from its cache, caught up by what it lacks, rebuilt when it must be."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from knnclip.errors import StoreError
from knnclip.store.cache import FILE_NAME, CacheError, Stamp, read_cache, write_cache
from knnclip.store.content import Float16
from knnclip.store.database import Database
from knnclip.store.drafts import erase
from knnclip.store.events import current_generation, event_token
from knnclip.store.index import ROW, Index, Rows
from knnclip.store.moments import fold_of

FETCH_INSTANCES = 1024
"""Read from the database at a time: a few MB of vectors, and enough that the calls cost nothing beside them."""

WORTH_WRITING = 2048
"""Reading this many instances takes a few milliseconds: a cache that lacks no more is left as it is."""


class Mirror:
    """An ``Index`` and the generation of the store that it is equal to."""

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        """Loads the cache in a store's folder, or begins empty where it is absent, damaged or of another history."""
        self._path = folder / FILE_NAME
        (self._dim,) = connection.execute("SELECT dim FROM meta").fetchone()
        self._uncached = 0
        try:
            self.index, stamp = read_cache(self._path, self._dim)
        except CacheError:
            self._clear()
            return
        self.generation, self._last_id = stamp.generation, stamp.last_instance_id
        token = event_token(connection, self.generation)
        if token is None or token.hex() != stamp.token:
            self._clear()

    def catch_up(self, connection: sqlite3.Connection) -> None:
        """Makes the index equal to the state of the store that the caller's transaction sees."""
        current = current_generation(connection)
        if current == self.generation:
            return
        (complete_since,) = connection.execute("SELECT complete_since FROM meta").fetchone()
        if self.generation < complete_since:
            self._clear()
        since = (self.generation,)
        removed = connection.execute("SELECT instance_id FROM removed WHERE generation > ?", since).fetchall()
        if removed and self.index.size:
            self._uncached += len(self.index.remove(np.array(removed, dtype=np.int64).ravel()))
        for class_id, into_class_id in connection.execute(
            "SELECT class_id, into_class_id FROM merged WHERE generation > ? ORDER BY generation", since
        ):
            self.index.relabel(class_id, into_class_id)
        for rows, vectors in read_index_rows(connection, self._last_id, self._dim):
            self.index.append(rows, vectors)
            self._last_id = int(rows["instance_id"][-1])
            self._uncached += len(rows)
        self.generation = current

    @property
    def worth_writing(self) -> bool:
        """Whether the next opening would be noticeably quicker with a new cache."""
        lacking = self._uncached if self._path.exists() else self.index.size
        return lacking > max(WORTH_WRITING, self.index.size // 16)

    def write_cache(self, database: Database) -> None:
        """Writes the cache, unless the store has changed meanwhile; ``OSError`` if the disk refuses it.

        It is moved into place under the write lock, so that no vector that is being forgotten comes back with it.
        """
        with database.read() as connection:
            token = event_token(connection, self.generation) or b""
        draft = self._path.with_name(f"{FILE_NAME}.{os.getpid()}-{os.urandom(4).hex()}")
        try:
            write_cache(draft, self.index, Stamp(self.generation, token.hex(), self._last_id))
            with database.write() as connection:
                if current_generation(connection) == self.generation:
                    erase(self._path)  # what it replaces holds vectors that may be forgotten one day
                    draft.replace(self._path)
                    self._uncached = 0
        finally:
            erase(draft)

    def _clear(self) -> None:
        self.index, self.generation, self._last_id = Index(self._dim), 0, 0
        self._uncached = 0


def erase_cache(folder: Path) -> None:
    """Erases a store's cache, and drafts of it that a killed process left; ``StoreError`` if one cannot be."""
    try:
        for file in folder.glob(f"{FILE_NAME}*"):
            erase(file)
    except OSError as error:
        raise StoreError(f"{error.filename or folder} cannot be overwritten ({error}); nothing was changed") from error


def read_index_rows(connection: sqlite3.Connection, after_id: int, dim: int) -> Iterator[tuple[Rows, Float16]]:
    """What the index holds of the instances with higher ids, by rising id: pieces of ``(n,) ROW``, ``(n, D)``."""
    found = connection.execute(
        "SELECT instance_id, key, class_id, image_id, purity, ref, vector FROM instances "
        "JOIN embeddings USING (instance_id) JOIN images USING (image_id) WHERE instance_id > ? ORDER BY instance_id",
        (after_id,),
    )
    while piece := found.fetchmany(FETCH_INSTANCES):
        ids, keys, class_ids, image_ids, purities, refs, vectors = zip(*piece, strict=True)
        rows = np.zeros(len(piece), dtype=ROW)
        rows["instance_id"], rows["class_id"], rows["image_id"], rows["purity"] = ids, class_ids, image_ids, purities
        rows["fold"] = [fold_of(ref) for ref in refs]
        rows["key"] = np.frombuffer(b"".join(keys), dtype="<u8")[::2]
        yield rows, np.frombuffer(b"".join(vectors), dtype="<f2").reshape(len(piece), dim)
