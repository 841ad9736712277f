"""Networks of the presets at their published size with random weights, as files that the parts load.

What a network takes, in memory and time, does not depend on its weights; nothing is downloaded.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import open_clip
import timm
import torch
import transformers as tf
from safetensors.torch import save_file

from knnclip.datasets.class_lists import read_class_list
from knnclip.networks.fcclip.naming import to_official
from knnclip.networks.fcclip.network import FcClipNetwork
from knnclip.parts.spec import EncoderSpec, PartSpec
from knnclip.presets import Preset
from scripts.benchmark_fcclip import PUBLISHED

SAM2_BACKBONES: Mapping[str, dict[str, Any]] = {
    "tiny": {"blocks_per_stage": [1, 2, 7, 2], "global_attention_blocks": [5, 7, 9]},
    "small": {"blocks_per_stage": [1, 2, 11, 2], "global_attention_blocks": [7, 10, 13]},
}
"""Of the published configurations what differs from transformers' defaults, by the end of the model's name."""

FCCLIP_BACKBONE = "convnext_large_d_320"


def sam2(model: str) -> tf.Sam2Model:
    """SAM 2.1 by its name."""
    backbone = tf.Sam2HieraDetConfig(**SAM2_BACKBONES[model.rpartition("-")[2]])
    return tf.Sam2Model(tf.Sam2Config(vision_config=tf.Sam2VisionConfig(backbone_config=backbone)))


def eomt_small() -> tf.EomtForUniversalSegmentation:
    """EoMT-S of 640 px on COCO panoptic's classes."""
    names = dict(enumerate(label.name for label in read_class_list("coco-panoptic", "id").values()))
    config = tf.EomtConfig(
        hidden_size=384, num_hidden_layers=12, num_attention_heads=6, image_size=640, patch_size=16, num_blocks=3,
        num_queries=200, num_labels=len(names),
    )  # fmt: skip
    config.id2label = names
    return tf.EomtForUniversalSegmentation(config)


def fcclip() -> FcClipNetwork:
    """FC-CLIP with ConvNeXt-L."""
    return FcClipNetwork(_clip(FCCLIP_BACKBONE), FCCLIP_BACKBONE, PUBLISHED)


def stand_in(preset: Preset, folder: Path) -> Preset:
    """The preset with a file of random weights for each network, the same for the same name."""
    made: dict[PartSpec, PartSpec] = {}

    def part(spec: PartSpec) -> PartSpec:
        if spec not in made:
            torch.manual_seed(0)
            make = MAKERS.get(spec.name)
            made[spec] = spec if make is None else make(spec, folder / str(len(made)))
        return made[spec]

    return replace(
        preset,
        masks=part(preset.masks),
        promptable=part(preset.promptable),
        encoder=EncoderSpec(tuple((weight, part(spec)) for weight, spec in preset.encoder.terms)),
        classifier=None if preset.classifier is None else part(preset.classifier),
    )


def _sam2(spec: PartSpec, folder: Path) -> PartSpec:
    sam2(spec.model).save_pretrained(folder)
    tf.Sam2Processor(tf.Sam2ImageProcessor()).save_pretrained(folder)
    return replace(spec, model=str(folder))


def _universal(spec: PartSpec, folder: Path) -> PartSpec:
    eomt_small().save_pretrained(folder)
    size = {"shortest_edge": 640, "longest_edge": 640}
    tf.EomtImageProcessor(size=size, do_split_image=False, do_pad=True).save_pretrained(folder)
    return replace(spec, model=str(folder))


def _timm(spec: PartSpec, folder: Path) -> PartSpec:
    if spec.model.startswith("pip:"):  # its weights come with pip
        return spec
    return spec.with_option("weights", _saved(timm.create_model(spec.model, num_classes=0), folder))


def _open_clip(spec: PartSpec, folder: Path) -> PartSpec:
    return spec.with_option("weights", _saved(_clip(spec.model), folder))


def _fcclip(spec: PartSpec, folder: Path) -> PartSpec:
    folder.mkdir(parents=True)
    names = folder / "names.txt"
    names.write_text("car\nhouse\ntree\n")  # their vectors are made once and kept: no part of a picture's time
    official = {name: tensor.contiguous() for name, tensor in to_official(fcclip().state_dict()).items()}
    save_file(official, folder / "fcclip.safetensors")
    return replace(spec, model=str(folder / "fcclip.safetensors")).with_option("trained", str(names))


MAKERS = {"sam": _sam2, "universal": _universal, "timm": _timm, "openclip": _open_clip, "fcclip": _fcclip}


def _clip(model: str) -> torch.nn.Module:
    logging.disable(logging.WARNING)  # that its weights are random
    try:
        return open_clip.create_model(model, load_weights=False, pretrained_image=False, pretrained_text=False)
    finally:
        logging.disable(logging.NOTSET)


def _saved(network: torch.nn.Module, folder: Path) -> str:
    folder.mkdir(parents=True)
    tensors = {name: tensor.contiguous().clone() for name, tensor in network.state_dict().items()}
    save_file(tensors, folder / "model.safetensors")
    return str(folder / "model.safetensors")
