"""The folder of a store: made as a whole, or not at all."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from knnclip.errors import StoreError
from knnclip.store.database import Database
from knnclip.store.events import log_event
from knnclip.store.facts import write_settings
from knnclip.store.schema import DATABASE_NAME, PAGE_BYTES, begin_tables
from knnclip.structures import Fingerprint


def existing_database(path: Path) -> Path:
    """The database file of a store; ``StoreError`` if there is none."""
    if not (path / DATABASE_NAME).is_file():
        kind = (
            f"holds no {DATABASE_NAME}" if path.is_dir() else "is not a folder" if path.exists() else "does not exist"
        )
        raise StoreError(
            f"{path} is not a knnclip store, it {kind}; check the path, or choose a new one to make a store"
        )
    return path / DATABASE_NAME


def make_empty(path: Path, fingerprint: Fingerprint, settings: Mapping[str, str]) -> None:
    """Makes the folder of a store without instances; ``StoreError`` if something is there already."""
    with (
        _new_folder(path) as folder,
        closing(sqlite3.connect(folder / DATABASE_NAME, isolation_level=None)) as connection,
    ):
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        begin_tables(connection)
        given = (fingerprint.encoder, fingerprint.weights, fingerprint.preprocessing, fingerprint.dim)
        connection.execute("INSERT INTO meta VALUES (1, ?, ?, ?, ?, 0)", given)
        write_settings(connection, settings)
        log_event(connection, "create", fingerprint=str(fingerprint), settings=dict(settings))
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")


def make_copy(path: Path, original: Database) -> int:
    """Makes the folder of a store with all that another one holds, and returns how many instances that are.

    ``StoreError`` if something is there already.
    """
    with _new_folder(path) as folder:
        original.copy_to(folder / DATABASE_NAME)
        with closing(Database(folder / DATABASE_NAME)) as copy, copy.write() as connection:
            (count,) = connection.execute("SELECT count(*) FROM instances").fetchone()
            log_event(connection, "import", file=str(original.file), instances=count)
    return int(count)


@contextmanager
def _new_folder(path: Path) -> Iterator[Path]:
    """A folder beside ``path`` that takes its place when the block ends, and is deleted when it raises."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise StoreError(f"store {path} cannot be made: {error}; choose another path") from error
    try:
        yield folder
        folder.chmod(0o755)
        # An empty folder gives way to it, anything else does not.
        folder.rename(path)
    except (OSError, sqlite3.Error) as error:
        taken = path.exists() and not (path.is_dir() and not any(path.iterdir()))
        reason = "something is there already; open it, or choose another path" if taken else str(error)
        raise StoreError(f"store {path} cannot be made: {reason}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
