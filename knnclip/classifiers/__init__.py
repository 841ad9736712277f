"""Zero-shot classifiers, by name. The built-in preset has none: what it can name is what it was shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from knnclip.errors import lookup
from knnclip.networks import make_detectron2, make_fcclip, make_onnx, make_open_clip, make_universal
from knnclip.parts.roles import ZeroShotClassifier
from knnclip.parts.text import split_part

__all__ = ["CLASSIFIERS", "make_classifier"]


CLASSIFIERS: Mapping[str, Callable[[str, str], ZeroShotClassifier]] = MappingProxyType(
    {
        "detectron2": make_detectron2,
        "fcclip": make_fcclip,
        "onnx": make_onnx,
        "openclip": make_open_clip,
        "universal": make_universal,
    }
)


def make_classifier(part: str, device: str = "auto") -> ZeroShotClassifier:
    """The classifier of a part; ``UsageError`` lists the known ones."""
    name, rest = split_part(part)
    return lookup("classifier", name, CLASSIFIERS)(rest, device)
