"""The classes of published sets, from the text files in ``classes/``.

``#`` begins a comment line. The first other line names the columns; then a line is one class:

    24 11 | person | human | thing | 220 20 60

First come its values in the set's label files, one for each encoding that the head line names (``-`` where it has
none), then name, synonyms (separated by commas), thing or stuff, and colour.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from knnclip.datasets.base import ClassLabel
from knnclip.errors import lookup
from knnclip.files import read_text

FOLDER = files("knnclip") / "datasets" / "classes"


@cache
def read_class_list(name: str, encoding: str) -> Mapping[int, ClassLabel]:
    """The classes of the list ``name`` by their value in an encoding, in the order of the file."""
    lines = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    head, *rows = ([cell.strip() for cell in line.split("|")] for line in lines if not line.startswith("#"))
    column = head[0].split().index(encoding)
    classes: dict[int, ClassLabel] = {}
    for values, label, synonyms, kind, color in rows:
        if (value := values.split()[column]) != "-":
            red, green, blue = map(int, color.split())
            others = tuple(part.strip() for part in synonyms.split(",") if part.strip())
            classes[int(value)] = ClassLabel(label, kind == "thing", (red, green, blue), others)
    return classes


def names_in(given: str) -> set[str]:
    """All names and synonyms of a list by its name, or the lines of a text file.

    ``UsageError`` lists the lists if it is neither, ``InputError`` if the file cannot be read.
    """
    if Path(given).is_file():
        return {line.strip() for line in read_text(Path(given)).splitlines() if line.strip()}
    lists = {file.name.removesuffix(".txt"): file for file in FOLDER.iterdir()}
    file = lookup("file or class list", given, lists)
    rows = [line.split("|") for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return {name.strip() for row in rows[1:] for cell in row[1:3] for name in cell.split(",") if name.strip()}


def known_classes(categories: Mapping[int, str]) -> dict[int, ClassLabel]:
    """The classes of a JSON's categories, by id, where all of them are those of one published list; empty otherwise."""
    for name, encoding in (("coco-panoptic", "id"), ("ade20k-150", "prepared")):
        listed = read_class_list(name, encoding)
        if all(key in listed and _names(text) & _names_of(listed[key]) for key, text in categories.items()):
            return {key: listed[key] for key in categories}
    return {}


def _names(text: str) -> set[str]:
    return {part.strip() for part in text.split(",")}


def _names_of(label: ClassLabel) -> set[str]:
    return {label.name, *label.synonyms}
