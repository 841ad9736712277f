"""Frozen mask generators, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from knnclip.errors import UsageError, lookup
from knnclip.networks import make_detectron2, make_fcclip, make_onnx, make_universal
from knnclip.parts.roles import MaskGenerator, PromptableGenerator
from knnclip.parts.text import read_settings, split_part

if TYPE_CHECKING:
    from knnclip.masks.sam import Sam

__all__ = ["GENERATORS", "PROMPTABLE", "make_generator", "make_promptable"]


def _regions(rest: str, device: str) -> MaskGenerator:  # noqa: ARG001 - it is no network
    from knnclip.masks.regions import RegionGenerator, RegionSettings

    return RegionGenerator(read_settings(RegionSettings, rest and f",{rest.removeprefix(',')}", "regions"))


def _sam(rest: str, device: str) -> Sam:
    from knnclip.masks.sam import Sam, SamSettings

    return Sam(read_settings(SamSettings, rest, "sam"), device)


def _grabcut(rest: str, device: str) -> PromptableGenerator:  # noqa: ARG001 - it is no network
    from knnclip.masks.grabcut import GrabCut

    if rest:
        raise UsageError(f"promptable generator 'grabcut' has no settings, found {rest!r}")
    return GrabCut()


GENERATORS: Mapping[str, Callable[[str, str], MaskGenerator]] = MappingProxyType(
    {
        "detectron2": make_detectron2,
        "fcclip": make_fcclip,
        "regions": _regions,
        "onnx": make_onnx,
        "sam": _sam,
        "universal": make_universal,
    }
)
PROMPTABLE: Mapping[str, Callable[[str, str], PromptableGenerator]] = MappingProxyType(
    {"grabcut": _grabcut, "sam": _sam}
)


def make_generator(part: str, device: str = "auto") -> MaskGenerator:
    """The mask generator of a part; ``UsageError`` lists the known ones."""
    name, rest = split_part(part)
    return lookup("mask generator", name, GENERATORS)(rest, device)


def make_promptable(part: str, device: str = "auto") -> PromptableGenerator:
    """The promptable generator of a part; ``UsageError`` lists the known ones."""
    name, rest = split_part(part)
    return lookup("promptable generator", name, PROMPTABLE)(rest, device)
