"""Zero-shot classifiers, by name. The built-in preset has none: what it can name is what it was shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from knnclip.classifiers.base import ZeroShotClassifier
from knnclip.registry import lookup

__all__ = ["CLASSIFIERS", "ZeroShotClassifier", "make_classifier"]

CLASSIFIERS: Mapping[str, Callable[[], ZeroShotClassifier]] = MappingProxyType({})


def make_classifier(name: str) -> ZeroShotClassifier:
    """The classifier of this name; ``UsageError`` lists the known ones."""
    return lookup("classifier", name, CLASSIFIERS)()
