"""The network: CLIP's frozen image tower, Mask2Former's pixel and query decoders, FC-CLIP's own class head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.functional import interpolate, relu
from transformers import Mask2FormerConfig
from transformers.models.mask2former.modeling_mask2former import Mask2FormerPixelDecoder, Mask2FormerTransformerModule

from knnclip.networks.fcclip.naming import PIXEL, PREDICTOR
from knnclip.networks.fcclip.trunks import Features, make_trunk, mean_inside

if TYPE_CHECKING:
    from collections.abc import Sequence

LEVELS_POINTS = 3 * 4
"""Weights of each head of the deformable attention: as many as it has levels (strides 8, 16 and 32) times points."""


@dataclass(frozen=True)
class Layout:
    """The sizes of the decoders."""

    hidden: int  # channels of the decoders
    heads: int
    queries: int
    encoder_layers: int  # of the pixel decoder
    encoder_ffn: int
    decoder_layers: int  # of the query decoder
    decoder_ffn: int
    embed: int  # of CLIP's space

    @classmethod
    def of(cls, shapes: Mapping[str, Sequence[int]]) -> Layout:
        """Read off the shapes of parameters under their official names; ``KeyError`` if one is missing."""

        def count(prefix: str) -> int:
            return 1 + max(int(name[len(prefix) :].partition(".")[0]) for name in shapes if name.startswith(prefix))

        return cls(
            hidden=shapes[PREDICTOR + "query_feat.weight"][1],
            heads=shapes[PIXEL + "transformer.encoder.layers.0.self_attn.attention_weights.bias"][0] // LEVELS_POINTS,
            queries=shapes[PREDICTOR + "query_feat.weight"][0],
            encoder_layers=count(PIXEL + "transformer.encoder.layers."),
            encoder_ffn=shapes[PIXEL + "transformer.encoder.layers.0.linear1.weight"][0],
            decoder_layers=count(PREDICTOR + "transformer_ffn_layers."),
            decoder_ffn=shapes[PREDICTOR + "transformer_ffn_layers.0.linear1.weight"][0],
            embed=shapes["void_embedding.weight"][1],
        )


@dataclass(frozen=True)
class Forward:
    """What one pass over one image gives; L is the number of decoder layers, prediction 0 is made before the first."""

    features: Features
    multi_scale: tuple[torch.Tensor, ...]  # 3 of (1, D, h, w), coarse to fine
    mask_features: torch.Tensor  # (1, D, H/4, W/4)
    queries: tuple[torch.Tensor, ...]  # L + 1 of (Q, D), after the decoder's norm
    masks: tuple[torch.Tensor, ...]  # L + 1 of (1, Q, H/4, W/4), logits


class ClassHead(nn.Module):
    """The class embedding of a query: its mask's mean feature and itself, through an MLP."""

    def __init__(self, hidden: int, embed: int) -> None:
        super().__init__()
        self.pooling = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, hidden))
        self.layers = nn.ModuleList([nn.Linear(hidden, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, embed)])
        self.logit_scale = nn.Parameter(torch.zeros(()))

    def forward(self, queries: torch.Tensor, mask_features: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        """``(Q, D)``, ``(D, h, w)`` and mask logits ``(Q, h, w)`` -> ``(Q, E)``."""
        found: torch.Tensor = queries + self.pooling(mean_inside(mask_features, masks > 0))
        for layer in self.layers[:-1]:
            found = relu(layer(found))
        embedded: torch.Tensor = self.layers[-1](found)
        return embedded


class FcClipNetwork(nn.Module):
    """FC-CLIP without its texts. Frozen, always in evaluation mode."""

    def __init__(self, clip: Any, model: str, layout: Layout) -> None:  # noqa: ANN401 - open_clip's models share no class
        """``clip`` is the open_clip model that is backbone and classifier, ``model`` its name."""
        super().__init__()
        self.clip, self.model, self.layout = clip, model, layout
        self.trunk = make_trunk(clip.visual, model)
        config = Mask2FormerConfig(
            feature_size=layout.hidden,
            mask_feature_size=layout.hidden,
            hidden_dim=layout.hidden,
            encoder_layers=layout.encoder_layers,
            encoder_feedforward_dim=layout.encoder_ffn,
            decoder_layers=layout.decoder_layers + 1,  # it counts the prediction before the first
            dim_feedforward=layout.decoder_ffn,
            num_attention_heads=layout.heads,
            num_queries=layout.queries,
            dropout=0.0,
        )
        self.pixel_decoder = Mask2FormerPixelDecoder(config, feature_channels=self.trunk.channels)
        self.query_decoder = Mask2FormerTransformerModule(layout.hidden, config)
        self.class_head = ClassHead(layout.hidden, layout.embed)
        self.void_embedding = nn.Embedding(1, layout.embed)
        self.eval().requires_grad_(False)

    def forward(self, batch: torch.Tensor) -> Forward:
        """``(1, 3, H, W)``: normalised, padded to sides that are multiples of 32."""
        features = self.trunk.features(batch)
        # As in the original, deformable attention is done in full precision whatever the rest is done in.
        with torch.autocast(batch.device.type, enabled=False):
            pixels = self.pixel_decoder([level.float() for level in features.pyramid], return_dict=True)
        decoded = self.query_decoder(list(pixels.multi_scale_features), pixels.mask_features)
        return Forward(
            features,
            tuple(pixels.multi_scale_features),
            pixels.mask_features,
            tuple(queries[:, 0] for queries in decoded.intermediate_hidden_states),
            tuple(decoded.masks_queries_logits),
        )

    def class_embeddings(self, forward: Forward, layer: int = -1) -> torch.Tensor:
        """``(Q, E)``: what the trained head says of the queries after a layer, not of unit length."""
        embedded: torch.Tensor = self.class_head(
            forward.queries[layer], forward.mask_features[0], forward.masks[layer][0]
        )
        return embedded

    def clip_embeddings(self, dense: torch.Tensor, masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """``(Q, E)``: CLIP's own features pooled by the masks, and ``(Q,)`` whether a mask has a cell there.

        ``dense``: ``(C, h, w)``, as in ``Features.clip_vis_dense``; ``masks``: ``(Q, H/4, W/4)`` logits.
        """
        inside = interpolate(masks[None], size=dense.shape[-2:], mode="bilinear", align_corners=False)[0] > 0
        return self.trunk.embed(dense, inside), inside.flatten(1).any(dim=1)
