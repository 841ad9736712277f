"""Frozen mask generators, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from knnclip.masks.base import MaskGenerator, PromptableGenerator
from knnclip.registry import lookup

__all__ = ["GENERATORS", "PROMPTABLE", "MaskGenerator", "PromptableGenerator", "make_generator", "make_promptable"]


def _regions() -> MaskGenerator:
    from knnclip.masks.regions import RegionGenerator

    return RegionGenerator()


def _grabcut() -> PromptableGenerator:
    from knnclip.masks.grabcut import GrabCut

    return GrabCut()


GENERATORS: Mapping[str, Callable[[], MaskGenerator]] = MappingProxyType({"regions": _regions})
PROMPTABLE: Mapping[str, Callable[[], PromptableGenerator]] = MappingProxyType({"grabcut": _grabcut})


def make_generator(name: str) -> MaskGenerator:
    """The mask generator of this name; ``UsageError`` lists the known ones."""
    return lookup("mask generator", name, GENERATORS)()


def make_promptable(name: str) -> PromptableGenerator:
    """The promptable generator of this name; ``UsageError`` lists the known ones."""
    return lookup("promptable generator", name, PROMPTABLE)()
