"""The parts of presets, each compared with the library that its network comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from knnclip.catalogue import CARDS, card_of, roles_of
from knnclip.doctor import by_itself, by_open_clip, by_sam, by_timm, by_transformers
from knnclip.doctor.finding import Finding
from knnclip.parts.spec import PartSpec
from knnclip.parts.weights import Need
from knnclip.presets import Preset
from knnclip.progress import SILENT, Progress

Compare = Callable[[Any, str, Progress], Iterator[Finding]]

COMPARISONS: Mapping[str, Compare] = MappingProxyType(
    {
        "timm": by_timm.compare,
        "openclip": by_open_clip.compare,
        "sam": by_sam.compare,
        "universal": by_transformers.compare,
        "fcclip": by_itself.compare,
    }
)
"""By the name of the part: its settings, a device, who is told of names that are read -> what was found."""


def networks(presets: Iterable[Preset]) -> dict[PartSpec, list[Need]]:
    """The parts of presets that load weights, each once, with these."""
    parts = {spec: list(card_of(spec, role).needed(spec)) for preset in presets for spec, role in roles_of(preset)}
    return {spec: needs for spec, needs in parts.items() if needs}


def examine(part: PartSpec, device: str, progress: Progress = SILENT) -> Iterator[Finding]:
    """What is found of a part whose weights are here; what it raises is a finding as well."""
    if part.name not in COMPARISONS:
        yield Finding("not compared", f"{part.name} has no library of its own to compare it with", 0.0, True)
        return
    try:
        settings = _settings(part)
        yield from COMPARISONS[part.name](settings, device, progress)
    except Exception as error:  # whatever a library raises: that it does is what was to be found
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "without a message"
        yield Finding("runs", f"{type(error).__name__}: {reason}", 0.0, False)


def _settings(spec: PartSpec) -> Any:  # noqa: ANN401 - each part has settings of its own
    return next(card for card in CARDS if card.name == spec.name).read(spec)
