"""One connection to a store's SQLite file: opening, transactions, and errors a person can act on."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from knnclip.errors import StoreError
from knnclip.store.digests import register
from knnclip.store.schema import APPLICATION_ID, DATABASE_NAME, SCHEMA_VERSION, check_sqlite

BUSY_TIMEOUT_S = 30.0
"""How long a writer waits for another one: longer than any write but a compaction of millions takes."""

LOG_TIMEOUT_S = 2.0
"""How long emptying the write-ahead log waits for those who read, here or in other processes: longer than an answer
takes. Meanwhile nobody here reaches the store."""


@dataclass(frozen=True)
class Kind:
    """What a database file is: by its header, and in errors."""

    noun: str  # what people call it
    application_id: int  # SQLite keeps it in the file's header
    schema_version: int
    if_older: str  # what to do about a file of an older version
    if_damaged: str
    if_else: str  # what to do about any other error


STORE = Kind(
    noun="store",
    application_id=APPLICATION_ID,
    schema_version=SCHEMA_VERSION,
    if_older="make the store anew from its data",
    if_damaged="restore it from an export with `knnclip store import`",
    if_else="run `knnclip store verify` on it",
)


class Database:
    """A connection that threads of one process share, and one for each snapshot; other processes have their own.

    Readers see the last committed state and never wait. Writers take turns, for at most ``busy_timeout_s``.
    """

    def __init__(
        self, file: Path, *, read_only: bool = False, busy_timeout_s: float = BUSY_TIMEOUT_S, kind: Kind = STORE
    ) -> None:
        """Opens an existing file of a ``kind``; ``StoreError`` if it is none, of another version, or cannot be opened.

        The tables of any kind keep the rules of a store: whatever changes them is one transaction, forced to the disk.
        """
        check_sqlite()
        self.file = file
        self.kind = kind
        self.read_only = read_only
        self.lock = threading.RLock()
        self._busy_timeout_s = busy_timeout_s
        self._closed = False
        # Of others who are at work, or of one who was killed.
        self.log_was_left = self._log_is_full = log_bytes(file) > 0
        # Never held while anything waits: a snapshot ends while another thread waits for that with ``lock``.
        self._snapshots_lock = threading.Lock()
        self._readers: list[int] = []  # the thread of each snapshot that is open
        self._idle: list[sqlite3.Connection] = []
        with self.translated_errors():
            self._connection = _connect(file, read_only, busy_timeout_s)
            try:
                _check_header(self._connection, file, kind)
                self._connection.execute("PRAGMA foreign_keys = ON")
                if not read_only:
                    force_to_disk(self._connection)
                    self._connection.execute("PRAGMA journal_mode = WAL")
                    self._connection.execute("PRAGMA secure_delete = ON")
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        """Closes the connections. The last one to close moves the write-ahead log into the file."""
        with self.lock:
            with suppress(StoreError):  # closed already
                self.empty_log_if_full()
            with self._snapshots_lock:
                self._closed = True
                for connection in (*self._idle, self._connection):
                    connection.close()
                self._idle.clear()

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one state for as long as the block lasts, whatever is written meanwhile by anybody."""
        reader = threading.get_ident()
        with self.translated_errors():
            with self._snapshots_lock:
                if self._closed:
                    raise StoreError(_used_after_closing(self.file, self.kind))
                connection = self._idle.pop() if self._idle else None
                self._readers.append(reader)
            try:
                if connection is None:
                    connection = _connect(self.file, self.read_only, self._busy_timeout_s)
                connection.execute("BEGIN")
                connection.execute("SELECT 1 FROM meta").fetchone()  # the first read fixes the state
                yield connection
            finally:
                self._end_snapshot(reader, connection)

    def _end_snapshot(self, reader: int, connection: sqlite3.Connection | None) -> None:
        with self._snapshots_lock:
            self._readers.remove(reader)
            if connection is not None:
                connection.rollback()
                if self._closed:
                    connection.close()
                else:
                    self._idle.append(connection)
            is_last = not self._readers
        if is_last:
            with self.lock:
                if not self._closed:
                    self.empty_log_if_full()

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
            self.empty_log_if_full()

    def check_writable(self) -> None:
        """``StoreError`` if the store was opened to be read only."""
        if self.read_only:
            place = _place(self.file, self.kind)
            raise StoreError(f"{place} was opened read-only; open it without read_only to change it")

    def truncate_log(self) -> None:
        """Moves the write-ahead log into the file and empties it.

        It waits for those who read. What they keep it from for too long is tried again after each write, at the end of
        the last snapshot of this process, when the store is verified and when it is closed; a later process tries too.
        """
        with self.lock:  # held before the look at who reads, so that no snapshot begins in between
            with self._snapshots_lock:
                is_reading = threading.get_ident() in self._readers
            self._empty_log(wait_s=0 if is_reading else LOG_TIMEOUT_S)

    def empty_log_if_full(self) -> None:
        """Tries once more what ``truncate_log``, or a process before, could not do. It waits for nobody."""
        if self._log_is_full and not self.read_only:
            self._empty_log(wait_s=0)

    def _empty_log(self, wait_s: float) -> None:
        with self.lock, self.translated_errors():
            self._connection.execute(f"PRAGMA busy_timeout = {round(1000 * wait_s)}")
            try:
                ((busy, _, _),) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                self._connection.execute(f"PRAGMA busy_timeout = {round(1000 * self._busy_timeout_s)}")
            self._log_is_full = bool(busy)

    def vacuum(self) -> None:
        """Rewrites the file without unused space."""
        self.check_writable()
        with self.lock, self.translated_errors():
            self._connection.execute("VACUUM")

    def copy_to(self, file: Path) -> None:
        """Writes a consistent, compact copy of the whole database to a file that does not exist yet.

        Page by page, hence with every row and digest as it is: VACUUM INTO of a read-only database cannot take
        generated columns along.
        """
        with self.lock, self.translated_errors(), closing(sqlite3.connect(file, isolation_level=None)) as copy:
            register(copy)
            self._connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            copy.execute("VACUUM")

    @contextmanager
    def translated_errors(self) -> Iterator[None]:
        """Turns SQLite's errors into ``StoreError``, and those of texts that a disk made no text."""
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(_explained(error, self.file, self.kind)) from error
        except UnicodeDecodeError as error:
            place = _place(self.file, self.kind)
            raise StoreError(f"{place} is damaged ({error}); {self.kind.if_damaged}") from error


def force_to_disk(connection: sqlite3.Connection) -> None:
    """Makes every commit wait for the disk itself: macOS has calls of its own for that, other systems ignore them."""
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")
    connection.execute("PRAGMA checkpoint_fullfsync = ON")


def log_bytes(file: Path) -> int:
    """The size of a database's write-ahead log, 0 where it has none."""
    try:
        return file.with_name(f"{file.name}-wal").stat().st_size
    except OSError:
        return 0


def _connect(file: Path, read_only: bool, busy_timeout_s: float) -> sqlite3.Connection:
    uri = file.resolve().as_uri()

    def opened(query: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{uri}?{query}", uri=True, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False
        )
        try:
            register(connection)
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
        # write there either, so the file may be read as one that never changes, unless a log holds what it lacks.
        if error.sqlite_errorcode != sqlite3.SQLITE_CANTOPEN or log_bytes(file) > 0:
            raise
        return opened("mode=ro&immutable=1")


def _check_header(connection: sqlite3.Connection, file: Path, kind: Kind) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != kind.application_id:
        raise StoreError(f"{file} is an SQLite database but not a knnclip {kind.noun}; check the path")
    if version != kind.schema_version:
        remedy = "upgrade knnclip" if version > kind.schema_version else kind.if_older
        raise StoreError(f"{file} has schema version {version}, this knnclip reads {kind.schema_version}; {remedy}")


def _explained(error: sqlite3.Error, file: Path, kind: Kind) -> str:
    # On one line: SQLite quotes what a damaged or hostile file has for the name of a table.
    return " ".join(_reason(error, file, kind).split("\n"))


def _reason(error: sqlite3.Error, file: Path, kind: Kind) -> str:
    place = _place(file, kind)
    if isinstance(error, sqlite3.ProgrammingError):
        return _used_after_closing(file, kind)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return f"the disk is full while writing {place}; nothing of this step was stored, free space and repeat it"
    if (code == sqlite3.SQLITE_BUSY and locks_are_refused(file.parent)) or _is_lock_error(error):
        return f"{place} lies on a file system that refuses locks ({error}); move it to one that grants them"
    if code == sqlite3.SQLITE_BUSY:
        return f"{place} is locked by another process that is writing; wait for it or stop it, then repeat"
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return f"{place} cannot be written ({error}); make it writable or open it with read_only"
    if code == sqlite3.SQLITE_CANTOPEN:
        return (
            f"the database of {place} cannot be opened ({error}); check its permissions, and open a {kind.noun} on a "
            f"read-only file system with read_only"
        )
    if code == sqlite3.SQLITE_NOTADB:
        where = _path_of(file)
        return f"{where} is not a knnclip {kind.noun}: its database file is not an SQLite database; check the path"
    if code == sqlite3.SQLITE_CORRUPT:
        return f"{place} is damaged ({error}); {kind.if_damaged}"
    return f"{place}: {error}; {kind.if_else}"


def _is_lock_error(error: sqlite3.Error) -> bool:
    refused = {sqlite3.SQLITE_IOERR_LOCK, sqlite3.SQLITE_IOERR_RDLOCK, sqlite3.SQLITE_IOERR_SHMLOCK}
    return getattr(error, "sqlite_errorcode", 0) in refused


def locks_are_refused(folder: Path) -> bool:
    """Whether a file that nobody else has cannot be locked in a folder; False where that cannot be tried."""
    try:
        import fcntl
    except ImportError:  # Windows, whose file systems all have locks
        return False
    try:
        with tempfile.TemporaryFile(dir=folder) as own:
            try:
                fcntl.lockf(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return True
    except OSError:  # nothing can be written here
        return False
    return False


def _used_after_closing(file: Path, kind: Kind) -> str:
    return f"{_place(file, kind)} was used after it was closed; open it again"


def _place(file: Path, kind: Kind) -> str:
    return f"{kind.noun} {_path_of(file)}"


def _path_of(file: Path) -> Path:
    return file.parent if file.name == DATABASE_NAME else file  # an exported store is a file
