"""Typed access to what somebody else wrote as JSON or XML: a value is of the kind that is asked for, or an error.

Whoever reads such content asks for each value by its key and its kind, and never trusts a number: what comes back is
finite and within the bounds that were given. The error says where, what was found and what was expected; who reads a
list of entries catches the error of one and goes on with the next.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from knnclip.errors import InputError, UsageError
from knnclip.vocabulary import check_name

Ident = int | str
"""What names an entry of a file: a whole number or a text."""

MAX_WHOLE = 2**53
"""Whole numbers beyond are not the same in every program that writes JSON, where numbers may be floats."""

MAX_NUMBER = 1e9
"""Larger than any coordinate or area in pixels that is drawn; products of two of them are still exact enough."""

SHOWN_CHARACTERS = 40
"""Of a wrong value in a message: enough to find it in the file, and still one line."""


@dataclass(frozen=True)
class Fields:
    """One object of a JSON, or the attributes of an element of XML, whose values may be anything.

    A value of null counts as one that is missing. XML has only text, and some programs write numbers as text in JSON
    too, so a number may be one.
    """

    content: Mapping[str, Any]
    where: str = ""  # file and place, which begin every message; empty where the caller says them

    @classmethod
    def of(cls, content: object, where: str = "") -> Fields:
        """The object itself; ``InputError`` if it is something else."""
        if not isinstance(content, Mapping):
            raise InputError(_message(where, f"expected an object, found {shown(content)}"))
        return cls(content, where)

    def has(self, key: str) -> bool:
        """Whether there is a value."""
        return self.content.get(key) is not None

    def whole(self, key: str, low: int = -MAX_WHOLE, high: int = MAX_WHOLE) -> int:
        """A whole number from ``low`` to ``high``; 1.0 and "1" are one."""
        value, expected = self._value(key), f"a whole number from {low:,} to {high:,}"
        if isinstance(value, str) and value.strip().removeprefix("-").isdecimal() and len(value) <= SHOWN_CHARACTERS:
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self._wrong(key, value, expected)
        return value

    def number(self, key: str, low: float = -MAX_NUMBER, high: float = MAX_NUMBER) -> float:
        """A finite number from ``low`` to ``high``."""
        value = self._value(key)
        found = as_number(value)
        if found is None or not low <= found <= high:
            raise self._wrong(key, value, f"a number from {low:g} to {high:g}")
        return found

    def flag(self, key: str, *, required: bool = False) -> bool:
        """True or false, also written as 1 and 0; false where there is no value, unless one is required."""
        value = self._value(key) if required else self.content.get(key)
        if value is not None and (not isinstance(value, bool | int | float) or value not in (0, 1)):
            raise self._wrong(key, value, "0 or 1")
        return bool(value)

    def ident(self, key: str) -> Ident:
        """What names an entry: a whole number, or a text that is not empty."""
        value = self._value(key)
        if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_WHOLE:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int | str) or value == "" or not is_text(value):
            raise self._wrong(key, value, "a whole number or a text")
        return value

    def text(self, key: str) -> str:
        """A text that is not empty and can be written anywhere."""
        value = self._value(key)
        if not isinstance(value, str) or not value or not is_text(value):
            raise self._wrong(key, value, "a text")
        return value

    def name(self, key: str) -> str:
        """The name of a class, without blanks around it."""
        text = self.text(key).strip()
        try:
            return check_name(text)
        except UsageError as error:
            raise InputError(_message(self.where, f"{key}: {error}")) from None

    def items(self, key: str, length: int | None = None) -> list[Any]:
        """A list of anything, of a given length where one is."""
        value = self._value(key)
        if not isinstance(value, list) or (length is not None and len(value) != length):
            raise self._wrong(key, value, "a list" if length is None else f"a list of {length}")
        return value

    def fields(self, key: str) -> Fields:
        """An object within this one."""
        value = self._value(key)
        if not isinstance(value, Mapping):
            raise self._wrong(key, value, "an object")
        return Fields(value, _message(self.where, key))

    def _value(self, key: str) -> Any:  # noqa: ANN401 - JSON has no type
        value = self.content.get(key)
        if value is None:
            raise InputError(_message(self.where, f"has no {key!r}"))
        return value

    def _wrong(self, key: str, value: object, expected: str) -> InputError:
        return InputError(_message(self.where, f"{key!r} is {shown(value)}, expected {expected}"))


def as_number(value: object) -> float | None:
    """A finite number, also one written as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def is_text(value: object) -> bool:
    """Whether a value can be written as UTF-8: a text may hold halves of characters, which no file takes."""
    return "\0" not in str(value) and not any("\ud800" <= character <= "\udfff" for character in str(value))


def shown(value: object) -> str:
    """A wrong value as a message shows it: short, on one line, and never its whole content."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return ascii(value[:SHOWN_CHARACTERS]) + ("..." if len(value) > SHOWN_CHARACTERS else "")
    return str(value)[:SHOWN_CHARACTERS]


def _message(where: str, text: str) -> str:
    return f"{where}: {text}" if where else text
