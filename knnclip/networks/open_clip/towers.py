"""Image towers of open_clip as dense maps: what is pooled over a mask stays in the space of the texts.

The vector that a tower gives to an image is some mean over its cells followed by a head. Here the mean is taken over a
mask instead, and the same head follows:

* towers that average (ConvNeXt and other convolutional trunks of timm): the trunk's last map, then the trunk's own norm
  and the projection. The mean over the whole image is what ``encode_image`` gives;
* towers that attend (ViT): in the last block each token attends to itself alone, which leaves the value path, so that
  patch tokens are in the space of the class token (MaskCLIP, arXiv 2112.01071, section 3.2); then the tower's own norm
  and projection. The block's residual and its MLP stay, as in MaskCLIP's own code: a patch token goes the way of the
  class token, with other weights of attention alone. Later variants leave both away (ClearCLIP, arXiv 2407.12442) for
  cleaner borders of a map; pooled over a mask, noise between neighbours is averaged out. Position embeddings are
  interpolated to the size of the input;
* towers with an attention pool (SigLIP, CoCa, ModifiedResNet): the pool with equal attention to all of the mask.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from knnclip.errors import UsageError
from knnclip.parts.inputs import LOCAL_PIXELS

if TYPE_CHECKING:
    import torch


class Tower:
    """The dense side of a model's ``visual``. Several threads may use it at once."""

    def __init__(self, visual: Any, model: str) -> None:  # noqa: ANN401 - open_clip's towers share no class
        """``UsageError`` if the tower is of a kind whose maps have no way into the space of the texts."""
        self._maps: Callable[[torch.Tensor], Any]
        self._project: Callable[[torch.Tensor], Any]
        self._visual = visual
        self._own_tokens = _OwnTokens()
        self.multiple: int  # pixels of a side of the input that a cell of the map stands for
        self.pixels = LOCAL_PIXELS  # of the input, unless somebody wants another size
        trunk = getattr(visual, "trunk", None)
        if hasattr(visual, "transformer") and hasattr(visual, "conv1"):
            self._setup_vit(visual)
        elif hasattr(visual, "attnpool"):
            self.multiple = 32
            self._maps, self._project = self._resnet_maps, self._resnet_project
        elif trunk is not None and not hasattr(visual.head, "pool"):
            self._setup_timm(trunk)
        else:
            raise UsageError(f"open_clip model {model} has no maps that can be pooled; use mode=crop")

    def maps(self, batch: torch.Tensor) -> torch.Tensor:
        """``(1, 3, H, W)`` -> ``(1, C, h, w)``."""
        found: torch.Tensor = self._maps(batch)
        return found

    def project(self, pooled: torch.Tensor) -> torch.Tensor:
        """Means over masks ``(N, C)`` -> ``(N, D)`` in the space of the texts, not of unit length."""
        projected: torch.Tensor = self._project(pooled)
        return projected

    def _setup_vit(self, visual: Any) -> None:  # noqa: ANN401
        self.pixels = int(visual.image_size[0] * visual.image_size[1])
        self.multiple = int(visual.patch_size[0])
        self._own_tokens.watch(visual.transformer.resblocks[-1])
        self._maps, self._project = self._vit_maps, self._vit_project

    def _setup_timm(self, trunk: Any) -> None:  # noqa: ANN401
        self.multiple = int(
            trunk.feature_info[-1]["reduction"] if trunk.feature_info else trunk.patch_embed.patch_size[0]
        )
        self._project = self._timm_project
        if not hasattr(trunk, "blocks"):
            self._maps = trunk.forward_features
            return
        self._maps = self._timm_tokens
        self.pixels = int(self._visual.image_size[0] * self._visual.image_size[1])
        if hasattr(trunk, "patch_embed"):  # as timm makes them with dynamic_img_size=True
            from timm.layers import Format

            trunk.dynamic_img_size = True
            trunk.patch_embed.strict_img_size = trunk.patch_embed.flatten = False
            trunk.patch_embed.output_fmt = Format.NHWC
        if trunk.global_pool == "token":
            self._own_tokens.watch(trunk.blocks[-1])

    def _vit_maps(self, batch: torch.Tensor) -> Any:  # noqa: ANN401
        import torch

        visual = self._visual
        patches = visual.conv1(batch)
        grid = patches.shape[-2:]
        positions = visual.positional_embedding
        own = positions[1:].reshape(1, *visual.grid_size, -1).permute(0, 3, 1, 2)
        if grid != own.shape[-2:]:
            own = torch.nn.functional.interpolate(own, size=grid, mode="bicubic", align_corners=False, antialias=True)
        tokens = (patches + own).flatten(2).transpose(1, 2)
        first = (visual.class_embedding + positions[0]).expand(1, 1, -1)
        tokens = visual.ln_pre(torch.cat([first, tokens], dim=1))
        with self._own_tokens():
            tokens = visual.transformer(tokens)[:, 1:]
        if visual.attn_pool is None and not visual.final_ln_after_pool:
            tokens = visual.ln_post(tokens)
        return tokens.transpose(1, 2).unflatten(2, grid)

    def _vit_project(self, pooled: torch.Tensor) -> Any:  # noqa: ANN401
        visual = self._visual
        if visual.attn_pool is None and not visual.final_ln_after_pool:
            found = pooled
        else:  # equal attention to all of the mask is attention to its mean
            found = visual._pool(pooled[:, None].expand(-1, 2, -1))[0]
        return found if visual.proj is None else found @ visual.proj

    def _timm_tokens(self, batch: torch.Tensor) -> Any:  # noqa: ANN401
        trunk = self._visual.trunk
        with self._own_tokens():
            tokens = trunk.forward_features(batch)[:, trunk.num_prefix_tokens :]
        grid = batch.shape[-2] // self.multiple, batch.shape[-1] // self.multiple
        return tokens.transpose(1, 2).unflatten(2, grid)

    def _timm_project(self, pooled: torch.Tensor) -> Any:  # noqa: ANN401
        trunk = self._visual.trunk
        if hasattr(trunk, "blocks"):
            found = trunk.forward_head(pooled[:, None].expand(-1, trunk.num_prefix_tokens + 1, -1))
        else:
            found = trunk.forward_head(pooled[:, :, None, None])
        return self._visual.head(found)

    def _resnet_maps(self, batch: torch.Tensor) -> Any:  # noqa: ANN401
        visual = self._visual
        return visual.layer4(visual.layer3(visual.layer2(visual.layer1(visual.stem(batch)))))

    def _resnet_project(self, pooled: torch.Tensor) -> Any:  # noqa: ANN401
        pool = self._visual.attnpool
        return pool.c_proj(pool.v_proj(pooled))


class _OwnTokens:
    """Makes a block's attention look at each token's own value alone, for the thread that asks for it."""

    def __init__(self) -> None:
        self._asked = threading.local()

    def watch(self, block: torch.nn.Module) -> None:
        """The block that shall do so."""

        def before(_: object, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
            if not getattr(self._asked, "now", False):
                return args, named
            return args[:1], named | {"attn_mask": _diagonal(args[0])}

        block.register_forward_pre_hook(before, with_kwargs=True)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        self._asked.now = True
        try:
            yield
        finally:
            self._asked.now = False


def _diagonal(tokens: torch.Tensor) -> torch.Tensor:
    """``(L, L)``: 0 on the diagonal, minus infinity elsewhere, to be added to the attention's logits."""
    import torch

    count = tokens.shape[1]
    mask = torch.full((count, count), -torch.inf, dtype=tokens.dtype, device=tokens.device)
    return mask.fill_diagonal_(0)
