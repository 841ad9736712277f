"""Zero-shot classifiers, by name. The built-in preset has none: what it can name is what it was shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from knnclip.classifiers.base import ZeroShotClassifier
from knnclip.parts import read_settings, split_part
from knnclip.registry import lookup

__all__ = ["CLASSIFIERS", "ZeroShotClassifier", "make_classifier"]


def _onnx(rest: str, device: str) -> ZeroShotClassifier:
    from knnclip.networks.onnx_segmenter import OnnxSegmenter, OnnxSettings

    return OnnxSegmenter(read_settings(OnnxSettings, rest, "onnx"), device)


def _open_clip(rest: str, device: str) -> ZeroShotClassifier:
    from knnclip.networks.open_clip.network import OpenClip, OpenClipSettings

    return OpenClip(read_settings(OpenClipSettings, rest, "openclip"), device)


def _universal(rest: str, device: str) -> ZeroShotClassifier:
    from knnclip.networks.universal import UniversalSegmenter, UniversalSettings

    return UniversalSegmenter(read_settings(UniversalSettings, rest, "universal"), device)


def _detectron2(rest: str, device: str) -> ZeroShotClassifier:
    from knnclip.networks.detectron2 import Detectron2Segmenter, Detectron2Settings

    return Detectron2Segmenter(read_settings(Detectron2Settings, rest, "detectron2"), device)


def _fcclip(rest: str, device: str) -> ZeroShotClassifier:
    from knnclip.networks.fcclip.part import FcClip, FcClipSettings

    return FcClip(read_settings(FcClipSettings, rest, "fcclip"), device)


CLASSIFIERS: Mapping[str, Callable[[str, str], ZeroShotClassifier]] = MappingProxyType(
    {"detectron2": _detectron2, "fcclip": _fcclip, "onnx": _onnx, "openclip": _open_clip, "universal": _universal}
)


def make_classifier(part: str, device: str = "auto") -> ZeroShotClassifier:
    """The classifier of a part; ``UsageError`` lists the known ones."""
    name, rest = split_part(part)
    return lookup("classifier", name, CLASSIFIERS)(rest, device)
