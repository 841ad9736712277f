"""The folders of pictures on the server that may be opened: those under the allowed roots."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from demo.picker import DEPTH
from knnclip.datasets import FORMATS, detect_format, open_dataset
from knnclip.errors import DatasetError, UsageError
from knnclip.files import path_text
from knnclip.images import IMAGE_SUFFIXES

MOST_ENTRIES = 20_000
"""Of a folder that are looked at for a picture: of one that has none among so many, pictures are not what it is for."""

WHOLE = frozenset(card.name for card in FORMATS) - {"labelme"}
"""Formats whose folder is a data set and nothing else; any folder with JSON files somewhere below may be LabelMe's."""


def picture_folders(roots: tuple[Path, ...]) -> Mapping[str, Path]:
    """The labelled data sets under the roots, and other folders with pictures, by the name that people see."""
    found: dict[str, Path] = {}
    for root in roots:
        for path in _with_pictures(root, DEPTH):
            name = path_text(root.name if path == root else f"{root.name}/{path.relative_to(root)}")
            same = sum(other.partition(" (")[0] == name for other in found)  # of roots of one name
            found[f"{name} ({same + 1})" if same else name] = path
    return found


def folder_of(roots: tuple[Path, ...], name: str, labels: str | None) -> Path:
    """The folder by the name that ``picture_folders`` gave it; ``UsageError`` for any other name.

    Of a data set that is opened without its ``labels`` that is where its pictures lie: label images are none.
    """
    path = picture_folders(roots).get(name)
    if path is None:
        raise UsageError(
            f"{name!r} is no folder of pictures under an allowed root; start the demo with --data FOLDER to allow more"
        )
    if labels is None and _labels_of(path) in WHOLE:
        parents = {str(sample.image_path.parent) for sample in open_dataset(path).samples}
        inside = Path(os.path.commonpath(parents)) if parents else path
        return inside if inside.is_relative_to(path) else path
    return path


def _with_pictures(folder: Path, depth: int) -> Iterator[Path]:
    try:
        labels = _labels_of(folder)
        entries = [] if labels in WHOLE else sorted(folder.iterdir())[:MOST_ENTRIES]
    except OSError:
        return  # it may not be entered
    if labels in WHOLE or any(entry.suffix.lower() in IMAGE_SUFFIXES for entry in entries):
        yield folder
    if depth:
        for entry in entries:
            if entry.is_dir() and not entry.is_symlink() and not entry.name.startswith("."):
                yield from _with_pictures(entry, depth - 1)


def _labels_of(folder: Path) -> str | None:
    """The format of a labelled data set, None for other folders."""
    try:
        return detect_format(folder)
    except DatasetError:
        return None
