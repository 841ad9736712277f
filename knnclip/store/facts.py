"""What a store knows of itself: the encoder that it belongs to, its settings, and its numbers."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

from knnclip.store.events import current_generation
from knnclip.store.records import StoreInfo
from knnclip.store.rows import count_instances
from knnclip.store.schema import SCHEMA_VERSION
from knnclip.structures import Fingerprint


def read_fingerprint(connection: sqlite3.Connection) -> Fingerprint:
    """The encoder that the store's embeddings came from."""
    return Fingerprint(*connection.execute("SELECT encoder, weights, preprocessing, dim FROM meta").fetchone())


def read_settings(connection: sqlite3.Connection) -> dict[str, str]:
    """All settings, by rising name."""
    return dict(connection.execute("SELECT name, value FROM settings ORDER BY name").fetchall())


def write_settings(connection: sqlite3.Connection, settings: Mapping[str, str]) -> None:
    """Keeps settings, in place of those of the same names."""
    connection.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", settings.items())


def read_info(connection: sqlite3.Connection, path: Path) -> StoreInfo:
    """The store in numbers."""
    (created,) = connection.execute("SELECT time FROM events WHERE generation = 1").fetchone()
    classes, images, sources = (
        int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
        for table in ("classes", "images", "sources")
    )
    (pages,), (page_bytes,) = (connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
    return StoreInfo(
        path=path,
        fingerprint=read_fingerprint(connection),
        schema_version=SCHEMA_VERSION,
        created=created,
        generation=current_generation(connection),
        classes=classes,
        instances=count_instances(connection),
        images=images,
        sources=sources,
        size_bytes=pages * page_bytes,
        settings=read_settings(connection),
    )


def drop_changes(connection: sqlite3.Connection, *, before: int) -> None:
    """Drops what an index that is older than a generation would need to catch up; such a one is built anew."""
    connection.execute("DELETE FROM removed")
    connection.execute("DELETE FROM merged")
    connection.execute("UPDATE meta SET complete_since = ?", (before - 1,))
