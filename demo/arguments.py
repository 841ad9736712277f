"""Whether what a client sent is of the type that an act says it takes; else one line that says what was expected."""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Union, get_args, get_origin

from gradio import FileData

from demo.payload import Json
from knnclip.errors import UsageError

MOST_ITEMS = 100_000
"""Of one list. A hand that scribbles for minutes makes fewer points, and no picture has as many segments."""

LONGEST_TEXT = 10_000
"""Characters of one text, a hundred times the longest class name: what is longer is no name, file name or filter."""

LARGEST_WHOLE = 2**63 - 1
"""The largest whole number that SQLite takes; ids, coordinates and counts lie far below it."""

FOUND_SHOWN = 60
"""Characters that a message quotes of what was found: enough to recognise it, and still one line."""


def check_count(function: Callable[..., Any], given: Sequence[object], expected: int) -> None:
    """``UsageError`` unless there are as many arguments as the act takes from clients."""
    if len(given) != expected:
        names = ", ".join(name for name, hint in _hints(function).items() if _description(hint))
        raise UsageError(f"expected {expected} arguments{f' ({names})' if names else ''}, found {len(given)}")


def check_arguments(function: Callable[..., Any], given: Sequence[object]) -> None:
    """``UsageError`` if an argument, in the order after the first parameter, is not of the type of its parameter.

    Parameters of types that no client can send (``gr.Progress`` and the like) are left alone.
    """
    for (name, hint), value in zip(_hints(function).items(), given, strict=False):
        if _description(hint):
            _check(name, value, hint)


def _hints(function: Callable[..., Any]) -> Mapping[str, Any]:
    """The parameters after the first, which is the session, with their types."""
    parameters = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    return {parameter.name: parameter.annotation for parameter in parameters}


def _check(place: str, value: object, hint: Any) -> None:  # noqa: ANN401 - a type, which has no type
    if get_origin(hint) in (types.UnionType, Union):
        if value is None:
            return
        (hint,) = (option for option in get_args(hint) if option is not type(None))
    if not _is_of(value, hint):
        found = repr(value) if isinstance(value, str | int | float | None) else f"{_kind(value)} {value!r}"
        shown = found if len(found) <= FOUND_SHOWN else f"{found[:FOUND_SHOWN]}..."
        raise UsageError(f"{place}: expected {_description(hint)}, found {shown}")
    if isinstance(value, list):
        (item,) = get_args(hint)
        for number, one in enumerate(value):
            _check(f"{place}[{number}]", one, item)


def _is_of(value: object, hint: Any) -> bool:  # noqa: ANN401
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST_WHOLE
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)
    if hint is str:
        return isinstance(value, str) and len(value) <= LONGEST_TEXT and not _has_surrogates(value)
    if hint is FileData:
        if not isinstance(value, Mapping):
            return False
        name = value.get("orig_name")
        return isinstance(value.get("path"), str) and (name is None or _is_of(name, str))
    if get_origin(hint) is list:
        return isinstance(value, list) and len(value) <= MOST_ITEMS
    return isinstance(value, dict)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _kind(value: object) -> str:
    return "a list" if isinstance(value, list) else "an object"


def _description(hint: Any) -> str:  # noqa: ANN401
    """What is expected, for people; nothing for a type that no client can send."""
    if get_origin(hint) in (types.UnionType, Union):
        return " or ".join(_description(option) for option in get_args(hint) if option is not type(None))
    if get_origin(hint) is list:
        (item,) = get_args(hint)
        return f"a list (each item {_description(item)}, at most {MOST_ITEMS:,})"
    words: dict[Any, str] = {
        int: "a whole number",
        float: "a number",
        str: f"text of at most {LONGEST_TEXT:,} characters",
        FileData: "a file that was uploaded",
        Json: "an object",
    }
    return words.get(hint, "")
