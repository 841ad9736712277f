"""Frozen mask generators, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from knnclip.masks.base import MaskGenerator, PromptableGenerator
from knnclip.parts import read_settings, split_part
from knnclip.registry import lookup

__all__ = ["GENERATORS", "PROMPTABLE", "MaskGenerator", "PromptableGenerator", "make_generator", "make_promptable"]


def _regions(rest: str, device: str) -> MaskGenerator:  # noqa: ARG001 - it is no network
    from knnclip.masks.regions import RegionGenerator, RegionSettings

    return RegionGenerator(read_settings(RegionSettings, f",{rest}" if rest else "", "regions"))


def _onnx(rest: str, device: str) -> MaskGenerator:
    from knnclip.networks.onnx_segmenter import OnnxSegmenter, OnnxSettings

    return OnnxSegmenter(read_settings(OnnxSettings, rest, "onnx"), device)


def _grabcut() -> PromptableGenerator:
    from knnclip.masks.grabcut import GrabCut

    return GrabCut()


GENERATORS: Mapping[str, Callable[[str, str], MaskGenerator]] = MappingProxyType({"regions": _regions, "onnx": _onnx})
PROMPTABLE: Mapping[str, Callable[[], PromptableGenerator]] = MappingProxyType({"grabcut": _grabcut})


def make_generator(part: str, device: str = "auto") -> MaskGenerator:
    """The mask generator of a part; ``UsageError`` lists the known ones."""
    name, rest = split_part(part)
    return lookup("mask generator", name, GENERATORS)(rest, device)


def make_promptable(name: str) -> PromptableGenerator:
    """The promptable generator of this name; ``UsageError`` lists the known ones."""
    return lookup("promptable generator", name, PROMPTABLE)()
