"""Named combinations of a mask generator, an encoder, a classifier and their settings. A preset is data, not code.

The votes of ``builtin`` and ``light`` were chosen on CamVid, each sequence asked of the others. ``clip`` and ``paper``
have that of ``light``; without ``balance``, as in ``paper``, classes with many instances are not held back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from knnclip.decision.assembly import AssemblySettings
from knnclip.decision.fusion import FusionSettings
from knnclip.decision.retrieval import VoteSettings
from knnclip.errors import lookup
from knnclip.parts.spec import EncoderSpec, PartSpec

DEFAULT_PRESET = "builtin"

CONVNEXT_CLIP = "openclip:convnext_base_w,pretrained=laion2b_s13b_b82k_augreg"


@dataclass(frozen=True)
class Preset:
    """What ``Segmenter.open`` puts together. The parts are those of ``knnclip.catalogue``."""

    name: str
    description: str
    masks: PartSpec
    promptable: PartSpec  # makes a mask of a drawn box, a scribble or a point
    encoder: EncoderSpec
    classifier: PartSpec | None
    vote: VoteSettings
    fusion: FusionSettings
    assembly: AssemblySettings


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "builtin": Preset(
            name="builtin",
            description="graph-based regions and a hand-made descriptor; nothing to download, runs on the CPU",
            masks=PartSpec.parse("regions"),
            promptable=PartSpec.parse("grabcut"),
            encoder=EncoderSpec.parse("descriptor"),
            classifier=None,
            vote=VoteSettings(k=16, tau=0.05, balance=0.8),
            fusion=FusionSettings(),
            assembly=AssemblySettings(),
        ),
        "light": Preset(
            name="light",
            description="graph-based regions, a small network beside the descriptor; downloads 14 MB, runs on the CPU",
            masks=PartSpec.parse("regions"),
            promptable=PartSpec.parse("grabcut"),
            encoder=EncoderSpec.parse(
                "1.8 timm:mobilenetv2_100.ra_in1k,stages=2+3+4,stage_weights=0.5+1+1,centre=0.8,"
                "pixels=691200+172800,flip=yes & descriptor"
            ),
            classifier=None,
            vote=VoteSettings(k=16, tau=0.04, balance=1.0),
            fusion=FusionSettings(),
            assembly=AssemblySettings(),
        ),
        "clip": Preset(
            name="clip",
            description="SAM 2 masks, CLIP features and CLIP's own zero-shot classes; downloads 0.9 GB, wants a GPU",
            masks=PartSpec.parse("sam:facebook/sam2.1-hiera-small"),
            promptable=PartSpec.parse("sam:facebook/sam2.1-hiera-small"),
            encoder=EncoderSpec.parse(CONVNEXT_CLIP),
            classifier=PartSpec.parse(CONVNEXT_CLIP),
            vote=VoteSettings(k=16, tau=0.04, balance=1.0),
            fusion=FusionSettings(),
            assembly=AssemblySettings(),
        ),
        "paper": Preset(
            name="paper",
            description=(
                "as in kNN-CLIP: FC-CLIP's masks and classes, DINOv2 features, the paper's fusion; needs FC-CLIP's "
                "checkpoint, wants a GPU"
            ),
            masks=PartSpec.parse("fcclip:fcclip_cocopan.pth"),
            promptable=PartSpec.parse("grabcut"),
            encoder=EncoderSpec.parse("timm:vit_base_patch14_dinov2.lvd142m,pixels=357420"),
            classifier=PartSpec.parse("fcclip:fcclip_cocopan.pth"),
            vote=VoteSettings(k=16, tau=0.04, balance=0.0),
            fusion=FusionSettings(kind="paper"),
            assembly=AssemblySettings(),
        ),
    }
)


def preset_by_name(name: str) -> Preset:
    """The preset of this name; ``UsageError`` lists the known ones."""
    return lookup("preset", name, PRESETS)
