"""Universal segmentation networks of transformers: Mask2Former, OneFormer, EoMT and their kin, by id or folder.

The image is shown at the size that the network was trained for (``universal_input``). Each query is a proposal: its
soft mask cut at one half. Its score is the probability of its best label times the mean of the soft mask inside, as in
MaskFormer's inference (arXiv 2107.06278, section 3.4). P_base is taken from the same forward pass: the network's
semantic scores, the sum over queries of label probability times soft mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from knnclip.images import reduced_size
from knnclip.networks.hub import from_hub, is_cached
from knnclip.networks.label_lists import LabelList, labels_of
from knnclip.networks.label_maps import LabelMaps
from knnclip.networks.recent import Recent
from knnclip.networks.universal_input import UniversalInput
from knnclip.parts.card import Card
from knnclip.parts.device import autocast, pick_device
from knnclip.parts.proposals import ProposalLimits, best_proposals, enlarged_mask
from knnclip.parts.roles import MaskGenerator, ZeroShotClassifier
from knnclip.parts.settings import HubModel
from knnclip.parts.weights import Need
from knnclip.structures import Float32, Image, Layout, Mask, Proposals

if TYPE_CHECKING:
    import torch

WORKING_PX = 1024
"""Masks are made for a copy of at most so many pixels on its longer side; the networks' own maps are a quarter of an
input of about this size, so that more would enlarge blur. The network itself is shown the image."""

MAP_STRIDE = 4
"""Pixels of the working copy for one cell of the label probabilities: as coarse as the networks' own masks, for a finer
map holds nothing more."""

SOFT_PX_AT_ONCE = 32 * 2**20
"""Pixels of soft masks at a time, as many queries as they hold: 134 MB. All 200 queries of a large network at once
would be 0.8 GB; fewer make more and smaller calls."""


@dataclass(frozen=True)
class UniversalSettings(ProposalLimits):
    """The options of ``universal:MODEL,...``."""

    model: Annotated[HubModel, "an id of the hub or a folder"]
    labels: Annotated[
        LabelList,
        "names for the network's labels in its order, in place of its own: a text file, one a line, synonyms after "
        "commas, or a published list, `coco-panoptic`",
    ] = ""
    size: Annotated[
        int,
        "pixels of the input's shorter side, if other than in training (Mask2Former on COCO: 800, EoMT: its own alone)",
    ] = 0
    task: Annotated[str, "what a OneFormer is asked for: `panoptic`, `semantic` or `instance`"] = "panoptic"


@dataclass(frozen=True, eq=False)
class Answer:
    """What one forward pass gives."""

    masks: tuple[Mask, ...]  # Q
    scores: Float32  # (Q,)
    probabilities: Float32  # (L, h, w)


class UniversalSegmenter(LabelMaps):
    """The generator and the classifier ``universal``. Frozen, without gradients."""

    name = "universal"
    layout: Layout = "tiles"

    def __init__(self, settings: UniversalSettings, device: str = "auto") -> None:
        """Loads the network; ``WeightsError`` if it is not here and cannot be fetched, or is of another kind."""
        from transformers import AutoImageProcessor, AutoModelForUniversalSegmentation, AutoProcessor

        self.settings, self.device = settings, pick_device(device)
        self.network: Any = from_hub(
            self.name, settings.model, lambda: AutoModelForUniversalSegmentation.from_pretrained(settings.model)
        )
        self.network.eval().requires_grad_(False).to(self.device)
        # A OneFormer is told its task as text.
        config = self.network.config
        self._asks = config.model_type == "oneformer"
        kind = AutoProcessor if self._asks else AutoImageProcessor
        prepare: Any = from_hub(self.name, settings.model, lambda: kind.from_pretrained(settings.model))
        self.input = UniversalInput(prepare, config, settings.size)
        own = [config.id2label[i] for i in range(len(config.id2label))]
        self.labels = labels_of(f"{self.name}: {settings.model}", len(own), settings.labels, own)
        self._answer = Recent(self._forward)

    def generate(self, image: Image) -> Proposals:
        """The masks of the queries, by falling score."""
        answer = self._answer(image)
        shape = (int(image.shape[0]), int(image.shape[1]))
        return best_proposals(shape, answer.masks, answer.scores, self.settings)

    def probabilities(self, image: Image) -> Float32:
        """``(L, h, w) float32``: the semantic scores, divided by their sum where that is above 1.

        A cell holds the mean over ``MAP_STRIDE`` x ``MAP_STRIDE`` pixels of the working copy.
        """
        return self._answer(image).probabilities

    def _forward(self, image: Image) -> Answer:
        import torch
        from torch.nn.functional import adaptive_avg_pool2d

        shape = (int(image.shape[0]), int(image.shape[1]))
        working = reduced_size(shape, WORKING_PX)
        grid = (max(1, working[0] // MAP_STRIDE), max(1, working[1] // MAP_STRIDE))
        inputs, windows = self.input(image, **({"task_inputs": [self.settings.task]} if self._asks else {}))
        inputs = inputs.to(self.device)
        masks, scores = [], []
        with torch.inference_mode():
            with autocast(self.device):
                outputs = self.network(**inputs)
            labels = outputs.class_queries_logits.float().softmax(dim=-1)[..., :-1]
            semantic = labels.new_zeros((labels.shape[-1], *grid))
            seen = labels.new_zeros((1, *grid))
            for window, likely, logits in zip(windows, labels, outputs.masks_queries_logits.float(), strict=True):
                size = inputs["pixel_values"].shape[-2:]
                seen += adaptive_avg_pool2d(window.placed(labels.new_ones((1, *size)), working), grid)
                some = max(1, SOFT_PX_AT_ONCE // max(size.numel(), working[0] * working[1]))
                for part, chances in zip(logits.split(some), likely.split(some), strict=True):
                    soft = window.placed(_soft_masks(part, size), working)
                    semantic += torch.einsum("ql,qhw->lhw", chances, adaptive_avg_pool2d(soft, grid))
                    for query, best in zip(soft, chances.amax(dim=-1), strict=True):
                        inside = query > 0.5
                        if inside.any():
                            masks.append(enlarged_mask(inside.cpu().numpy(), shape))
                            scores.append(float(best * query[inside].mean()))
            semantic /= seen  # windows overlap
            semantic /= semantic.sum(dim=0, keepdim=True).clamp(min=1)
        return Answer(tuple(masks), np.array(scores, dtype=np.float32), semantic.cpu().numpy())


def _soft_masks(logits: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """``(Q, h, w)`` logits -> ``(Q, *size)`` probabilities at the size of the input."""
    import torch

    enlarged = torch.nn.functional.interpolate(logits[None], size=size, mode="bilinear", align_corners=False)[0]
    return enlarged.sigmoid()


def _needs(settings: UniversalSettings) -> Sequence[Need]:
    return [Need(settings.model, is_cached(settings.model), None)]


CARD = Card(
    name="universal",
    form="universal:MODEL",
    summary="universal segmentation networks of transformers: Mask2Former, OneFormer, EoMT",
    roles={
        MaskGenerator: "Mask2Former, OneFormer, EoMT of the hub or a folder",
        ZeroShotClassifier: "the network's own labels, by name and synonym",
    },
    licence="Apache-2.0 (transformers); each model's weights have their own",
    settings=UniversalSettings,
    make=UniversalSegmenter,
    needs=_needs,
)
