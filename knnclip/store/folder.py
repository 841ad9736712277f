"""The folder of a store: made as a whole, or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from knnclip.errors import StoreError
from knnclip.store.archive import unpack
from knnclip.store.database import Database, force_to_disk
from knnclip.store.drafts import draft_folder, sync_folder
from knnclip.store.events import log_event
from knnclip.store.facts import write_settings
from knnclip.store.rows import count_instances
from knnclip.store.schema import DATABASE_NAME, PAGE_BYTES, begin_tables, check_sqlite
from knnclip.store.verification import check_foreign
from knnclip.structures import Fingerprint


def existing_database(path: Path) -> Path:
    """The database file of a store; ``StoreError`` if there is none."""
    if not (path / DATABASE_NAME).is_file():
        kind = (
            f"holds no {DATABASE_NAME}" if path.is_dir() else "is not a folder" if path.exists() else "does not exist"
        )
        raise StoreError(
            f"{path} is not a knnclip store, it {kind}; name another one with --store, or make one: "
            f"knnclip ingest DATA --store {path}"
        )
    return path / DATABASE_NAME


def make_empty(path: Path, fingerprint: Fingerprint, settings: Mapping[str, str]) -> None:
    """Makes the folder of a store without instances; ``StoreError`` if something is there already."""
    check_sqlite()
    with (
        _new_folder(path) as folder,
        closing(sqlite3.connect(folder / DATABASE_NAME, isolation_level=None)) as connection,
    ):
        force_to_disk(connection)
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        begin_tables(connection)
        given = (fingerprint.encoder, fingerprint.weights, fingerprint.preprocessing, fingerprint.dim)
        connection.execute("INSERT INTO meta VALUES (1, ?, ?, ?, ?, 0)", given)
        write_settings(connection, settings)
        log_event(connection, "create", fingerprint=str(fingerprint), settings=dict(settings))
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")


def make_copy(path: Path, file: Path, name: str) -> int:
    """Makes the folder of a store with all that an export holds, and returns how many instances that are.

    ``name`` is that of the export in the store's log. ``StoreError`` if something is there already, or if the export is
    not sound.
    """
    with _new_folder(path) as folder:
        unpack(file, folder / DATABASE_NAME)
        with closing(Database(folder / DATABASE_NAME)) as copy:
            with copy.read() as connection:
                check_foreign(connection, file)
                count = count_instances(connection)
            with copy.write() as connection:
                log_event(connection, "import", file=name, instances=count)
    return count


@contextmanager
def unpacked(file: Path, parent: Path) -> Iterator[Database]:
    """The sound database of an export, to be read while the block lasts; it lies in a draft folder in ``parent``.

    ``StoreError`` if the file is missing or not a sound export.
    """
    try:
        with draft_folder(parent) as draft:
            unpack(file, draft / DATABASE_NAME)
            with closing(Database(draft / DATABASE_NAME, read_only=True)) as database:
                with database.read() as connection:
                    check_foreign(connection, file)
                yield database
    except OSError as error:
        raise StoreError(f"{file} cannot be unpacked beside the store: {error}; make room there") from error


@contextmanager
def _new_folder(path: Path) -> Iterator[Path]:
    """A folder beside ``path`` that takes its place when the block ends, and is erased when it raises."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft_folder(path.parent) as draft:
            folder = draft / "store"
            folder.mkdir()
            yield folder
            sync_folder(folder)
            # An empty folder gives way, anything else does not: Windows renames onto nothing, others onto an empty one.
            with suppress(OSError):
                path.rmdir()
            folder.rename(path)
            sync_folder(path.parent)
    except (OSError, sqlite3.Error) as error:
        taken = path.exists() and not (path.is_dir() and not any(path.iterdir()))
        reason = "something is there already; open it, or choose another path" if taken else str(error)
        raise StoreError(f"store {path} cannot be made: {reason}") from error
