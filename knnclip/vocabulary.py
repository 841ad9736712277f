"""Class names: what they are called, whether they are things or stuff, and the colour they are drawn in.

A name is shown as it was typed. Names are compared by ``name_key``: those that differ only as writing differs, in case,
width, composition of accents or outer spaces, are one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from knnclip.errors import UsageError, unknown_name

MAX_NAME_LENGTH = 1000
"""Characters: longer than any name or description, short enough for every table and picture to survive it."""

Color = tuple[int, int, int]


@dataclass(frozen=True)
class ClassInfo:
    """One class of a vocabulary."""

    class_id: int  # positive, given by the store, never reused
    name: str  # any text; shown and returned as it is
    is_thing: bool  # thing: countable objects; stuff: amorphous regions
    color: Color  # RGB
    synonyms: tuple[str, ...] = ()
    keeps_color: bool = False  # whether somebody chose the colour; else it may give way to others


@dataclass(frozen=True)
class Vocabulary:
    """The classes in the order of their names, which does not depend on when each was added."""

    classes: tuple[ClassInfo, ...]

    @classmethod
    def of(cls, classes: Iterable[ClassInfo]) -> Vocabulary:
        """A vocabulary of these classes in any order."""
        return cls(tuple(sorted(classes, key=lambda info: info.name)))

    def __len__(self) -> int:
        return len(self.classes)

    def __iter__(self) -> Iterator[ClassInfo]:
        return iter(self.classes)

    def names(self) -> Iterator[str]:
        """All names and synonyms, class by class."""
        return (name for info in self.classes for name in (info.name, *info.synonyms))

    @cached_property
    def class_ids(self) -> NDArray[np.int64]:
        """``(C,)``: the class id of each column of a probability matrix over this vocabulary."""
        return np.array([info.class_id for info in self.classes], dtype=np.int64)

    @cached_property
    def _by_id(self) -> dict[int, ClassInfo]:
        return {info.class_id: info for info in self.classes}

    @cached_property
    def _by_name(self) -> dict[str, ClassInfo]:
        names = {name_key(synonym): info for info in self.classes for synonym in info.synonyms}
        return names | {name_key(info.name): info for info in self.classes}

    def columns(self, class_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The column of each class id, -1 where the vocabulary does not have it; any shape in, the same shape out."""
        if not self.classes:
            return np.full(class_ids.shape, -1, dtype=np.int64)
        order = np.argsort(self.class_ids)
        ranked = self.class_ids[order]
        place = np.minimum(np.searchsorted(ranked, class_ids), len(ranked) - 1)
        return np.where(ranked[place] == class_ids, order[place], -1)

    def by_id(self, class_id: int) -> ClassInfo:
        """The class with this id; ``UsageError`` if there is none."""
        try:
            return self._by_id[class_id]
        except KeyError:
            raise UsageError(f"no class has id {class_id}; `knnclip classes` lists them") from None

    def find(self, name: str) -> ClassInfo | None:
        """The class of this name or synonym, by ``name_key``, or None."""
        return self._by_name.get(name_key(name))

    def by_name(self, name: str) -> ClassInfo:
        """The class of this name or synonym; ``UsageError`` lists the known names if there is none."""
        info = self.find(name)
        if info is None:
            raise unknown_name("class", name, (known.name for known in self.classes))
        return info


def name_key(name: str) -> str:
    """What a name is compared by: Unicode's compatibility form without case or outer spaces.

    "Traffic Cone", "traffic cone " and full-width letters meet, composed accents and combining ones do.
    """
    folded = unicodedata.normalize("NFKC", name).casefold()
    return unicodedata.normalize("NFKC", folded).strip()  # folding may take a letter apart


def same_names(some: Iterable[str], others: Iterable[str]) -> bool:
    """Whether a name of one group is one of the other's."""
    return not {name_key(name) for name in some}.isdisjoint(name_key(name) for name in others)


def distinct_names(names: Iterable[str]) -> list[str]:
    """The names in their order, of those that are one the first."""
    kept: dict[str, str] = {}
    for name in names:
        kept.setdefault(name_key(name), name)
    return list(kept.values())


def check_name(name: str) -> str:
    """The name unchanged; ``UsageError`` if it is blank, too long or not text that can be written to a file."""
    if not name.strip():
        raise UsageError("a class name is empty; give it at least one visible character")
    if len(name) > MAX_NAME_LENGTH:
        raise UsageError(f"a class name has {len(name)} characters; at most {MAX_NAME_LENGTH} are allowed")
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(f"class name {name!r} is not valid Unicode text: {error.reason}") from None
    if "\0" in name:
        raise UsageError(f"class name {name!r} contains a NUL character; remove it")
    return name


def read_wordings(text: str) -> dict[str, tuple[str, ...]]:
    """The names to ask for each class by, from a text of one class a line: ``class | name, name, ...``.

    Where nothing stands before a ``|`` the class is called by the first name. Lines that begin with ``#`` say nothing.
    ``UsageError`` for a line without a name and for a class that has two lines.
    """
    found: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        own, _, listed = line.rpartition("|")
        names = tuple(name.strip() for name in listed.split(",") if name.strip())
        if not names:
            raise UsageError(f"line {number} gives no name for a class; write class | name, name")
        if (called := own.strip() or names[0]) in found:
            raise UsageError(f"line {number} is the second for class {called!r}; put its names in one line")
        found[called] = names
    return found


def default_color(name: str) -> Color:
    """A colour that depends on the name alone, so that a class looks the same in every store and picture."""
    import colorsys
    import hashlib

    digest = hashlib.blake2b(name.encode("utf-8"), digest_size=4).digest()
    hue, lightness, saturation = digest[0] / 256, 0.45 + 0.2 * digest[1] / 255, 0.55 + 0.35 * digest[2] / 255
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, saturation)
    return round(red * 255), round(green * 255), round(blue * 255)
