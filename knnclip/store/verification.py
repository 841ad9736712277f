"""Does a store hold what was promised? Every instance is read, decoded and compared with the index."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from knnclip.errors import MaskError
from knnclip.store.cache import FILE_NAME, CacheError, read_cache
from knnclip.store.content import KEY_BYTES, is_stored_unit, is_tight
from knnclip.store.index import Index
from knnclip.store.mirror import read_index_rows
from knnclip.store.schema import definitions, expected_definitions
from knnclip.structures import Mask


def find_problems(connection: sqlite3.Connection, folder: Path, index: Index) -> Iterator[str]:
    """One line for each thing that is wrong. ``index`` is caught up with the connection's snapshot."""
    yield from _file_problems(connection)
    (dim,) = connection.execute("SELECT dim FROM meta").fetchone()
    sound = True
    for problem in _row_problems(connection, dim):
        sound = False
        yield problem
    if sound:
        yield from _index_problems(connection, index)
    yield from _cache_problems(folder, dim)


def _file_problems(connection: sqlite3.Connection) -> Iterator[str]:
    for (line,) in connection.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield f"the database file is damaged: {line}"
    for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        yield f"row {row} of {table} belongs to a row of {parent} that does not exist"
    found, expected = definitions(connection), expected_definitions()
    for name in sorted(found.keys() | expected.keys()):
        if found.get(name) != expected.get(name):
            yield f"{name!r} in the database is not as knnclip makes it"
    for unused, table in (("images", "image_id"), ("embeddings", "instance_id")):
        (count,) = connection.execute(
            f"SELECT count(*) FROM {unused} WHERE {table} NOT IN (SELECT {table} FROM instances)"
        ).fetchone()
        if count:
            yield f"{count} {unused} belong to no instance"
    (count, last) = connection.execute("SELECT count(*), max(generation) FROM events").fetchone()
    if count != last:
        yield f"the event log has {count} events, the last is number {last}"


def _row_problems(connection: sqlite3.Connection, dim: int) -> Iterator[str]:
    rows = connection.execute(
        "SELECT instance_id, length(key), x0, y0, x1, y1, area_px, rle, width_px, height_px, vector "
        "FROM instances JOIN images USING (image_id) LEFT JOIN embeddings USING (instance_id) ORDER BY instance_id"
    )
    for instance_id, key_bytes, x0, y0, x1, y1, area_px, rle, width_px, height_px, vector in rows:
        if key_bytes != KEY_BYTES:
            yield f"instance {instance_id} has a content key of {key_bytes} bytes"
        if vector is None or not is_stored_unit(vector, dim):
            yield f"instance {instance_id} has no embedding of {dim} numbers and unit length"
        try:
            mask = Mask.decode(rle, (x0, y0, x1, y1), (height_px, width_px))
        except MaskError as error:
            yield f"instance {instance_id} has a broken mask: {error}"
            continue
        if not is_tight(mask) or mask.area != area_px:
            yield f"instance {instance_id} has a mask of {mask.area} px, not {area_px} px that fill its box"


def _index_problems(connection: sqlite3.Connection, index: Index) -> Iterator[str]:
    (count,) = connection.execute("SELECT count(*) FROM instances").fetchone()
    if count != index.size:
        yield f"the index has {index.size} instances, the database {count}; delete {FILE_NAME}"
        return
    slots = np.argsort(index.rows["instance_id"])
    for rows, vectors in read_index_rows(connection, 0, index.dim):
        here, slots = slots[: len(rows)], slots[len(rows) :]
        if not (np.array_equal(index.rows[here], rows) and np.array_equal(index.vectors(here), vectors)):
            first, last = rows["instance_id"][[0, -1]]
            yield f"the index differs from the database between instances {first} and {last}; delete {FILE_NAME}"


def _cache_problems(folder: Path, dim: int) -> Iterator[str]:
    if (folder / FILE_NAME).exists():
        try:
            read_cache(folder / FILE_NAME, dim)
        except CacheError as error:
            yield f"{FILE_NAME} {error}; no answer depends on it, `knnclip store compact` writes it anew"
