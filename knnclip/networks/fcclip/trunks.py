"""The frozen CLIP image tower of FC-CLIP, stage by stage, and its head on features pooled by masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from knnclip.errors import WeightsError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Features:
    """Maps of one batch at strides 4, 8, 16 and 32, and the last one as CLIP's head takes it."""

    res2: torch.Tensor
    res3: torch.Tensor
    res4: torch.Tensor
    res5: torch.Tensor
    clip_vis_dense: torch.Tensor

    @property
    def pyramid(self) -> list[torch.Tensor]:
        """Fine to coarse."""
        return [self.res2, self.res3, self.res4, self.res5]


class ConvNextTrunk:
    """A ConvNeXt tower of open_clip, a timm trunk under ``visual.trunk``."""

    on_valid_mask = False  # a mask without a cell is classified like any other

    def __init__(self, visual: Any) -> None:  # noqa: ANN401 - open_clip's towers share no class
        self._visual = visual
        self.channels = [int(stage["num_chs"]) for stage in visual.trunk.feature_info]

    def features(self, batch: torch.Tensor) -> Features:
        """``(B, 3, H, W)``, sides multiples of 32."""
        trunk = self._visual.trunk
        res2 = trunk.stages[0](trunk.stem(batch))
        res3 = trunk.stages[1](res2)
        res4 = trunk.stages[2](res3)
        res5 = trunk.stages[3](res4)
        return Features(res2, res3, res4, res5, trunk.norm_pre(res5))

    def embed(self, dense: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        """``(Q, E)`` of one image: the mean of ``(C, h, w)`` over each of ``(Q, h, w)`` masks, through CLIP's head.

        Masks are boolean, or the share of each cell.
        """
        pooled = mean_inside(dense, inside)
        embedded: torch.Tensor = self._visual.head(self._visual.trunk.forward_head(pooled[:, :, None, None]))
        return embedded


class ResNetTrunk:
    """A ModifiedResNet tower of open_clip, whose head is an attention pool."""

    on_valid_mask = True  # what attention has nothing to look at says nothing

    def __init__(self, visual: Any) -> None:  # noqa: ANN401
        self._visual = visual
        width = int(visual.layer1[0].conv1.in_channels) * 4
        self.channels = [width << i for i in range(4)]

    def features(self, batch: torch.Tensor) -> Features:
        """``(B, 3, H, W)``, sides multiples of 32."""
        visual = self._visual
        res2 = visual.layer1(visual.stem(batch))
        res3 = visual.layer2(res2)
        res4 = visual.layer3(res3)
        res5 = visual.layer4(res4)
        return Features(res2, res3, res4, res5, res5)

    def embed(self, dense: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        """``(Q, E)`` of one image: attention over the cells of each mask, the query being the mean of the whole map."""
        import torch
        from torch.nn.functional import interpolate, multi_head_attention_forward

        pool, grid = self._visual.attnpool, dense.shape[-2:]
        first, positions = pool.positional_embedding[:1], pool.positional_embedding[1:]
        side = round(len(positions) ** 0.5)
        square = positions.T.reshape(1, -1, side, side)
        resized = interpolate(square, size=grid, mode="bilinear", align_corners=False)[0].flatten(1).T
        cells = dense.flatten(1).T
        query = (cells.mean(dim=0, keepdim=True) + first)[:, None].expand(len(inside), 1, -1)
        share = inside.flatten(1).to(dense.dtype)
        hidden = share < share.amax(dim=1, keepdim=True) / 2  # of soft masks, the cells that have least of it
        hidden |= share == 0
        hidden &= ~hidden.all(dim=1, keepdim=True)  # a mask without a cell sees all; it is not asked for its answer
        keys = (cells + resized)[:, None]
        embedded, _ = multi_head_attention_forward(
            query=query.transpose(0, 1).reshape(len(inside), 1, -1),
            key=keys,
            value=keys,
            embed_dim_to_check=query.shape[-1],
            num_heads=pool.num_heads,
            in_proj_weight=None,
            in_proj_bias=torch.cat([pool.q_proj.bias, pool.k_proj.bias, pool.v_proj.bias]),
            bias_k=None,
            bias_v=None,
            add_zero_attn=False,
            dropout_p=0.0,
            out_proj_weight=pool.c_proj.weight,
            out_proj_bias=pool.c_proj.bias,
            training=False,
            need_weights=False,
            attn_mask=hidden,
            use_separate_proj_weight=True,
            q_proj_weight=pool.q_proj.weight,
            k_proj_weight=pool.k_proj.weight,
            v_proj_weight=pool.v_proj.weight,
        )
        return embedded[:, 0]


Trunk = ConvNextTrunk | ResNetTrunk


def make_trunk(visual: Any, model: str) -> Trunk:  # noqa: ANN401
    """The stages of a tower; ``WeightsError`` if it is of a kind that FC-CLIP is not made for."""
    if hasattr(visual, "trunk") and hasattr(visual.trunk, "stages"):
        return ConvNextTrunk(visual)
    if hasattr(visual, "attnpool"):
        return ResNetTrunk(visual)
    raise WeightsError(f"CLIP model {model} is neither a ConvNeXt nor a ResNet; FC-CLIP has no other backbones")


def mean_inside(maps: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """``(Q, C)``: the mean of ``(C, h, w)`` over ``(Q, h, w)`` masks, boolean or shares; 0 where a mask has no cell."""
    chosen = inside.flatten(1).to(maps.dtype)
    return chosen @ maps.flatten(1).T / (chosen.sum(dim=1, keepdim=True) + 1e-8)
