"""A store as one file: written out, made into a new store, or merged into an existing one."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections import Counter
from pathlib import Path

from knnclip.errors import StoreError
from knnclip.store.classes import adopt, load_vocabulary
from knnclip.store.content import KEY_BYTES, is_stored_unit
from knnclip.store.database import Database
from knnclip.store.facts import read_fingerprint
from knnclip.store.rows import insert_image, insert_instance
from knnclip.store.schema import definitions, expected_definitions
from knnclip.structures import ImageReference

FETCH_INSTANCES = 256
"""Read from the other store at a time: their masks and vectors are in memory together."""


def export_file(database: Database, file: Path) -> None:
    """Writes one consistent state of the store to ``file``: all of it or nothing; ``StoreError`` if the file exists."""
    if file.exists():
        raise StoreError(f"{file} exists already; delete it or export to another name")
    if not file.parent.is_dir():
        raise StoreError(f"{file} cannot be written: folder {file.parent} does not exist")
    with tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as folder:
        draft = Path(folder) / "store.db"
        database.copy_to(draft)
        with draft.open("rb+") as written:
            os.fsync(written.fileno())
        draft.replace(file)


def open_export(file: Path) -> Database:
    """Opens an exported file to read it; ``StoreError`` if it is missing or not a sound export."""
    if not file.is_file():
        raise StoreError(f"{file} does not exist or is not a file; `knnclip store export` makes one")
    database = Database(file, read_only=True)
    try:
        with database.read() as connection:
            if definitions(connection) != expected_definitions():
                raise StoreError(f"{file} was not written by `knnclip store export`: its tables differ")
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise StoreError(f"{file} is damaged ({verdict}); export the store again")
    except BaseException:
        database.close()
        raise
    return database


def merge_instances(connection: sqlite3.Connection, foreign: sqlite3.Connection, source_id: int) -> int:
    """Writes the instances of another store as one source and returns how many were new.

    Classes meet by name or synonym; one that is new comes with its kind, colour and free synonyms. Where the other
    store has some content n times and this one m times, it has it max(n, m) times afterwards, so that importing a file
    again adds nothing.
    """
    dim = read_fingerprint(connection).dim
    plain = dict(foreign.execute("SELECT class_id, color IS NOT NULL FROM classes").fetchall())
    declared = dict(foreign.execute("SELECT class_id, declared FROM classes").fetchall())
    class_ids = adopt(
        connection,
        [
            (info, info.color if plain[info.class_id] else None, bool(declared[info.class_id]))
            for info in load_vocabulary(foreign)
        ],
    )
    repeated = {key for (key,) in foreign.execute("SELECT key FROM instances GROUP BY key HAVING count(*) > 1")}
    seen: Counter[bytes] = Counter()
    images: dict[int, int] = {}
    found = foreign.execute(
        "SELECT instance_id, key, class_id, image_id, x0, y0, x1, y1, area_px, rle, purity, origin, vector "
        "FROM instances JOIN embeddings USING (instance_id) ORDER BY instance_id"
    )
    count = 0
    while piece := found.fetchmany(FETCH_INSTANCES):
        for instance_id, key, class_id, image_id, x0, y0, x1, y1, area_px, rle, purity, origin, vector in piece:
            if len(key) != KEY_BYTES or not is_stored_unit(vector, dim):
                raise StoreError(f"imported instance {instance_id} is damaged; nothing was imported")
            copy = seen[key]
            if key in repeated:
                seen[key] += 1
            (here,) = connection.execute(
                "SELECT count(*) FROM instances WHERE key = ? AND source_id <> ?", (key, source_id)
            ).fetchone()
            if copy < here:
                continue
            if image_id not in images:
                images[image_id] = _adopt_image(connection, foreign, image_id)
            values = (source_id, class_ids[class_id], images[image_id], key, copy)
            insert_instance(connection, (*values, x0, y0, x1, y1, area_px, rle, purity, origin), vector)
            count += 1
    return count


def _adopt_image(connection: sqlite3.Connection, foreign: sqlite3.Connection, image_id: int) -> int:
    row = foreign.execute("SELECT ref, width_px, height_px, thumbnail FROM images WHERE image_id = ?", (image_id,))
    return insert_image(connection, ImageReference(*row.fetchone()), where="import")
