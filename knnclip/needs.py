"""Which weights the parts of a preset load, and whether they are on this disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from knnclip.parts.text import read_settings, split_part, split_sum
from knnclip.parts.weights import Need
from knnclip.presets import Preset

FCCLIP_MB = 1490
"""Of the published ConvNeXt-L checkpoint."""


def needed_weights(preset: Preset) -> list[Need]:
    """What a preset loads, each file once; nothing for parts without weights."""
    needs: dict[str, Need] = {}
    for text in (preset.masks, preset.promptable, preset.encoder, preset.classifier or ""):
        for _, part in split_sum(text):
            name, rest = split_part(part)
            if name in NEEDS:
                need = NEEDS[name](rest)
                needs[need.name] = need
    return list(needs.values())


def _timm(rest: str) -> Need:
    from knnclip.encoders.timm import TimmSettings, needed

    return needed(read_settings(TimmSettings, rest, "timm"))


def _open_clip(rest: str) -> Need:
    from knnclip.networks.open_clip.network import OpenClipSettings, needed

    return needed(read_settings(OpenClipSettings, rest, "openclip"))


def _sam(rest: str) -> Need:
    from knnclip.masks.sam import SIZES_MB, SamSettings
    from knnclip.networks.hub import is_cached

    model = read_settings(SamSettings, rest, "sam").model
    return Need(model, is_cached(model), SIZES_MB.get(model))


def _universal(rest: str) -> Need:
    from knnclip.networks.hub import is_cached
    from knnclip.networks.universal import UniversalSettings

    model = read_settings(UniversalSettings, rest, "universal").model
    return Need(model, is_cached(model), None)


def _fcclip(rest: str) -> Need:
    model = rest.partition(",")[0]
    return Need(model, Path(model).is_file(), FCCLIP_MB)


NEEDS: Mapping[str, Callable[[str], Need]] = MappingProxyType(
    {"fcclip": _fcclip, "timm": _timm, "openclip": _open_clip, "sam": _sam, "universal": _universal}
)
