"""The tables of a project and how its database file is recognised."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from knnclip.errors import StoreError
from knnclip.store.database import Database, Kind, force_to_disk
from knnclip.store.events import now

FILE_NAME = "project.sqlite"

PROJECT = Kind(
    noun="project",
    application_id=0x6B4E4E50,  # "kNNP"
    schema_version=1,
    if_older="open the folder with a store of another name",
    if_damaged="restore its file from a backup, or delete it: pictures and store stay, what was drawn by hand is lost",
    if_else="restore its file from a backup",
)

# What is known of a picture belongs to its content, not to its name: a file that is renamed keeps it, one that is
# replaced begins anew, and one that is put back has all of it again. ``signature`` is what tells without reading that a
# file is still the same; a ``content_id`` is there once it was read.
#
# ``changes`` counts the acts; ``pictures.changed`` is its value when the picture last changed.
#
# ``gained`` is what relabelling at the change ``gained_at`` brought, class by class; ``against`` is what the store says
# against an answer that stands because it was checked or labelled. Large columns go last: those before are then read
# without them.
#
# ``accepting`` are acceptances under way: of one that is still there after a kill, the store tells whether it was done.
SCHEMA = f"""
CREATE TABLE project (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    folder BLOB NOT NULL,
    is_own INTEGER NOT NULL CHECK (is_own IN (0, 1)),
    name TEXT NOT NULL,
    labels TEXT,
    used TEXT NOT NULL,
    changes INTEGER NOT NULL
) STRICT;

CREATE TABLE contents (
    content_id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    height_px INTEGER NOT NULL CHECK (height_px > 0),
    width_px INTEGER NOT NULL CHECK (width_px > 0),
    novelty REAL,
    descriptor BLOB,
    thumbnail BLOB NOT NULL
) STRICT;

CREATE TABLE pictures (
    picture_id INTEGER PRIMARY KEY AUTOINCREMENT,
    path BLOB NOT NULL UNIQUE,
    signature TEXT NOT NULL,
    content_id INTEGER REFERENCES contents,
    rejected TEXT,
    note TEXT,
    is_gone INTEGER NOT NULL CHECK (is_gone IN (0, 1)),
    changed INTEGER NOT NULL
) STRICT;

CREATE INDEX pictures_by_content ON pictures (content_id);
CREATE INDEX pictures_by_change ON pictures (changed);

CREATE TABLE answers (
    content_id INTEGER PRIMARY KEY REFERENCES contents,
    made_by TEXT NOT NULL CHECK (made_by IN ('store', 'labels')),
    generation INTEGER NOT NULL,
    unknown REAL NOT NULL,
    confidence REAL NOT NULL,
    least_confidence REAL NOT NULL,
    areas TEXT NOT NULL,
    differs REAL NOT NULL,
    against TEXT NOT NULL,
    gained TEXT NOT NULL,
    gained_at INTEGER NOT NULL,
    names TEXT NOT NULL,
    segments TEXT NOT NULL,
    semantic BLOB NOT NULL,
    panoptic BLOB NOT NULL
) STRICT;

CREATE TABLE corrections (
    correction_id INTEGER PRIMARY KEY AUTOINCREMENT,
    content_id INTEGER NOT NULL REFERENCES contents,
    class_name TEXT,
    x0 INTEGER NOT NULL,
    y0 INTEGER NOT NULL,
    x1 INTEGER NOT NULL,
    y1 INTEGER NOT NULL,
    rle BLOB NOT NULL
) STRICT;

CREATE INDEX corrections_by_content ON corrections (content_id);

CREATE TABLE accepting (
    content_id INTEGER PRIMARY KEY REFERENCES contents,
    key TEXT NOT NULL
) STRICT;

CREATE TABLE accepted (
    content_id INTEGER PRIMARY KEY REFERENCES contents,
    source_id INTEGER NOT NULL
) STRICT;

CREATE TABLE people (
    person TEXT PRIMARY KEY,
    picture_id INTEGER NOT NULL REFERENCES pictures,
    seen_s REAL NOT NULL,
    is_here INTEGER NOT NULL CHECK (is_here IN (0, 1))
) STRICT;

CREATE TABLE keys (
    digit INTEGER PRIMARY KEY CHECK (digit BETWEEN 0 AND 9),
    class_name TEXT NOT NULL
) STRICT;

PRAGMA application_id = {PROJECT.application_id};
PRAGMA user_version = {PROJECT.schema_version};
"""


def open_database(file: Path, *, read_only: bool) -> Database:
    """The database of an existing project; ``StoreError`` as a store's."""
    return Database(file, read_only=read_only, kind=PROJECT)


def make_database(file: Path, folder: Path, name: str, *, is_own: bool) -> None:
    """Makes a project's file in a folder that is there, as a whole or not at all; nothing happens where there is one.

    ``OSError`` and ``StoreError`` if it cannot be made.
    """
    try:
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            force_to_disk(connection)
            # A process that was killed here leaves an empty database, and the next one finds it as if it were new.
            connection.execute("BEGIN IMMEDIATE")
            if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,):
                for statement in SCHEMA.split(";\n"):
                    connection.execute(statement)
                given = (os.fsencode(folder), int(is_own), name, now())
                connection.execute("INSERT INTO project VALUES (1, ?, ?, ?, NULL, ?, 0)", given)
            connection.execute("COMMIT")
            connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.Error as error:
        raise StoreError(f"project {file} cannot be made ({error}); make room there or make it writable") from error
