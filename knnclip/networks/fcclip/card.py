"""FC-CLIP's card and settings, without FC-CLIP: its modules import PyTorch, and a card loads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from knnclip.parts.card import Card
from knnclip.parts.proposals import ProposalLimits
from knnclip.parts.roles import Encoder, MaskGenerator, ZeroShotClassifier
from knnclip.parts.weights import Need

PUBLISHED_MB = 1490
"""Size of the published ConvNeXt-L checkpoint, the one that most people mean."""

ALPHA, BETA = 0.4, 0.8
"""CLIP's share in the logarithm of a class that training saw, and of one that it did not (FC-CLIP's config)."""

SHORT_PX, LONG_PX = 800, 1333
"""The size of the input in FC-CLIP's own evaluation on COCO: the shorter side, but the longer at most."""


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
    return [Need(str(settings.model), Path(settings.model).is_file(), PUBLISHED_MB)]


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
