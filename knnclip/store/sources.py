"""The acts of adding, each the unit of undo, and the images that each is done with."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from knnclip.errors import StoreError
from knnclip.store.events import now
from knnclip.store.records import SourceInfo, SourceKind


def insert_source(connection: sqlite3.Connection, kind: SourceKind, description: str, key: str | None) -> int:
    """Writes a new act of adding and returns its id."""
    cursor = connection.execute(
        "INSERT INTO sources (kind, description, key, created) VALUES (?, ?, ?, ?)", (kind, description, key, now())
    )
    return int(cursor.lastrowid or 0)


def find_source(connection: sqlite3.Connection, key: str | None) -> int | None:
    """The id of the source of this key; None if there is none, and for None, which is no key."""
    found = connection.execute("SELECT source_id FROM sources WHERE key = ?", (key,)).fetchone()
    return None if found is None else int(found[0])


def restore_source(connection: sqlite3.Connection, info: SourceInfo) -> int:
    """The id of a source that was taken out, written again under its own id where nobody has begun it anew."""
    known = connection.execute("SELECT 1 FROM sources WHERE source_id = ?", (info.source_id,)).fetchone()
    if known is None and (anew := find_source(connection, info.key)) is not None:
        return anew
    if known is None:
        connection.execute(
            "INSERT INTO sources (source_id, kind, description, key, created) VALUES (?, ?, ?, ?, ?)",
            (info.source_id, info.kind, info.description, info.key, info.created),
        )
    return info.source_id


def delete_empty_teaching(connection: sqlite3.Connection, source_id: int) -> None:
    """Deletes a source of kind "teach" that has no instances; an ingest stays, since it can be continued."""
    connection.execute(
        "DELETE FROM sources WHERE source_id = ? AND kind = 'teach' "
        "AND NOT EXISTS (SELECT 1 FROM instances WHERE instances.source_id = sources.source_id)",
        (source_id,),
    )


def delete_source(connection: sqlite3.Connection, source_id: int) -> None:
    """Deletes a source that has no instances, with its notes of finished images."""
    connection.execute("DELETE FROM sources WHERE source_id = ?", (source_id,))


def check_source(connection: sqlite3.Connection, source_id: int) -> None:
    """``StoreError`` if the store has no source of this id."""
    if connection.execute("SELECT 1 FROM sources WHERE source_id = ?", (source_id,)).fetchone() is None:
        raise StoreError(f"the store has no source {source_id}; `knnclip store info` lists the sources")


def read_sources(connection: sqlite3.Connection) -> list[SourceInfo]:
    """All sources by rising id."""
    found = connection.execute(
        "SELECT source_id, kind, description, key, created, "
        "(SELECT count(*) FROM instances WHERE instances.source_id = sources.source_id), "
        "(SELECT count(*) FROM finished WHERE finished.source_id = sources.source_id) "
        "FROM sources ORDER BY source_id"
    )
    return [SourceInfo(*row) for row in found]


def mark_finished(connection: sqlite3.Connection, source_id: int, image_refs: Iterable[str]) -> None:
    """Notes that a source is done with images."""
    connection.executemany("INSERT OR IGNORE INTO finished VALUES (?, ?)", [(source_id, ref) for ref in image_refs])


def read_finished(connection: sqlite3.Connection, source_id: int) -> set[str]:
    """The images that a source is done with."""
    return {ref for (ref,) in connection.execute("SELECT image_ref FROM finished WHERE source_id = ?", (source_id,))}
