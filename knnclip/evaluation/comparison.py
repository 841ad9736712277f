"""Other settings to answer with, written as text: ``retrieval``, ``paper,lambda=0.3+0.5,T=0.7``, ``fused,k=8+16``.

The name says who answers: ``base`` or ``retrieval`` alone, ``fused`` as the preset mixes them, or one way of mixing by
its own name. An option with several values, joined by ``+``, stands for a grid: every combination answers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import get_args

from knnclip.decision.fusion import FusionKind
from knnclip.errors import UsageError, lookup, unknown_name
from knnclip.presets import Preset

MOST_NEIGHBORS = 4096
"""The largest k; votes of thousands of neighbours are no longer of the nearest, and each costs time and memory."""

Change = Callable[[Preset, float], Preset]


def _whole(value: float) -> int:
    if value != int(value) or value > MOST_NEIGHBORS:
        raise UsageError(f"k is a whole number of neighbours up to {MOST_NEIGHBORS:,}, found {value:g}")
    return int(value)


def _mixed_by(kind: FusionKind) -> Callable[[Preset], Preset]:
    return lambda preset: replace(preset, fusion=replace(preset.fusion, kind=kind))


FUSIONS: Mapping[str, Callable[[Preset], Preset]] = MappingProxyType(
    {"fused": lambda preset: preset, **{kind: _mixed_by(kind) for kind in get_args(FusionKind)}}
)
"""The preset with each way of mixing, by name."""

OPTIONS: Mapping[str, Change] = MappingProxyType(
    {
        "k": lambda preset, value: replace(preset, vote=replace(preset.vote, k=_whole(value))),
        "tau": lambda preset, value: replace(preset, vote=replace(preset.vote, tau=value)),
        "balance": lambda preset, value: replace(preset, vote=replace(preset.vote, balance=value)),
        "lambda": lambda preset, value: replace(preset, fusion=replace(preset.fusion, paper_lambda=value)),
        "T": lambda preset, value: replace(preset, fusion=replace(preset.fusion, paper_threshold=value)),
    }
)
"""The preset with another value of each option, by name."""


def settings_to_compare(texts: Sequence[str], preset: Preset) -> dict[str, Preset]:
    """The preset with each of the settings, by their texts; ``UsageError`` for what is not known or out of range."""
    found: dict[str, Preset] = {}
    for text in texts:
        name, *options = (part.strip() for part in text.split(","))
        start = lookup("settings to compare", name, FUSIONS)(preset)
        if start.fusion.kind == "base" and preset.classifier is None:
            raise UsageError(
                "there is no base to answer alone: the store has no classifier; make one with --classifier"
            )
        axes = [_values(option, start, text) for option in options]
        for values in itertools.product(*axes):
            changed = start
            for option, value in values:
                changed = OPTIONS[option](changed, float(value))
            found[",".join([name, *(f"{option}={value}" for option, value in values)])] = changed
    return found


def _values(option: str, preset: Preset, text: str) -> list[tuple[str, str]]:
    """The option's name with each of its values, as they were written."""
    name, _, values = option.partition("=")
    if name not in OPTIONS:
        raise unknown_name(f"option of {text!r}", name, OPTIONS)
    if name in ("lambda", "T") and preset.fusion.kind != "paper":
        raise UsageError(f"{text!r}: {name} is of the paper's fusion; write paper,{option}")
    try:
        numbers = [float(value) for value in values.split("+")]
    except ValueError:
        numbers = [math.nan]
    if not all(map(math.isfinite, numbers)):
        raise UsageError(f"{text!r}: {name} takes numbers joined by +, found {values!r}")
    return [(name, value.strip()) for value in values.split("+")]
