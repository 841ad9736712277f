"""A store written out as one file, or merged into an existing one."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from knnclip.errors import StoreError
from knnclip.store.archive import pack
from knnclip.store.classes import adopt, as_kept
from knnclip.store.database import Database
from knnclip.store.drafts import draft_folder, sync_folder
from knnclip.store.events import log_event
from knnclip.store.rows import insert_image, insert_instance
from knnclip.store.schema import DATABASE_NAME
from knnclip.store.sources import delete_source, insert_source
from knnclip.store.verification import changes
from knnclip.structures import ImageReference

FETCH_INSTANCES = 256
"""Read from the other store at a time: their masks and vectors are in memory together."""


def export_file(database: Database, file: Path) -> None:
    """Writes one consistent state of the store to ``file``, whole or not at all.

    ``StoreError`` if the file exists or cannot be written, or if what is stored is not what was written.
    """
    try:
        if file.exists():
            raise StoreError(f"{file} exists already; delete it or export to another name")
        if not file.parent.is_dir():
            raise StoreError(f"{file} cannot be written: folder {file.parent} does not exist")
        with draft_folder(file.parent) as draft:
            database.copy_to(draft / DATABASE_NAME)
            with closing(Database(draft / DATABASE_NAME, read_only=True)) as copy, copy.read() as connection:
                for change in changes(connection):
                    raise StoreError(f"store {database.file.parent} is damaged, hence not exported: {change}")
            pack(draft / DATABASE_NAME, draft / "archive")
            (draft / "archive").replace(file)
            sync_folder(file.parent)
    except OSError as error:
        reason = error.strerror or error
        raise StoreError(f"{file} cannot be written ({reason}); make room or choose another folder") from error


def merge_store(connection: sqlite3.Connection, foreign: sqlite3.Connection, name: str) -> int:
    """Writes what another, sound store holds as a source of its own, if anything is new; returns how many instances.

    ``name`` is that of the file, which describes the source.
    """
    source_id = insert_source(connection, "import", name, None)
    before = connection.total_changes
    count = _merge_instances(connection, foreign, source_id)
    if connection.total_changes == before:
        delete_source(connection, source_id)
    else:
        log_event(connection, "import", source_id=source_id, file=name, instances=count)
    return count


def _merge_instances(connection: sqlite3.Connection, foreign: sqlite3.Connection, source_id: int) -> int:
    """Writes the instances of another store as one source and returns how many were new.

    Classes meet by name or synonym; one that is new comes with its kind, colour and free synonyms. Where the other
    store has some content n times and this one m times, it has it max(n, m) times afterwards, so that importing a file
    again adds nothing.
    """
    class_ids = adopt(connection, as_kept(foreign))
    repeated = {key for (key,) in foreign.execute("SELECT key FROM instances GROUP BY key HAVING count(*) > 1")}
    seen: Counter[bytes] = Counter()
    images: dict[int, int] = {}
    found = foreign.execute(
        "SELECT key, class_id, image_id, given_name, x0, y0, x1, y1, area_px, rle, purity, origin, vector "
        "FROM instances JOIN embeddings USING (instance_id) ORDER BY instance_id"
    )
    count = 0
    while piece := found.fetchmany(FETCH_INSTANCES):
        for key, class_id, image_id, *rest, vector in piece:
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
            insert_instance(connection, (source_id, class_ids[class_id], images[image_id], key, copy, *rest), vector)
            count += 1
    return count


def _adopt_image(connection: sqlite3.Connection, foreign: sqlite3.Connection, image_id: int) -> int:
    row = foreign.execute("SELECT ref, width_px, height_px, thumbnail FROM images WHERE image_id = ?", (image_id,))
    return insert_image(connection, ImageReference(*row.fetchone()), where="import")
