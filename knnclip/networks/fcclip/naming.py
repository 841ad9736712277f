"""The names of parameters: those of the published FC-CLIP checkpoints, and those of the modules used here.

Both are the same tensors, but for the self-attention of the query decoder, whose query, key and value projections the
checkpoints keep as one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

PIXEL, PREDICTOR, LAYER = "sem_seg_head.pixel_decoder.", "sem_seg_head.predictor.", "query_decoder.decoder.layers.{}."
PREFIXES: tuple[tuple[str, str], ...] = (
    ("backbone.clip_model.", "clip."),
    ("void_embedding.", "void_embedding."),
    (PIXEL + "transformer.level_embed", "pixel_decoder.level_embed"),
    (PIXEL + "transformer.encoder.layers.{}.norm1.", "pixel_decoder.encoder.layers.{}.self_attn_layer_norm."),
    (PIXEL + "transformer.encoder.layers.{}.norm2.", "pixel_decoder.encoder.layers.{}.final_layer_norm."),
    (PIXEL + "transformer.encoder.layers.{}.linear1.", "pixel_decoder.encoder.layers.{}.fc1."),
    (PIXEL + "transformer.encoder.layers.{}.linear2.", "pixel_decoder.encoder.layers.{}.fc2."),
    (PIXEL + "transformer.encoder.layers.{}.self_attn.", "pixel_decoder.encoder.layers.{}.self_attn."),
    (PIXEL + "input_proj.", "pixel_decoder.input_projections."),
    (PIXEL + "mask_features.", "pixel_decoder.mask_projection."),
    (PIXEL + "adapter_1.norm.", "pixel_decoder.adapter_1.1."),
    (PIXEL + "adapter_1.weight", "pixel_decoder.adapter_1.0.weight"),
    (PIXEL + "layer_1.norm.", "pixel_decoder.layer_1.1."),
    (PIXEL + "layer_1.weight", "pixel_decoder.layer_1.0.weight"),
    (PREDICTOR + "transformer_self_attention_layers.{}.norm.", LAYER + "self_attn_layer_norm."),
    (PREDICTOR + "transformer_self_attention_layers.{}.self_attn.out_proj.", LAYER + "self_attn.out_proj."),
    (PREDICTOR + "transformer_cross_attention_layers.{}.multihead_attn.", LAYER + "cross_attn."),
    (PREDICTOR + "transformer_cross_attention_layers.{}.norm.", LAYER + "cross_attn_layer_norm."),
    (PREDICTOR + "transformer_ffn_layers.{}.linear1.", LAYER + "fc1."),
    (PREDICTOR + "transformer_ffn_layers.{}.linear2.", LAYER + "fc2."),
    (PREDICTOR + "transformer_ffn_layers.{}.norm.", LAYER + "final_layer_norm."),
    (PREDICTOR + "decoder_norm.", "query_decoder.decoder.layernorm."),
    (PREDICTOR + "mask_embed.layers.{}.", "query_decoder.decoder.mask_predictor.mask_embedder.{}.0."),
    (PREDICTOR + "query_feat.", "query_decoder.queries_features."),
    (PREDICTOR + "query_embed.", "query_decoder.queries_embedder."),
    (PREDICTOR + "level_embed.", "query_decoder.level_embed."),
    (PREDICTOR + "_mask_pooling_proj.", "class_head.pooling."),
    (PREDICTOR + "class_embed.layers.", "class_head.layers."),
    (PREDICTOR + "logit_scale", "class_head.logit_scale"),
)
"""Beginnings of official names and of ours; ``{}`` is the number of a layer."""

JOINT = PREDICTOR + "transformer_self_attention_layers.{}.self_attn.in_proj_{}"
SPLIT = LAYER + "self_attn.{}_proj.{}"
PROJECTIONS = ("q", "k", "v")

TRAINING = ("criterion.",)
"""What only training uses; checkpoints may have it."""


def to_own(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Official names to ours. What has no place keeps its name, to be found as left over."""
    own: dict[str, torch.Tensor] = {}
    for name, tensor in weights.items():
        if joint := re.fullmatch(_pattern(JOINT, r"(\d+)", "(weight|bias)"), name):
            layer, kind = joint.groups()
            for projection, piece in zip(PROJECTIONS, tensor.chunk(3), strict=True):
                own[SPLIT.format(layer, projection, kind)] = piece
        else:
            own[_renamed(name, PREFIXES)] = tensor
    return own


def to_official(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Our names to the official ones."""
    import torch

    official: dict[str, torch.Tensor] = {}
    back = tuple((ours, theirs) for theirs, ours in PREFIXES)
    for name, tensor in weights.items():
        if split := re.fullmatch(_pattern(SPLIT, r"(\d+)", "(q|k|v)", "(weight|bias)"), name):
            layer, projection, kind = split.groups()
            if projection == "q":
                pieces = [weights[SPLIT.format(layer, other, kind)] for other in PROJECTIONS]
                official[JOINT.format(layer, kind)] = torch.cat(pieces)
        else:
            official[_renamed(name, back)] = tensor
    return official


def _renamed(name: str, prefixes: Iterable[tuple[str, str]]) -> str:
    for before, after in prefixes:
        if found := re.match(_pattern(before, r"(\d+)"), name):
            return after.format(*found.groups()) + name[found.end() :]
    return name


def _pattern(template: str, *groups: str) -> str:
    """A regular expression for a template whose places are filled by these, the last one for all that follow."""
    literal, *rest = (re.escape(piece) for piece in template.split("{}"))
    for place, piece in enumerate(rest):
        literal += groups[min(place, len(groups) - 1)] + piece
    return literal
