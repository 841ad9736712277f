"""What a network's labels are called: by its own file, by a text file, or by a published class list.

A part with labels has an option ``labels`` of the type ``LabelList`` and takes its names from ``labels_of``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path

from knnclip.errors import WeightsError, unknown_name
from knnclip.files import read_text
from knnclip.networks.names import split_names
from knnclip.parts.settings import HubModel

LabelList = HubModel
"""A text file where there is one of this name, else the name of a class list."""

FOLDER = files("knnclip") / "datasets" / "classes"

NAMELESS = re.compile(r"LABEL_\d+")
"""What transformers calls a label that nobody named."""

Labels = list[tuple[str, ...]]  # for each label the names that mean the same


def labels_of(source: str, count: int | None, given: str, own: Sequence[str] = ()) -> Labels:
    """The names of the ``count`` labels of a network: those that ``given`` holds, or its ``own`` if that is empty.

    ``given`` is a text file, one label a line, synonyms after commas, or the name of a published class list. Of a list
    that has one class more than the network its background is left out, and COCO's things stand for COCO instances.
    ``source`` is for messages; ``count`` is None where the network does not tell it, then all of a list is taken.
    ``WeightsError`` if there are other than ``count`` names or ``own`` has none that say anything, ``UsageError`` if
    ``given`` is neither file nor list, ``InputError`` if the file cannot be read.
    """
    if not given:
        if any(NAMELESS.fullmatch(name) for name in own):
            raise WeightsError(
                f"{source} does not say what its {count} labels are called ({own[0]!r}, ...), so that no class would "
                "ever meet one; name them with labels=FILE, one a line in the network's order, or with a published "
                "list, as labels=coco-panoptic"
            )
        return [split_names(name) for name in own]
    choices = _file(Path(given)) if Path(given).is_file() else _class_list(given)
    for labels in choices:
        if count in (None, len(labels)):
            return labels
    raise WeightsError(
        f"{source} has {count} classes, {given} names {len(choices[0])}; use the labels that it was made with"
    )


def class_lists() -> list[str]:
    """The names of the published class lists."""
    return sorted(file.name.removesuffix(".txt") for file in FOLDER.iterdir())


def classes_of(items: Iterable[str]) -> Labels:
    """Each item as a class, but for names of published class lists: these are all their classes."""
    return [labels for item in items for labels in (_class_list(item)[0] if item in class_lists() else [(item,)])]


def _file(path: Path) -> list[Labels]:
    return [[names for line in read_text(path).splitlines() if (names := split_names(line))]]


def _class_list(name: str) -> list[Labels]:
    """All classes of a list in its order, the same without the background, and its things."""
    if name not in class_lists():
        raise unknown_name("file or class list", name, class_lists())
    lines = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.split("|")] for line in lines if not line.startswith("#")][1:]
    labels = [(row[1], *split_names(row[2])) for row in rows]
    kinds = [row[3] for row in rows]
    return [
        labels,
        [names for names in labels if names[0] != "background"],
        [names for names, kind in zip(labels, kinds, strict=True) if kind == "thing"],
    ]
