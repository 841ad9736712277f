"""The one exception family of knnclip.

Every message says what is wrong, where (file, line, class) and what to do next. The command line prints it on one line.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

Entry = TypeVar("Entry")


class KnnclipError(Exception):
    """Base of all errors that a caller can act on."""


class InputError(KnnclipError):
    """Something that comes from outside cannot be used: a file that cannot be read, or is not what it should be.

    One bad file ends nothing: whoever reads many of them catches this and goes on.
    """


class ImageError(InputError):
    """An image cannot be read, is too large, or is not an image."""


class MaskError(KnnclipError):
    """A mask is empty, of another size than its image, or its encoding is broken."""


class DatasetError(InputError):
    """A labelled data set is missing files, has a wrong layout, or an annotation in it is broken."""


class StoreError(KnnclipError):
    """The store cannot be opened, read or written, or a request does not fit its contents."""


class WeightsError(KnnclipError):
    """The weights of a network are missing, damaged, or of another network."""


class OutputError(KnnclipError):
    """A result cannot be written: the disk is full, or the place is not writable."""


class UsageError(KnnclipError):
    """An argument, option or name is not one that exists."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a name that no registry entry has; it lists the known ones and suggests the nearest."""
    names = sorted(known)
    nearest = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else "."
    return UsageError(f"unknown {kind} {name!r}{hint} Known: {', '.join(names) or 'none'}.")


def lookup(kind: str, name: str, registry: Mapping[str, Entry]) -> Entry:
    """The entry of this name; ``UsageError`` names the ``kind``, the nearest known name and all known names."""
    if name not in registry:
        raise unknown_name(kind, name, registry)
    return registry[name]
