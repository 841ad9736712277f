"""The tables of a store and how its database file is recognised."""

from __future__ import annotations

import sqlite3

from knnclip.errors import StoreError
from knnclip.store.digests import digest_column, register

DATABASE_NAME = "store.db"
APPLICATION_ID = 0x6B4E4E43  # "kNNC"; SQLite keeps it in the file's header
SCHEMA_VERSION = 2
OLDEST_SQLITE = (3, 37)

MAX_DIM = 16_384
"""Numbers of an embedding: more than several encoders together have. The index reserves memory by it, unseen."""

PAGE_BYTES = 8192  # float16 vectors of 256 to 768 numbers waste a fifth of the file with pages of 4096

# The generation of the store is the number of its last event: every write transaction logs exactly one. The random
# token tells apart two histories that share generation numbers, as happens when the file is replaced by an older copy.
#
# A class that is not ``declared`` came with its first instance and leaves with its last one.
#
# ``key`` is a hash of a row's content, with ``given_name``, the class name that it came with; ``copy`` numbers rows of
# one content and one source, which only an import makes.
#
# ``removed`` and ``merged`` are what an index needs to catch up. Both are complete for the changes after generation
# ``meta.complete_since``; compacting prunes them.
SCHEMA = f"""
CREATE TABLE meta (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    encoder TEXT NOT NULL,
    weights TEXT NOT NULL,
    preprocessing TEXT NOT NULL,
    dim INTEGER NOT NULL CHECK (dim BETWEEN 1 AND {MAX_DIM}),
    complete_since INTEGER NOT NULL,
    {digest_column("meta")}
) STRICT;

CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    {digest_column("settings")}
) STRICT;

CREATE TABLE events (
    generation INTEGER PRIMARY KEY,
    token BLOB NOT NULL,
    time TEXT NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL,
    {digest_column("events")}
) STRICT;

CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
BEGIN SELECT raise(ABORT, 'the event log only grows'); END;

CREATE TRIGGER events_are_not_deleted BEFORE DELETE ON events
BEGIN SELECT raise(ABORT, 'the event log only grows'); END;

CREATE TRIGGER events_follow_each_other BEFORE INSERT ON events
WHEN NEW.generation <> (SELECT coalesce(max(generation), 0) + 1 FROM events)
BEGIN SELECT raise(ABORT, 'the event log only grows'); END;

CREATE TABLE classes (
    class_id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    is_thing INTEGER NOT NULL CHECK (is_thing IN (0, 1)),
    color INTEGER CHECK (color BETWEEN 0 AND 0xFFFFFF),
    synonyms TEXT NOT NULL,
    declared INTEGER NOT NULL CHECK (declared IN (0, 1)),
    {digest_column("classes")}
) STRICT;

CREATE TABLE sources (
    source_id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('ingest', 'teach', 'import')),
    description TEXT NOT NULL,
    key TEXT UNIQUE,
    created TEXT NOT NULL,
    {digest_column("sources")}
) STRICT;

CREATE TABLE finished (
    source_id INTEGER NOT NULL REFERENCES sources ON DELETE CASCADE,
    image_ref TEXT NOT NULL,
    {digest_column("finished")},
    PRIMARY KEY (source_id, image_ref)
) STRICT, WITHOUT ROWID;

CREATE TABLE images (
    image_id INTEGER PRIMARY KEY AUTOINCREMENT,
    ref TEXT NOT NULL UNIQUE,
    width_px INTEGER NOT NULL CHECK (width_px > 0),
    height_px INTEGER NOT NULL CHECK (height_px > 0),
    thumbnail BLOB NOT NULL,
    {digest_column("images")}
) STRICT;

CREATE TABLE instances (
    instance_id INTEGER PRIMARY KEY AUTOINCREMENT,
    source_id INTEGER NOT NULL REFERENCES sources,
    class_id INTEGER NOT NULL REFERENCES classes,
    image_id INTEGER NOT NULL REFERENCES images,
    key BLOB NOT NULL CHECK (length(key) = 16),
    copy INTEGER NOT NULL,
    given_name TEXT NOT NULL,
    x0 INTEGER NOT NULL,
    y0 INTEGER NOT NULL,
    x1 INTEGER NOT NULL,
    y1 INTEGER NOT NULL,
    area_px INTEGER NOT NULL,
    rle BLOB NOT NULL,
    purity REAL NOT NULL CHECK (purity > 0 AND purity <= 1),
    origin TEXT NOT NULL CHECK (origin IN ('truth', 'proposal')),
    {digest_column("instances")},
    UNIQUE (key, source_id, copy)
) STRICT;

CREATE INDEX instances_by_class ON instances (class_id);
CREATE INDEX instances_by_image ON instances (image_id);
CREATE INDEX instances_by_source ON instances (source_id);

CREATE TABLE embeddings (
    instance_id INTEGER PRIMARY KEY REFERENCES instances ON DELETE CASCADE,
    vector BLOB NOT NULL,
    {digest_column("embeddings")}
) STRICT;

CREATE TABLE removed (
    instance_id INTEGER PRIMARY KEY,
    generation INTEGER NOT NULL,
    {digest_column("removed")}
) STRICT;

CREATE INDEX removed_by_generation ON removed (generation);

CREATE TABLE merged (
    class_id INTEGER PRIMARY KEY,
    into_class_id INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    {digest_column("merged")}
) STRICT;
"""


def check_sqlite() -> None:
    """``StoreError`` if Python's SQLite is too old for the tables: 3.37 was the first that keeps types (STRICT)."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise StoreError(
            f"a store needs SQLite {oldest} or newer, this Python has {sqlite3.sqlite_version}; use a newer Python"
        )


def begin_tables(connection: sqlite3.Connection) -> None:
    """Makes the tables in an empty database and marks it as a store, in a transaction that the caller commits."""
    register(connection)
    connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA}")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def definitions(connection: sqlite3.Connection) -> dict[str, str]:
    """The statement that made each table, index and trigger of a database."""
    found = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'")
    return dict(found.fetchall())


def expected_definitions() -> dict[str, str]:
    """The same for a new store of this version."""
    connection = sqlite3.connect(":memory:")
    try:
        register(connection)
        connection.executescript(SCHEMA)
        return definitions(connection)
    finally:
        connection.close()
