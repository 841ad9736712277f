"""What readers of every format look up in a folder, and what they say of it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from knnclip.datasets.base import Sample
from knnclip.errors import DatasetError
from knnclip.files import path_text
from knnclip.images import IMAGE_SUFFIXES

MAX_SIDE_PX = 1_000_000
"""No picture has a longer side; a size that a JSON or an XML gives is a mistake beyond it."""

SHOWN_ENTRIES = 6
"""So many entries of a folder are named in a message, which is to stay one line that is read."""


def images_in(folder: Path, root: Path) -> tuple[Sample, ...]:
    """The images of a folder by name; ``DatasetError`` if there is none."""
    files = (
        sorted(file for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES) if folder.is_dir() else []
    )
    if not files:
        raise DatasetError(f"{folder} holds no images; a data set keeps them in {root / 'images'}")
    return tuple(Sample(ref_of(file, root), file) for file in files)


def ref_of(image: Path, root: Path) -> str:
    """The path of an image within its set, as the store and reports know it: forward slashes, text in any case."""
    return path_text(image.relative_to(root).as_posix())


def find_inside(name: str, places: Iterable[Path], root: Path | None = None) -> Path | None:
    """The first file of this name in one of the folders; None if there is none.

    The name comes from a file of somebody else: it may be too long, or lead anywhere. With ``root`` the file must lie
    in that folder, links followed; without it the name alone must not lead out of the place.
    """
    if root is None and (".." in Path(name).parts or Path(name).is_absolute()):
        return None
    for place in places:
        with suppress(OSError, ValueError):
            path = place / name
            if path.is_file() and (root is None or path.resolve().is_relative_to(root.resolve())):
                return path
    return None


def contents(folder: Path) -> str:
    """What a folder holds, for a message: its first few entries."""
    if not folder.is_dir():
        return f"{folder.name} is {'a file' if folder.exists() else 'not there'}"
    entries = sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in folder.iterdir())
    more = f" and {len(entries) - SHOWN_ENTRIES} more" if len(entries) > SHOWN_ENTRIES else ""
    return f"it holds {', '.join(entries[:SHOWN_ENTRIES]) or 'nothing'}{more}"
