"""Universal segmentation networks of transformers: Mask2Former, OneFormer, EoMT and their kin, by id or folder.

Each query is a proposal: its soft mask cut at one half. Its score is the probability of its best label times the mean
of the soft mask inside, as in MaskFormer's inference (arXiv 2107.06278, section 3.4). P_base is taken from the same
forward pass: the network's semantic scores, the sum over queries of label probability times soft mask.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from knnclip.images import reduce_image
from knnclip.networks.hub import from_hub, is_cached
from knnclip.networks.label_maps import LabelMaps
from knnclip.networks.recent import Recent
from knnclip.parts.card import Card
from knnclip.parts.device import autocast, pick_device
from knnclip.parts.pooling import Layout
from knnclip.parts.proposals import ProposalLimits, best_proposals, enlarged_mask
from knnclip.parts.roles import MaskGenerator, ZeroShotClassifier
from knnclip.parts.settings import HubModel
from knnclip.parts.weights import Need
from knnclip.structures import Float32, Image, Mask, Proposals

if TYPE_CHECKING:
    import torch

WORKING_PX = 1024
"""Masks are made on a copy of at most so many pixels on its longer side; the networks' own maps are a quarter of an
input of about this size, so that more would enlarge blur."""

MAP_STRIDE = 4
"""Pixels of the working copy for one cell of the label probabilities: as coarse as the networks' own masks, for a finer
map holds nothing more."""

QUERIES_AT_ONCE = 32
"""Soft masks that are enlarged to the working copy at a time: 32 of 1024 x 1024 are 134 MB. All at once would be 0.8 GB
for the 200 queries of a large network; fewer make more and smaller calls."""


@dataclass(frozen=True)
class UniversalSettings(ProposalLimits):
    """The options of ``universal:MODEL,...``."""

    model: Annotated[HubModel, "an id of the hub or a folder"]
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
        self._asks = self.network.config.model_type == "oneformer"
        kind = AutoProcessor if self._asks else AutoImageProcessor
        self._prepare: Any = from_hub(self.name, settings.model, lambda: kind.from_pretrained(settings.model))
        self._processor = self._prepare.image_processor if self._asks else self._prepare
        labels = self.network.config.id2label
        self.labels = [tuple(name.strip() for name in labels[i].split(",")) for i in range(len(labels))]
        self._answer = Recent(self._forward)

    def generate(self, image: Image) -> Proposals:
        """The masks of the queries, by falling score."""
        answer = self._answer(image)
        shape = (int(image.shape[0]), int(image.shape[1]))
        return best_proposals(shape, answer.masks, answer.scores, self.settings)

    def probabilities(self, image: Image) -> Float32:
        """``(L, h, w) float32``: the semantic scores, divided by their sum where that is above 1."""
        return self._answer(image).probabilities

    def _forward(self, image: Image) -> Answer:
        import torch

        working = reduce_image(image, WORKING_PX)
        height, width = int(working.shape[0]), int(working.shape[1])
        asked = {"task_inputs": [self.settings.task]} if self._asks else {}
        inputs = self._prepare(images=working, return_tensors="pt", **asked).to(self.device)
        with torch.inference_mode(), autocast(self.device):
            outputs = self.network(**inputs)
        outputs.masks_queries_logits = outputs.masks_queries_logits.float()
        outputs.class_queries_logits = outputs.class_queries_logits.float()
        grid = (max(1, height // MAP_STRIDE), max(1, width // MAP_STRIDE))
        with torch.inference_mode():
            semantic = self._processor.post_process_semantic_segmentation(
                outputs, target_sizes=[grid], return_segmentation_scores=True
            )[0].segmentation_scores
            semantic = semantic / semantic.sum(dim=0, keepdim=True).clamp(min=1)
            masks, scores = [], []
            for soft, best in self._queries(outputs, inputs, (height, width)):
                inside = soft > 0.5
                if inside.any():
                    masks.append(enlarged_mask(inside.cpu().numpy(), (int(image.shape[0]), int(image.shape[1]))))
                    scores.append(float(best * soft[inside].mean()))
        return Answer(tuple(masks), np.array(scores, dtype=np.float32), semantic.cpu().numpy())

    def _queries(
        self,
        outputs: Any,  # noqa: ANN401 - each network has a class of its own
        inputs: Any,  # noqa: ANN401
        shape: tuple[int, int],
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The soft mask ``(H, W)`` of each query of each window, and the probability of its best label."""
        best = outputs.class_queries_logits.softmax(dim=-1)[..., :-1].amax(dim=-1)
        for window, logits in enumerate(outputs.masks_queries_logits):
            for start in range(0, len(logits), QUERIES_AT_ONCE):
                some = logits[start : start + QUERIES_AT_ONCE]
                soft = self._placed(some[None], inputs, window, shape)
                yield from zip(soft, best[window, start : start + QUERIES_AT_ONCE], strict=True)

    def _placed(self, logits: torch.Tensor, inputs: Any, window: int, shape: tuple[int, int]) -> torch.Tensor:  # noqa: ANN401
        """``(Q, H, W)``: soft masks of one window of the input where they lie in the image."""
        import torch

        size = inputs["pixel_values"].shape[-2:]
        soft = torch.nn.functional.interpolate(logits, size=size, mode="bilinear", align_corners=False).sigmoid()
        placed: torch.Tensor
        if offsets := inputs.get("patch_offsets"):
            only = [(0, *(int(edge) for edge in offsets[window][1:]))]
            placed = self._processor.merge_image_patches(soft, only, [shape], self._processor.size)[0]
        elif getattr(self._processor, "do_pad", False) and hasattr(self._processor, "unpad_image"):
            placed = self._processor.unpad_image(soft, [shape], self._processor.size)[0]
        else:
            placed = torch.nn.functional.interpolate(soft, size=shape, mode="bilinear", align_corners=False)[0]
        return placed


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
