"""What lies about that nobody needs: drafts of killed processes, and forgotten bytes that a reader kept in the log."""

from __future__ import annotations

from pathlib import Path

from knnclip.store.cache import FILE_NAME
from knnclip.store.database import Database, log_bytes
from knnclip.store.drafts import abandoned, erase_abandoned


def clear(database: Database) -> None:
    """Does once more what could not be done before; waits for nobody. A store that is read only stays as it is."""
    if not database.read_only:
        erase_abandoned(database.file.parent.parent)
        database.empty_log_if_full()


def find_leftovers(database: Database, folder: Path) -> list[str]:
    """One line for each thing that still lies about, in a store's folder or beside it."""
    lines = [
        f"{draft} was left by a killed creation, export or import; the next one there erases it"
        for draft in abandoned(folder.parent)
    ]
    lines += [
        f"{file} is a draft of the index cache; if no process is writing it, `knnclip store compact` erases it"
        for file in sorted(folder.glob(f"{FILE_NAME}.*"))
    ]
    log = log_bytes(database.file)
    with database.read() as connection:
        (forgot,) = connection.execute("SELECT EXISTS (SELECT 1 FROM events WHERE kind = 'forget')").fetchone()
    if log and forgot:
        lines.append(
            f"the write-ahead log has {log:,} bytes, forgotten ones may be among them; it is emptied when no other "
            f"process reads and one that writes is closed"
        )
    return lines
