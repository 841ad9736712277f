"""What lies in a folder of pictures: names and signs of change, without reading any file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from knnclip.errors import StoreError
from knnclip.files import path_text
from knnclip.images import IMAGE_SUFFIXES

SKIPPED = frozenset({"__MACOSX"})
"""Folders of what is no picture: what macOS puts into archives beside each file."""


def list_pictures(folder: Path) -> dict[bytes, str]:
    """Path within the folder -> signature, of all pictures in it and in the folders below.

    A path is what the file system has for it, with forward slashes. Names that begin with a dot are left out, and links
    to folders are not followed. ``StoreError`` if the folder is not there or cannot be read.
    """
    found: dict[bytes, str] = {}
    root = os.fsencode(folder)

    def refuse(error: OSError) -> None:
        if error.filename in (root, os.fsdecode(root)):
            raise gone(folder, error.strerror or str(error)) from error

    for parent, folders, files in os.walk(root, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(b".") and os.fsdecode(name) not in SKIPPED]
        within = os.path.relpath(parent, root)
        for name in files:
            if name.startswith(b".") or Path(os.fsdecode(name)).suffix.lower() not in IMAGE_SUFFIXES:
                continue
            path = name if within == b"." else within + os.fsencode(os.sep) + name
            sign = signature(folder / os.fsdecode(path))
            if sign is not None:
                found[path.replace(os.fsencode(os.sep), b"/")] = sign
    return found


def list_named(folder: Path, paths: Iterable[Path]) -> dict[bytes, str]:
    """The same of the files that a data set names, as far as they lie in the folder."""
    if not folder.is_dir():
        raise gone(folder, "it is no folder")
    found = {}
    for path in paths:
        inside = path.is_relative_to(folder)
        sign = signature(path) if inside else None
        if sign is not None:
            found[os.fsencode(path.relative_to(folder).as_posix())] = sign
    return found


def signature(file: Path) -> str | None:
    """What changes whenever a file is written or its rights change; None where there is no file."""
    try:
        found = file.stat()
    except OSError:
        return None
    return f"{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}"


def natural(path: str) -> tuple[tuple[int, int, str], ...]:
    """A key to sort names by as people do: ``2.jpg`` before ``10.jpg``, whatever the case; of equal ones the text."""
    parts = re.split(r"([0-9]+)", path.casefold())
    key = tuple((0, int(part), "") if at % 2 else (1, 0, part) for at, part in enumerate(parts))
    return (*key, (2, 0, path))


def gone(folder: Path, reason: str) -> StoreError:
    """The error for a folder that is not there."""
    return StoreError(
        f"the folder {path_text(folder)} of the project cannot be read ({reason}); put it back or mount it again, the "
        f"project goes on where it was"
    )
