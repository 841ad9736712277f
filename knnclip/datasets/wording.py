"""The names that a classifier is asked for a data set's classes by, where a protocol gives names of its own.

A folder in ``wordings/`` is a protocol, with a list for each set that it was measured on: one class a line, the class
as the set's own list in ``classes/`` has it, then the names, see ``read_wordings``. Several classes may have the same
name, as they may not in a store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from knnclip.datasets.base import Dataset
from knnclip.errors import InputError, UsageError, lookup
from knnclip.files import read_text
from knnclip.vocabulary import name_key, read_wordings

FOLDER = files("knnclip") / "datasets" / "wordings"

FEW = 5
"""Classes that a message names: enough to see what is wrong, few enough for one line."""


@dataclass(frozen=True)
class Wording:
    """The names for each class of one data set."""

    title: str  # where they are from, for people
    classes: tuple[tuple[str, ...], ...]  # of the data set's classes, in their order: the names of each

    @property
    def digest(self) -> str:
        """Tells these names apart from any others."""
        return hashlib.sha256("\n".join(map("|".join, self.classes)).encode()).hexdigest()[:12]


def wording_of(dataset: Dataset, given: str) -> Wording:
    """The names for a data set's classes by a protocol, as ``fcclip``, or by a file.

    Of a protocol's lists it is the smallest that has all classes of the set. ``UsageError`` if ``given`` is neither a
    protocol nor a file, or if it leaves out a class of the set.
    """
    if Path(given).is_file():
        try:
            listed = read_wordings(read_text(Path(given)))
        except UsageError as error:
            raise InputError(f"{given}: {error}") from None
        return Wording(given, _of_all(dataset, listed, given))
    protocols = {folder.name: folder for folder in FOLDER.iterdir()}
    lists = {
        file.name.removesuffix(".txt"): read_wordings(file.read_text(encoding="utf-8"))
        for file in lookup("file or protocol of names", given, protocols).iterdir()
    }
    names = {name_key(name) for name in dataset.class_names}
    # The list that lacks least, and of those that lack nothing the smallest.
    best = min(lists, key=lambda name: (len(names.difference(map(name_key, lists[name]))), len(lists[name]), name))
    return Wording(f"{given}, {best}", _of_all(dataset, lists[best], f"{given} ({best} is its nearest list)"))


def _of_all(dataset: Dataset, listed: Mapping[str, Sequence[str]], where: str) -> tuple[tuple[str, ...], ...]:
    by_key = {name_key(name): worded for name, worded in listed.items()}
    missing = [name for name in dataset.class_names if name_key(name) not in by_key]
    if missing:
        more = f" and {len(missing) - FEW} more" if len(missing) > FEW else ""
        raise UsageError(
            f"the names of {where} leave out {', '.join(missing[:FEW])}{more} of the classes of {dataset.root}; leave "
            "these out with --ignore, or give a file with a line for each class: class | name, name"
        )
    return tuple(tuple(by_key[name_key(name)]) for name in dataset.class_names)
