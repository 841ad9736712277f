"""Networks that play several parts at once: what they propose and what they call it comes from one forward pass.

Each is made from the text after its name in a part; what it needs is imported then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from knnclip.parts.text import read_settings

if TYPE_CHECKING:
    from knnclip.networks.detectron2 import Detectron2Segmenter
    from knnclip.networks.fcclip.part import FcClip
    from knnclip.networks.onnx_segmenter import OnnxSegmenter
    from knnclip.networks.open_clip.network import OpenClip
    from knnclip.networks.universal import UniversalSegmenter


def make_detectron2(rest: str, device: str) -> Detectron2Segmenter:
    """``detectron2:...``: mask generator and classifier."""
    from knnclip.networks.detectron2 import Detectron2Segmenter, Detectron2Settings

    return Detectron2Segmenter(read_settings(Detectron2Settings, rest, "detectron2"), device)


def make_fcclip(rest: str, device: str) -> FcClip:
    """``fcclip:...``: mask generator, classifier and encoder."""
    from knnclip.networks.fcclip.part import FcClip, FcClipSettings

    return FcClip(read_settings(FcClipSettings, rest, "fcclip"), device)


def make_onnx(rest: str, device: str) -> OnnxSegmenter:
    """``onnx:...``: mask generator and classifier."""
    from knnclip.networks.onnx_segmenter import OnnxSegmenter, OnnxSettings

    return OnnxSegmenter(read_settings(OnnxSettings, rest, "onnx"), device)


def make_open_clip(rest: str, device: str) -> OpenClip:
    """``openclip:...``: encoder and classifier."""
    from knnclip.networks.open_clip.network import OpenClip, OpenClipSettings

    return OpenClip(read_settings(OpenClipSettings, rest, "openclip"), device)


def make_universal(rest: str, device: str) -> UniversalSegmenter:
    """``universal:...``: mask generator and classifier."""
    from knnclip.networks.universal import UniversalSegmenter, UniversalSettings

    return UniversalSegmenter(read_settings(UniversalSettings, rest, "universal"), device)
