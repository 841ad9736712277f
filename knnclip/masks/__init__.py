"""Frozen mask generators, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from knnclip.errors import UsageError
from knnclip.masks.base import MaskGenerator, PromptableGenerator
from knnclip.parts import read_settings, split_part
from knnclip.registry import lookup

if TYPE_CHECKING:
    from knnclip.masks.sam import Sam

__all__ = ["GENERATORS", "PROMPTABLE", "MaskGenerator", "PromptableGenerator", "make_generator", "make_promptable"]


def _regions(rest: str, device: str) -> MaskGenerator:  # noqa: ARG001 - it is no network
    from knnclip.masks.regions import RegionGenerator, RegionSettings

    return RegionGenerator(read_settings(RegionSettings, rest and f",{rest.removeprefix(',')}", "regions"))


def _onnx(rest: str, device: str) -> MaskGenerator:
    from knnclip.networks.onnx_segmenter import OnnxSegmenter, OnnxSettings

    return OnnxSegmenter(read_settings(OnnxSettings, rest, "onnx"), device)


def _universal(rest: str, device: str) -> MaskGenerator:
    from knnclip.networks.universal import UniversalSegmenter, UniversalSettings

    return UniversalSegmenter(read_settings(UniversalSettings, rest, "universal"), device)


def _sam(rest: str, device: str) -> Sam:
    from knnclip.masks.sam import Sam, SamSettings

    return Sam(read_settings(SamSettings, rest, "sam"), device)


def _grabcut(rest: str, device: str) -> PromptableGenerator:  # noqa: ARG001 - it is no network
    from knnclip.masks.grabcut import GrabCut

    if rest:
        raise UsageError(f"promptable generator 'grabcut' has no settings, found {rest!r}")
    return GrabCut()


def _detectron2(rest: str, device: str) -> MaskGenerator:
    from knnclip.networks.detectron2 import Detectron2Segmenter, Detectron2Settings

    return Detectron2Segmenter(read_settings(Detectron2Settings, rest, "detectron2"), device)


def _fcclip(rest: str, device: str) -> MaskGenerator:
    from knnclip.networks.fcclip.part import FcClip, FcClipSettings

    return FcClip(read_settings(FcClipSettings, rest, "fcclip"), device)


GENERATORS: Mapping[str, Callable[[str, str], MaskGenerator]] = MappingProxyType(
    {
        "detectron2": _detectron2,
        "fcclip": _fcclip,
        "regions": _regions,
        "onnx": _onnx,
        "sam": _sam,
        "universal": _universal,
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
