"""Which part with which options: what a person writes as text, what a store keeps as JSON.

A part is ``name:model,option=value,...``; ``regions``, ``timm:mobilenetv2_100,stages=2+3+4`` and
``onnx:deeplab.onnx,labels=voc.txt`` are parts. An encoder is one part or several, ``timm:MODEL & 0.8 descriptor``.

* The model and all options may be left out; ``regions:leaves=9`` and ``regions,leaves=9`` are the same.
* A list has ``+`` between its items.
* What has a ``,``, ``&`` or ``+`` of its own goes in double quotes, a double quote inside them is written twice:
  ``weights="/data/R & D/a,b.pt"``. So does a model that looks like an option (``"fold=3.onnx"``), and what begins with
  a double quote or has spaces at its ends.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from knnclip.errors import StoreError, UsageError

NAME = re.compile(r"[^:,&]*")
OPTION = re.compile(r"\s*([A-Za-z_]\w*)\s*=")
"""How the name of a part and how an option begins."""

WEIGHT = re.compile(r"\s*(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)\s+")
"""How a term of a sum begins that has a weight."""

QUOTING = 'a value with , & or + in it goes in double quotes: weights="/a,b/w.pt"'


@dataclass(frozen=True)
class PartSpec:
    """A part as it is asked for: its name, its model, its options. Nothing is loaded, nothing is checked but the form.

    ``str`` gives the text that ``parse`` reads back, ``to_json`` what ``from_json`` reads back.
    """

    name: str  # of the part's card
    model: str = ""  # what is written right after the name; empty for a part without one
    options: tuple[tuple[str, tuple[str, ...]], ...] = ()  # name and items of each option, every name once

    def __post_init__(self) -> None:
        names = [name for name, _ in self.options]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise UsageError(f"{self.name}: option {twice!r} is given more than once; leave all but one out")

    @classmethod
    def parse(cls, text: str) -> PartSpec:
        """The part written as ``text``; ``UsageError`` says what is wrong with its form."""
        reader = _Reader(text)
        part = _read_part(reader)
        if not reader.at_end():
            raise UsageError(f"{text!r} has more than one part where one is wanted; {QUOTING}")
        return part

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> PartSpec:
        """The part that ``to_json`` wrote; ``StoreError`` if it is something else."""
        try:
            options = tuple((str(name), tuple(map(str, items))) for name, items in content["options"].items())
            return cls(str(content["name"]), str(content["model"]), options)
        except (AttributeError, KeyError, TypeError) as error:
            raise StoreError(f"{content!r} is no part: expected name, model and options ({error!r})") from error

    def to_json(self) -> dict[str, Any]:
        """Plain data for ``json``."""
        return {"name": self.name, "model": self.model, "options": {name: list(items) for name, items in self.options}}

    def with_option(self, name: str, *items: str) -> PartSpec:
        """The same part with one option set to these items, in the place of what it was."""
        if name in dict(self.options):
            return replace(self, options=tuple((n, items if n == name else old) for n, old in self.options))
        return replace(self, options=(*self.options, (name, items)))

    def __str__(self) -> str:
        model = _quoted(self.model, "+") if not OPTION.match(self.model) else _in_quotes(self.model)
        text = self.name + (f":{model}" if self.model else "")
        return text + "".join(f",{name}={'+'.join(map(_quoted, items))}" for name, items in self.options)


@dataclass(frozen=True)
class EncoderSpec:
    """One encoder, or several as one: the weight and the part of each."""

    terms: tuple[tuple[float, PartSpec], ...]

    @classmethod
    def parse(cls, text: str) -> EncoderSpec:
        """The sum written as ``text``; a term without a number has the weight 1."""
        reader, terms = _Reader(text), []
        while True:
            weight = reader.take(WEIGHT)
            terms.append((_read_weight(weight.group(1), text) if weight else 1.0, _read_part(reader)))
            if reader.at_end():
                return cls(tuple(terms))
            reader.expect("&")

    @classmethod
    def from_json(cls, content: Sequence[Mapping[str, Any]]) -> EncoderSpec:
        """The encoder that ``to_json`` wrote; ``StoreError`` if it is something else."""
        try:
            if not content:
                raise ValueError("none is named")
            return cls(tuple((float(term["weight"]), PartSpec.from_json(term["part"])) for term in content))
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(f"{content!r} is no encoder: expected weights and parts ({error!r})") from error

    def to_json(self) -> list[dict[str, Any]]:
        """Plain data for ``json``."""
        return [{"weight": weight, "part": part.to_json()} for weight, part in self.terms]

    @property
    def parts(self) -> tuple[PartSpec, ...]:
        """The parts without their weights."""
        return tuple(part for _, part in self.terms)

    def __str__(self) -> str:
        return " & ".join(f"{part}" if weight == 1 else f"{_number(weight)} {part}" for weight, part in self.terms)


class _Reader:
    """Text and how far it was read."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """What begins here, read."""
        if found := pattern.match(self.text, self.at):
            self.at = found.end()
        return found

    def at_end(self) -> bool:
        return self.at == len(self.text)

    def expect(self, separators: str) -> str:
        """The separator that stands here, read."""
        if self.at_end() or self.text[self.at] not in separators:
            raise UsageError(
                f"{self.text!r}: after {self.text[: self.at]!r} comes one of {' '.join(separators)}, "
                f"found {self.text[self.at :]!r}"
            )
        self.at += 1
        return self.text[self.at - 1]

    def value(self, until: str) -> str:
        """What stands in quotes, or as it is up to one of the characters ``until``."""
        while self.text[self.at : self.at + 1].isspace():
            self.at += 1
        if not self.text.startswith('"', self.at):
            end = next((i for i in range(self.at, len(self.text)) if self.text[i] in until), len(self.text))
            bare, self.at = self.text[self.at : end].rstrip(), end
            return bare
        quoted = re.compile(r'"((?:[^"]|"")*)"(?!")\s*').match(self.text, self.at)
        if quoted is None:
            raise UsageError(f"{self.text!r}: the quote at {self.text[self.at :]!r} is not closed; {QUOTING}")
        self.at = quoted.end()
        return quoted.group(1).replace('""', '"')


def _read_weight(number: str, text: str) -> float:
    weight = float(number)
    if not math.isfinite(weight):
        raise UsageError(f"{text!r}: the weight of a part is a number, found {number}, which is too large")
    return weight


def _read_part(reader: _Reader) -> PartSpec:
    found = reader.take(NAME)
    name = found.group().strip() if found else ""
    if not name:
        raise UsageError(f"{reader.text!r}: expected the name of a part, found {reader.text[reader.at :]!r}")
    model = ""
    options = []
    if not reader.at_end() and reader.text[reader.at] == ":":
        reader.at += 1
        if OPTION.match(reader.text, reader.at):
            options.append(_read_option(reader, name))
        else:
            model = reader.value(",&")
    while not reader.at_end() and reader.text[reader.at] != "&":
        reader.expect(",")
        options.append(_read_option(reader, name))
    return PartSpec(name, model, tuple(options))


def _read_option(reader: _Reader, part: str) -> tuple[str, tuple[str, ...]]:
    found = reader.take(OPTION)
    if found is None:
        wrong = reader.value(",&")
        raise UsageError(f"{part}: option {wrong!r} has no value; write {wrong or 'NAME'}=VALUE, and {QUOTING}")
    items = [reader.value("+,&")]
    while not reader.at_end() and reader.text[reader.at] not in ",&":
        reader.expect("+,&")
        items.append(reader.value("+,&"))
    return found.group(1), tuple(items)


def _quoted(text: str, harmless: str = "") -> str:
    """The text as it is, or in quotes where it would be read as something else; ``harmless`` needs none."""
    if text and text == text.strip() and not text.startswith('"') and not set(text) & (set(",&+") - set(harmless)):
        return text
    return _in_quotes(text)


def _in_quotes(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _number(value: float) -> str:
    """``2`` rather than ``2.0``; read back it is the same number."""
    return str(int(value)) if value.is_integer() and value < 1e15 else repr(value)
