"""Folders of images and index masks: ``images/``, ``labels/`` with one PNG an image, and ``classes.txt``.

``classes.txt`` lies in the folder or in its parent. A line is ``index name [R G B] [thing|stuff]``; ``#`` begins a
comment, unless it stands in a name in double quotes, which is read as JSON. The name ``void`` marks an index that is
never stored or scored. A class is stuff unless the line says thing. An instance is a connected piece (8-connectivity)
of one class.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from knnclip.datasets.base import ClassLabel, unwanted
from knnclip.datasets.label_images import LabelImages
from knnclip.datasets.quoting import QUOTED, unquoted
from knnclip.datasets.reading import contents, images_in
from knnclip.errors import DatasetError
from knnclip.files import read_text
from knnclip.images import MAX_INDEX

VOID = "void"
"""Name of what is never stored or scored."""

LINE = re.compile(
    rf"^(?P<index>\d+)\s+(?P<name>{QUOTED}|[^#]+?)"
    r"(?:\s+(?P<rgb>\d+\s+\d+\s+\d+))?(?:\s+(?P<kind>thing|stuff))?\s*(?:#.*)?$"
)


@dataclass(frozen=True, kw_only=True)
class IndexMasks(LabelImages):
    """The reader of this format."""

    format: str = "masks"


def is_index_masks(root: Path) -> bool:
    """Whether a folder has label images, ``labels/*.png``."""
    return any((root / "labels").glob("*.png"))


def open_index_masks(root: Path, ignore: Collection[str] = ()) -> IndexMasks:
    """Opens a folder of this format; ``ignore`` adds class names or indices to what is never stored or scored."""
    listed = read_classes(find_classes(root))
    wanted = {
        index: label for index, label in listed.items() if label.name != VOID and not unwanted(index, label, ignore)
    }
    void = frozenset(set(listed) - set(wanted) | {int(text) for text in ignore if text.isdigit()})
    if not wanted:
        raise DatasetError(f"{find_classes(root)} lists no class that is not ignored")
    samples = images_in(root / "images", root)
    if not (root / "labels").is_dir():
        raise DatasetError(f"{root} has no labels/ with a PNG for each image; {contents(root)}")
    return IndexMasks(
        root=root,
        classes=tuple(wanted.values()),
        samples=samples,
        labels={sample.ref: root / "labels" / f"{sample.image_path.stem}.png" for sample in samples},
        values=tuple(wanted),
        void=void,
    )


def find_classes(root: Path) -> Path:
    """The ``classes.txt`` of a folder or of its parent; ``DatasetError`` if neither is there."""
    for folder in (root, root.resolve().parent):
        if (folder / "classes.txt").is_file():
            return folder / "classes.txt"
    raise DatasetError(f"{root} has no classes.txt, nor has its parent; write one line `index name` a class")


def read_classes(path: Path) -> dict[int, ClassLabel]:
    """The classes of a ``classes.txt`` by index; ``DatasetError`` names file and line of what cannot be understood."""
    classes: dict[int, ClassLabel] = {}
    names: set[str] = set()
    for number, text in enumerate(read_text(path).splitlines(), start=1):
        line = text.strip()
        if not line or line.startswith("#"):
            continue
        match = LINE.match(line)
        if match is None:
            raise DatasetError(f"{path} line {number}: expected `index name [R G B] [thing|stuff]`, found {line!r}")
        if len(match["index"]) > len(str(MAX_INDEX)) or int(match["index"]) > MAX_INDEX:
            raise DatasetError(f"{path} line {number}: an index is 0 to {MAX_INDEX}, found {match['index'][:20]}")
        index, name, rgb = int(match["index"]), unquoted(match["name"]), match["rgb"]
        if index in classes or name in names:
            raise DatasetError(f"{path} line {number}: index {index} or name {name!r} is listed twice")
        color = None
        if rgb is not None:
            red, green, blue = (min(int(part[:9]), 255) for part in rgb.split())
            color = (red, green, blue)
        names.add(name)
        classes[index] = ClassLabel(name, match["kind"] == "thing", color)
    return classes
