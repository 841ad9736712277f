"""Files on their way out of the world, or not yet in it: overwritten before they go, found again after a kill.

What is made beside a store (a new store, an export, what an import unpacks) is made in a draft folder, which is locked
for as long as its process lives. A draft that nobody holds was left by a killed one.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

PREFIX = ".knnclip-draft-"
"""Drafts are told by their names; a leading dot keeps them out of listings."""

LOCK_NAME = "lock"

CLAIMS = 3
"""Times that a folder is made: a second one is needed when two processes begin within microseconds."""

ZEROS = bytes(2**20)
"""Written at a time: a larger piece saves no time, a smaller one costs calls."""


def erase(file: Path) -> None:
    """Overwrites a file with zeros, forces them to the disk and deletes it; nothing happens where there is none.

    The former bytes are gone where the file system writes in place: not from the journal of one that keeps data there,
    from one that copies on write, from spare blocks of an SSD, or from backups.
    """
    if not file.is_symlink():  # the file that a link leads to is somebody else's
        with suppress(FileNotFoundError), file.open("r+b") as opened:
            left = os.fstat(opened.fileno()).st_size
            while left > 0:
                left -= opened.write(ZEROS[:left])
            opened.flush()
            os.fsync(opened.fileno())
    file.unlink(missing_ok=True)


@contextmanager
def draft_folder(parent: Path) -> Iterator[Path]:
    """A new folder in ``parent``; what is still in it when the block ends is erased. ``OSError`` if it cannot be made.

    Drafts that killed processes left in ``parent`` are erased first.
    """
    erase_abandoned(parent)
    folder, lock = _claimed(parent)
    try:
        with closing(lock):
            yield folder
    finally:
        _erase_folder(folder)


def erase_abandoned(parent: Path) -> None:
    """Erases what killed processes left in a folder, as far as that can be done."""
    for folder in abandoned(parent):
        _erase_folder(folder)


def abandoned(parent: Path) -> list[Path]:
    """The draft folders that no process holds."""
    with suppress(OSError):
        return [folder for folder in sorted(parent.glob(f"{PREFIX}*")) if _is_abandoned(folder)]
    return []


def sync_folder(folder: Path) -> None:
    """Forces the names in a folder to the disk, where the system lets a folder be forced."""
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _claimed(parent: Path) -> tuple[Path, sqlite3.Connection]:
    """A new folder and the connection that holds its lock."""
    for _ in range(CLAIMS):
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        lock = _lock(folder)
        with suppress(sqlite3.Error):
            lock.execute("BEGIN EXCLUSIVE")
            return folder, lock
        lock.close()  # another process took the folder, which was still empty, for abandoned
        _erase_folder(folder)
    raise OSError(f"files in {parent} cannot be locked")


def _is_abandoned(folder: Path) -> bool:
    if not any(folder.iterdir()):
        return True  # its process was killed between deleting the lock and the folder, or will make another one
    try:
        with closing(_lock(folder)) as lock:
            lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error:
        return False
    return True


def _lock(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(folder / LOCK_NAME, timeout=0, isolation_level=None)


def _erase_folder(folder: Path) -> None:
    with suppress(OSError):
        for file in folder.rglob("*"):
            if file.is_file():
                erase(file)
    shutil.rmtree(folder, ignore_errors=True)
