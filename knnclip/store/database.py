"""One connection to a store's SQLite file: opening, transactions, and errors a person can act on."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from knnclip.errors import StoreError
from knnclip.store.schema import APPLICATION_ID, DATABASE_NAME, SCHEMA_VERSION
from knnclip.structures import Fingerprint

BUSY_TIMEOUT_S = 30.0
TOKEN_BYTES = 8


class Database:
    """A connection that threads of one process share; other processes have their own.

    Readers see the last committed state and never wait. Writers take turns, for at most ``busy_timeout_s``.
    """

    def __init__(self, file: Path, *, read_only: bool = False, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        """Opens an existing store's file; ``StoreError`` if it is none, of a newer version, or cannot be opened."""
        self.file = file
        self.read_only = read_only
        self.lock = threading.RLock()
        with self.translated_errors():
            self._connection = _connect(file, read_only, busy_timeout_s)
            try:
                _check_header(self._connection, file)
                self._connection.execute("PRAGMA foreign_keys = ON")
                if not read_only:
                    self._connection.execute("PRAGMA journal_mode = WAL")
                    self._connection.execute("PRAGMA synchronous = FULL")
                    self._connection.execute("PRAGMA secure_delete = ON")
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        """Closes the connection. The last one to close moves the write-ahead log into the file."""
        with self.lock:
            self._connection.close()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """One consistent snapshot; inside another ``read`` or ``write`` it is that one's."""
        with self.lock, self.translated_errors():
            if self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._connection.rollback()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction: on disk when the block ends, undone when it raises. What changes anything logs one event."""
        self.check_writable()
        with self.lock, self.translated_errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                self._connection.rollback()

    def check_writable(self) -> None:
        """``StoreError`` if the store was opened to be read only."""
        if self.read_only:
            raise StoreError(f"store {self.file.parent} was opened read-only; open it without read_only to change it")

    def truncate_log(self) -> None:
        """Moves the write-ahead log into the file and empties it; while others read, the last to close does it."""
        with self.lock, self.translated_errors():
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def vacuum(self) -> None:
        """Rewrites the file without unused space."""
        self.check_writable()
        with self.lock, self.translated_errors():
            self._connection.execute("VACUUM")

    def copy_to(self, file: Path) -> None:
        """Writes a consistent, compact copy of the whole database to a file that does not exist yet."""
        with self.lock, self.translated_errors():
            self._connection.execute("VACUUM INTO ?", (str(file),))

    @contextmanager
    def translated_errors(self) -> Iterator[None]:
        """Turns SQLite's errors into ``StoreError``."""
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(_explained(error, self.file)) from error


def _connect(file: Path, read_only: bool, busy_timeout_s: float) -> sqlite3.Connection:
    uri = file.resolve().as_uri()

    def opened(query: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{uri}?{query}", uri=True, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection

    if not read_only:
        return opened("mode=rw")
    try:
        return opened("mode=ro")
    except sqlite3.OperationalError as error:
        # Readers share memory through a file beside the database, which a read-only file system cannot make. Nobody can
        # write there either, so the file may be read as one that never changes, unless a log holds rows it lacks.
        log = file.with_name(file.name + "-wal")
        if error.sqlite_errorcode != sqlite3.SQLITE_CANTOPEN or (log.exists() and log.stat().st_size > 0):
            raise
        return opened("mode=ro&immutable=1")


def _check_header(connection: sqlite3.Connection, file: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise StoreError(f"{file} is an SQLite database but not a knnclip store; check the path")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{file} has schema version {version}, this knnclip knows up to {SCHEMA_VERSION}; upgrade knnclip"
        )


def _explained(error: sqlite3.Error, file: Path) -> str:
    store = file.parent if file.name == DATABASE_NAME else file  # an exported store is a file
    if isinstance(error, sqlite3.ProgrammingError):
        return f"store {store} was used after it was closed; open it again"
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return (
            f"the disk is full while writing store {store}; nothing of this step was stored, free space and repeat it"
        )
    if code == sqlite3.SQLITE_BUSY:
        return f"store {store} is locked by another process that is writing; wait for it or stop it, then repeat"
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return f"store {store} cannot be written ({error}); make it writable or open it with read_only"
    if code == sqlite3.SQLITE_CANTOPEN:
        return (
            f"the database of store {store} cannot be opened ({error}); check its permissions, and open a store on a "
            f"read-only file system with read_only"
        )
    if code == sqlite3.SQLITE_NOTADB:
        return f"{store} is not a knnclip store: its database file is not an SQLite database; check the path"
    if code == sqlite3.SQLITE_CORRUPT:
        return f"store {store} is damaged ({error}); restore it from an export with `knnclip store import`"
    return f"store {store}: {error}; run `knnclip store verify` on it"


def now() -> str:
    """The time as events record it: ISO 8601, UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def log_event(connection: sqlite3.Connection, event: str, /, **detail: object) -> int:
    """Logs what this write transaction does and returns the new generation of the store."""
    generation = current_generation(connection) + 1
    connection.execute(
        "INSERT INTO events (generation, token, time, kind, detail) VALUES (?, ?, ?, ?, ?)",
        (generation, os.urandom(TOKEN_BYTES), now(), event, json.dumps(detail, ensure_ascii=False)),
    )
    return generation


def current_generation(connection: sqlite3.Connection) -> int:
    """The number of the last event; a higher one means that something changed."""
    return int(connection.execute("SELECT coalesce(max(generation), 0) FROM events").fetchone()[0])


def event_token(connection: sqlite3.Connection, generation: int) -> bytes | None:
    """What tells this store's event of that number from that of any other history; None if there is no such event."""
    row = connection.execute("SELECT token FROM events WHERE generation = ?", (generation,)).fetchone()
    return None if row is None else bytes(row[0])


def read_fingerprint(connection: sqlite3.Connection) -> Fingerprint:
    """The encoder that the store's embeddings came from."""
    return Fingerprint(*connection.execute("SELECT encoder, weights, preprocessing, dim FROM meta").fetchone())
