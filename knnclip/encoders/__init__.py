"""Frozen encoders, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from knnclip.encoders.base import Encoder
from knnclip.registry import lookup

__all__ = ["ENCODERS", "Encoder", "make_encoder"]


def _descriptor() -> Encoder:
    from knnclip.encoders.descriptor import RegionDescriptor

    return RegionDescriptor()


ENCODERS: Mapping[str, Callable[[], Encoder]] = MappingProxyType({"descriptor": _descriptor})


def make_encoder(name: str) -> Encoder:
    """The encoder of this name; ``UsageError`` lists the known ones."""
    return lookup("encoder", name, ENCODERS)()
