"""FC-CLIP's card and settings, without FC-CLIP: its modules import PyTorch, and a card loads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from knnclip.parts.card import Card
from knnclip.parts.proposals import ProposalLimits
from knnclip.parts.roles import Encoder, MaskGenerator, ZeroShotClassifier
from knnclip.parts.weights import Need, Published

ALPHA, BETA = 0.4, 0.8
"""CLIP's share in the logarithm of a class that training saw, and of one that it did not (FC-CLIP's config)."""

SHORT_PX, LONG_PX = 800, 1333
"""The size of the input in FC-CLIP's own evaluation on COCO: the shorter side, but the longer at most."""


def _check(path: Path) -> None:
    import torch

    from knnclip.networks.fcclip.checkpoint import make_network, read_checkpoint

    shapes = {name: tuple(tensor.shape) for name, tensor in read_checkpoint(path).items()}
    with torch.device("meta"):
        make_network(shapes, source=str(path))


CHECKPOINT = Published(
    name="fcclip_cocopan.pth",
    page="https://drive.google.com/file/d/1-91PIns86vyNaL3CzMmDD39zKGnPMtvj/view",
    size_mb=1490,
    sha256="241c141e0fec7f3be7e06915daee60807502de3b7ae8b8cbef2560d6df346257",
    says_so="a package that uses it; FC-CLIP's own page, github.com/bytedance/fc-clip, gives none",
    check=_check,
)
"""FC-CLIP with ConvNeXt-L, trained on COCO panoptic: the checkpoint that most people mean. The size is that of its
tensors, those of the training's criterion left out."""


@dataclass(frozen=True)
class FcClipSettings(ProposalLimits):
    """The options of ``fcclip:FILE,...``."""

    model: Annotated[Path, "a published checkpoint, or one that `knnclip convert fcclip` wrote"]
    clip: Annotated[str, "open_clip's model, where the shapes of the checkpoint do not tell it"] = ""
    trained: Annotated[
        Path | None, "a file with the training's classes, a line each with its names (else COCO panoptic's)"
    ] = None
    alpha: Annotated[float, "CLIP's share where a class is one of the training's"] = ALPHA
    beta: Annotated[float, "CLIP's share where it is not"] = BETA
    distractors: Annotated[bool, "whether a mask may be a trained class that the vocabulary lacks"] = True
    short_px: Annotated[int, "shorter side of the input"] = SHORT_PX
    long_px: Annotated[int, "longer side of the input, at most"] = LONG_PX


def _make(settings: FcClipSettings, device: str) -> object:
    from knnclip.networks.fcclip.part import FcClip

    return FcClip(settings, device)


def _needs(settings: FcClipSettings) -> Sequence[Need]:
    return [Need.of_file(settings.model, CHECKPOINT)]


CARD = Card(
    name="fcclip",
    form="fcclip:FILE",
    summary="FC-CLIP by its published checkpoint: masks, classes and features in one forward pass",
    roles={
        Encoder: "FC-CLIP's CLIP features, pooled by the masks",
        MaskGenerator: "FC-CLIP by its published checkpoint, see below",
        ZeroShotClassifier: "FC-CLIP's two classifiers and their ensemble, for any names",
    },
    licence="Apache-2.0 (code); the checkpoint as its page says",
    settings=FcClipSettings,
    make=_make,
    needs=_needs,
)
