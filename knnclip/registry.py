"""Looking a part up by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from knnclip.errors import unknown_name

Part = TypeVar("Part")


def lookup(kind: str, name: str, registry: Mapping[str, Part]) -> Part:
    """The entry of this name; ``UsageError`` names the ``kind``, the nearest known name and all known names."""
    if name not in registry:
        raise unknown_name(kind, name, registry)
    return registry[name]
