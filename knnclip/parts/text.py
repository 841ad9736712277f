"""A part of a preset written as text, ``name:model,option=value,...``, so that a store can remember it.

``regions``, ``timm:mobilenetv2_100,stages=2+3+4`` and ``onnx:deeplab.onnx,labels=voc.txt`` are parts. What comes after
the name is read into the frozen dataclass of settings that the part declares: the model into its first field, options
into the fields of their names, lists with ``+`` between their items.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from knnclip.errors import UsageError, unknown_name

Settings = TypeVar("Settings")

BOOLEANS = {"yes": True, "no": False}


def split_part(text: str) -> tuple[str, str]:
    """``name:model,option=value`` -> name and the rest, empty for a part without settings.

    Where only options follow, ``name,option=value``, the rest begins with the comma.
    """
    name, separator, rest = re.fullmatch(r"([^:,]*)([:,]?)(.*)", text.strip(), re.DOTALL).groups()  # type: ignore[union-attr]
    return name.strip(), rest.strip() if separator == ":" else separator + rest.strip()


def read_settings(kind: type[Settings], rest: str, part: str) -> Settings:
    """The settings written after the name of a part; ``UsageError`` names what is wrong and lists the options."""
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    types = get_type_hints(kind)
    model, *options = rest.split(",") if rest else [""]
    values: dict[str, Any] = {}
    first = _model_field(kind)
    if model and first is not None:
        values[first] = _read(types[first], model.strip(), part, first)
    for option in options:
        name, equals, value = option.partition("=")
        name = name.strip()
        if name not in fields or (name == first and model):
            raise unknown_name(f"option of {part}", name, [other for other in fields if other != first])
        if not equals:
            raise UsageError(f"{part}: option {name!r} has no value; write {name}=VALUE")
        values[name] = _read(types[name], value.strip(), part, name)
    required = [name for name, field in fields.items() if field.default is dataclasses.MISSING and name not in values]
    if required:
        raise UsageError(f"{part} needs {' and '.join(required)}; write {part}:{required[0].upper()}")
    return kind(**values)


def split_sum(text: str) -> list[tuple[float, str]]:
    """``timm:M & 0.8 descriptor`` -> the weight and the part of each term; a term without a number has the weight 1."""
    terms = []
    for term in text.split("&"):
        first, _, rest = term.strip().partition(" ")
        try:
            terms.append((float(first), rest.strip()))
        except ValueError:
            terms.append((1.0, term.strip()))
    return terms


def with_option(text: str, names: Sequence[str], option: str, value: str) -> str:
    """A sum of parts with an option added to those of the given names; ``UsageError`` if none is."""
    terms = split_sum(text)
    if all(split_part(part)[0] not in names for _, part in terms):
        raise UsageError(f"{text!r} has no part {' or '.join(names)} that could take {option}={value}")
    changed = [(w, f"{part},{option}={value}" if split_part(part)[0] in names else part) for w, part in terms]
    return " & ".join(part if weight == 1 else f"{weight:g} {part}" for weight, part in changed)


def _model_field(kind: type) -> str | None:
    """The field that is written right after the part's name: the first that has no name of its own in a call."""
    return next((field.name for field in dataclasses.fields(kind) if not field.kw_only), None)


def _read(kind: Any, text: str, part: str, option: str) -> Any:  # noqa: ANN401 - types of fields have no type
    if get_origin(kind) is tuple:
        return tuple(_read(get_args(kind)[0], item, part, option) for item in text.split("+") if item)
    try:
        return BOOLEANS[text] if kind is bool else kind(text)
    except (ValueError, KeyError):
        expected = "yes or no" if kind is bool else kind.__name__
        raise UsageError(f"{part}: option {option!r} is {expected}, found {text!r}") from None
