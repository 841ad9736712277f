"""Names for the files of results: each picture's its own, on every system."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from itertools import chain, count
from pathlib import Path

MAX_STEM_BYTES = 200
"""File systems take 255 bytes; a number, the id of a segment and a suffix must have room."""

RESERVED = frozenset('<>:"/\\|?*')
"""What some system or format takes for something else than a part of a name."""


class UniqueNames:
    """A name for each file's results, in their order: its stem, numbered (``~2``) where several files share one.

    Names that differ in case alone, or in how an accent is written, are one file to many systems. A stem that is too
    long to take a number and a suffix is cut off.
    """

    def __init__(self) -> None:
        """Nothing is taken yet."""
        self._taken: set[str] = set()
        self._used: Counter[str] = Counter()

    def of(self, stem: str) -> str:
        """The name for the next file, whose own is ``stem``."""
        stem = os.fsdecode(os.fsencode(stem)[:MAX_STEM_BYTES])
        numbered = (f"{stem}~{number}" for number in count(max(2, self._used[stem])))
        name = next(name for name in chain([stem], numbered) if _one_file(name) not in self._taken)
        self._taken.add(_one_file(name))
        self._used[stem] += 1
        return name


def portable(path: Path) -> str:
    """A file's stem as text that every system, list, JSON and XML takes: anything else becomes ``_``."""
    letters = path.stem.encode("utf-8", "surrogateescape").decode("utf-8", "replace")[:MAX_STEM_BYTES]
    kept = "".join("_" if letter in RESERVED or not _is_shown(letter) else letter for letter in letters)
    return kept.strip(" .") or "_"


def _is_shown(letter: str) -> bool:
    return letter == " " or (letter.isprintable() and letter != "\ufffd")


def _one_file(name: str) -> str:
    """What is the same of names that are one file to systems which do not tell them apart."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
