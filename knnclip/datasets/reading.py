"""What readers of every format look up in a folder, and what they say of it."""

from __future__ import annotations

from pathlib import Path

from knnclip.datasets.base import Sample
from knnclip.errors import DatasetError
from knnclip.images import IMAGE_SUFFIXES

SHOWN_ENTRIES = 6
"""So many entries of a folder are named in a message, which is to stay one line that is read."""


def images_in(folder: Path, root: Path) -> tuple[Sample, ...]:
    """The images of a folder by name; ``DatasetError`` if there is none."""
    files = (
        sorted(file for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES) if folder.is_dir() else []
    )
    if not files:
        raise DatasetError(f"{folder} holds no images; a data set keeps them in {root / 'images'}")
    return tuple(Sample(file.relative_to(root).as_posix(), file) for file in files)


def contents(folder: Path) -> str:
    """What a folder holds, for a message: its first few entries."""
    if not folder.is_dir():
        return f"{folder.name} is {'a file' if folder.exists() else 'not there'}"
    entries = sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in folder.iterdir())
    more = f" and {len(entries) - SHOWN_ENTRIES} more" if len(entries) > SHOWN_ENTRIES else ""
    return f"it holds {', '.join(entries[:SHOWN_ENTRIES]) or 'nothing'}{more}"
