"""Does a store hold what was promised? Every row is read and compared with its digest and with what it must be."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from knnclip.errors import KnnclipError, StoreError
from knnclip.rle import check_mask, check_size
from knnclip.store.cache import FILE_NAME, CacheError, read_cache
from knnclip.store.content import check_text, check_thumbnail, content_key, is_stored_unit
from knnclip.store.database import Database
from knnclip.store.digests import changed_rows
from knnclip.store.index import Index
from knnclip.store.mirror import read_index_rows
from knnclip.store.moments import Moments
from knnclip.store.schema import MAX_DIM, definitions, expected_definitions
from knnclip.vocabulary import check_name

MAX_FOREIGN_BYTES = 2**26
"""Of one value or row of a file from elsewhere: a thumbnail has some 50 kB, a mask of the largest image fewer than
this, and more would only serve to use up memory."""


def find_problems(connection: sqlite3.Connection) -> Iterator[str]:
    """One line for each thing in the database that is wrong or was changed by others than knnclip."""
    changed = False
    for change in changes(connection):
        changed = True
        yield change
    if changed:
        return  # what is not as it was written says nothing, and may be of any type
    for check in (_reference_problems, _log_problems, _class_problems, _image_problems, _instance_problems):
        yield from _told(check, connection)


def changes(connection: sqlite3.Connection) -> Iterator[str]:
    """One line for each thing that is not as it was written: what can be told without reading what it says."""
    found, expected = definitions(connection), expected_definitions()
    differing = [name for name in sorted(found.keys() | expected.keys()) if found.get(name) != expected.get(name)]
    for name in differing:
        yield f"{name!r} in the database is not as knnclip makes it: its tables differ"
    if not differing:
        yield from _told(_page_problems, connection)
        yield from _told(changed_rows, connection)


def check_after_crash(database: Database) -> None:
    """``StoreError`` if the last writer left a log and something in the database is not as it was written.

    For those who would write on: pages and digests of the whole file are read, which takes some 0.3 s for 10,000
    instances in 28 MB. A writer that is still at work has a log too, and is not told from one that was killed.
    """
    if database.read_only or not database.log_was_left:
        return
    with database.read() as connection:
        for change in changes(connection):
            raise StoreError(
                f"store {database.file.parent} is damaged: {change}; `knnclip store verify` lists everything, restore "
                f"the store from an export"
            )


def check_foreign(connection: sqlite3.Connection, file: Path) -> None:
    """``StoreError`` if an unpacked export is not as sound as a store that knnclip wrote itself."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_FOREIGN_BYTES)
    for problem in find_problems(connection):
        raise StoreError(f"{file} is damaged ({problem}); nothing was imported, export the store again")


def index_problems(connection: sqlite3.Connection, index: Index) -> Iterator[str]:
    """One line for each piece of the index that differs from the database, whose snapshot it is caught up with."""
    (count,) = connection.execute("SELECT count(*) FROM instances").fetchone()
    if count != index.size:
        yield f"the index has {index.size} instances, the database {count}; delete {FILE_NAME}"
        return
    slots = np.argsort(index.rows["instance_id"])
    moments = Moments.empty(index.dim)
    for rows, vectors in read_index_rows(connection, 0, index.dim):
        here, slots = slots[: len(rows)], slots[len(rows) :]
        if not (np.array_equal(index.rows[here], rows) and np.array_equal(index.vectors(here), vectors)):
            first, last = rows["instance_id"][[0, -1]]
            yield f"the index differs from the database between instances {first} and {last}; delete {FILE_NAME}"
        moments = moments.changed(vectors, rows["class_id"], rows["fold"], 1)
    if not moments.same_as(index.moments):
        yield f"the index does not add up to its instances; delete {FILE_NAME}"


def cache_problems(folder: Path, dim: int) -> Iterator[str]:
    """One line if there is an index cache that cannot be used."""
    if (folder / FILE_NAME).exists():
        try:
            read_cache(folder / FILE_NAME, dim)
        except CacheError as error:
            yield f"{FILE_NAME} {error}; no answer depends on it, `knnclip store compact` writes it anew"


def _told(check: Callable[[sqlite3.Connection], Iterator[str]], connection: sqlite3.Connection) -> Iterator[str]:
    """The problems that a check finds, and that it could not go on where a page or a text is broken."""
    try:
        yield from check(connection)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        yield f"the database file is damaged: {error}"


def _page_problems(connection: sqlite3.Connection) -> Iterator[str]:
    for (report,) in connection.execute("PRAGMA integrity_check"):
        for line in report.splitlines():
            if line != "ok" and not line.startswith("***"):  # which only begins the report on a file
                yield f"the database file is damaged: {line}"


def _reference_problems(connection: sqlite3.Connection) -> Iterator[str]:
    for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        yield f"row {row} of {table} belongs to a row of {parent} that does not exist"
    for unused, key in (("images", "image_id"), ("embeddings", "instance_id")):
        (count,) = connection.execute(
            f"SELECT count(*) FROM {unused} WHERE {key} NOT IN (SELECT {key} FROM instances)"
        ).fetchone()
        if count:
            yield f"{count} {unused} belong to no instance"
    for name, gone, key in (("instance", "removed", "instance_id"), ("class", "merged", "class_id")):
        table = {"instance": "instances", "class": "classes"}[name]
        for (there,) in connection.execute(f"SELECT {key} FROM {gone} WHERE {key} IN (SELECT {key} FROM {table})"):
            yield f"{name} {there} is there, though it is noted as {gone}"
        (reused,) = connection.execute(
            f"SELECT max(coalesce((SELECT max({key}) FROM {table}), 0), coalesce((SELECT max({key}) FROM {gone}), 0)) "
            f"> coalesce((SELECT seq FROM sqlite_sequence WHERE name = '{table}'), 0)"
        ).fetchone()
        if reused:
            yield f"the next {name} would have the id of another one"


def _log_problems(connection: sqlite3.Connection) -> Iterator[str]:
    (facts, dim, since), (count, last) = (
        connection.execute("SELECT count(*), max(dim), max(complete_since) FROM meta").fetchone(),
        connection.execute("SELECT count(*), max(generation) FROM events").fetchone(),
    )
    if facts != 1 or not 1 <= dim <= MAX_DIM:
        yield f"the store names {facts} encoders, of {dim} numbers; expected one, of 1 to {MAX_DIM}"
    if not count or count != last or since >= last:
        yield f"the event log has {count} events, the last is number {last}"
    for generation, kind, detail in connection.execute("SELECT generation, kind, detail FROM events"):
        try:
            known = isinstance(json.loads(detail), dict) and (generation > 1 or kind == "create")
        except (ValueError, RecursionError):
            known = False
        if not known:
            yield f"event {generation} is not one that knnclip writes"
    empty = connection.execute(
        "SELECT source_id FROM sources WHERE source_id NOT IN (SELECT source_id FROM instances) AND (SELECT max("
        "generation) FROM events WHERE kind IN ('add', 'import') AND detail ->> '$.source_id' = source_id "
        "AND detail ->> '$.instances' > 0) > coalesce((SELECT max(generation) FROM events WHERE kind = 'forget'), 0)"
    )
    for (source_id,) in empty:
        yield f"source {source_id} has no instances, though some were added and none was forgotten since"
    for source_id, description, key in connection.execute("SELECT source_id, description, key FROM sources"):
        yield from _text_problems(f"source {source_id}", description, key or "")


def _class_problems(connection: sqlite3.Connection) -> Iterator[str]:
    owners: dict[str, int] = {}
    for class_id, name, synonyms in connection.execute("SELECT class_id, name, synonyms FROM classes"):
        try:
            names = [name, *json.loads(synonyms)]
            for given in names:
                check_name(given)
                if owners.setdefault(given, class_id) != class_id:
                    yield f"class {class_id} has the name {given!r}, which class {owners[given]} has too"
        except (KnnclipError, ValueError, TypeError, AttributeError, RecursionError) as error:
            yield f"class {class_id} has names that cannot be: {error}"
    for class_id, name in connection.execute(
        "SELECT class_id, name FROM classes WHERE NOT declared AND class_id NOT IN (SELECT class_id FROM instances)"
    ):
        yield f"class {class_id} ({name!r}) was made for instances and has none"


def _image_problems(connection: sqlite3.Connection) -> Iterator[str]:
    for image_id, ref, width_px, height_px, thumbnail in connection.execute(
        "SELECT image_id, ref, width_px, height_px, thumbnail FROM images"
    ):
        try:
            check_text(ref, f"the reference of image {image_id}")
            check_size(width_px, height_px)
            check_thumbnail(thumbnail)
        except KnnclipError as error:
            yield f"image {image_id} is broken: {error}"


def _instance_problems(connection: sqlite3.Connection) -> Iterator[str]:
    (dim,) = connection.execute("SELECT dim FROM meta").fetchone()
    rows = connection.execute(
        "SELECT instance_id, key, given_name, origin, ref, x0, y0, x1, y1, area_px, rle, width_px, height_px, vector "
        "FROM instances JOIN images USING (image_id) LEFT JOIN embeddings USING (instance_id) ORDER BY instance_id"
    )
    for instance_id, key, name, origin, ref, x0, y0, x1, y1, area_px, rle, width_px, height_px, vector in rows:
        if vector is None or not is_stored_unit(vector, dim):
            yield f"instance {instance_id} has no embedding of {dim} numbers and unit length"
            continue
        try:
            check_name(name)
            area = check_mask(rle, (x0, y0, x1, y1), width_px, height_px)
        except KnnclipError as error:
            yield f"instance {instance_id} has a broken mask or name: {error}"
            continue
        if area != area_px:
            yield f"instance {instance_id} has a mask of {area} px, not {area_px} px"
        if content_key(ref, (x0, y0, x1, y1), width_px, height_px, rle, name, origin, vector) != key:
            yield f"instance {instance_id} has a content key that does not fit its content"


def _text_problems(where: str, *texts: str) -> Iterator[str]:
    for text in texts:
        try:
            check_text(text, "a text")
        except StoreError as error:
            yield f"{where} is broken: {error}"
