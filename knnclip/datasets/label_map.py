"""``labelmap.txt``: classes in Pascal VOC's layout that are not Pascal VOC's own, as CVAT and datumaro list them.

A line is ``name:R,G,B:parts:actions``, the last two mostly empty, and its place is the class's value in the label
images; 255 is void and has no line. ``#`` begins a comment line. ``background`` is stuff, all others are things.
"""

from __future__ import annotations

from pathlib import Path

from knnclip.datasets.base import ClassLabel
from knnclip.datasets.quoting import unquoted
from knnclip.errors import DatasetError
from knnclip.files import read_text

BACKGROUND = "background"
"""The class of value 0: what no object covers."""

BORDER = 255
"""The value of pixels of which nothing is said."""


def read_label_map(file: Path) -> dict[int, ClassLabel]:
    """The classes by their values; ``InputError`` names file and line of what cannot be understood."""
    classes: dict[int, ClassLabel] = {}
    names: set[str] = set()
    for number, text in enumerate(read_text(file).splitlines(), start=1):
        if not text.strip() or text.startswith("#"):
            continue
        name, *others = text.strip().rsplit(":", 3)
        channels = others[0].split(",") if len(others) == 3 else []
        if len(channels) != 3 or not all(part.strip().isdecimal() and int(part[:9]) < 256 for part in channels):
            raise DatasetError(f"{file} line {number}: expected `name:R,G,B:parts:actions`, found {text[:80]!r}")
        red, green, blue = map(int, channels)
        name = unquoted(name)
        if name in names:
            raise DatasetError(f"{file} line {number}: class {name!r} is listed twice; leave one out")
        names.add(name)
        value = len(classes) + (len(classes) >= BORDER)
        classes[value] = ClassLabel(name, name != BACKGROUND, (red, green, blue))
    return classes
