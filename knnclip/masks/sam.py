"""Segment Anything, the first and the second (arXiv 2304.02643, 2408.00714), through transformers.

Without a prompt it is asked at a grid of points, and what is stable and not found twice becomes the proposals. With
one, a drawn box, a point or a scribble, it gives the object there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any

import numpy as np

from knnclip.errors import MaskError, UsageError
from knnclip.images import reduce_image
from knnclip.networks.hub import from_hub, is_cached
from knnclip.networks.recent import Recent
from knnclip.parts.card import Card
from knnclip.parts.device import autocast, pick_device
from knnclip.parts.proposals import ProposalLimits, best_proposals, enlarged_mask
from knnclip.parts.roles import MaskGenerator, PromptableGenerator
from knnclip.parts.settings import HubModel
from knnclip.parts.weights import Need
from knnclip.structures import Bool, Box, Float32, Image, Mask, Proposals

WORKING_PX = 1024
"""Longer side of the copy on which masks are made: the side of the network's own input."""

POINTS_OF_A_SCRIBBLE = 8
"""Points that stand for a scribble: as many as an object got after its first prompt when the network was trained (arXiv
2304.02643, appendix A). More is outside of what it knows, fewer leave the ends of a long line away."""

SIZES_MB: Mapping[str, float] = MappingProxyType(
    {
        "facebook/sam2.1-hiera-tiny": 156,
        "facebook/sam2.1-hiera-small": 184,
        "facebook/sam2.1-hiera-base-plus": 324,
        "facebook/sam2.1-hiera-large": 898,
        "facebook/sam-vit-base": 375,
        "facebook/sam-vit-large": 1249,
        "facebook/sam-vit-huge": 2564,
    }
)
"""Of the published weights, in float32."""


@dataclass(frozen=True)
class SamSettings(ProposalLimits):
    """The options of ``sam:MODEL,...``.

    The grid and ``max_box_iou`` are those of SAM's own automatic mask generator. Its limits of score and stability are
    for few and certain masks; these are lower, for the store decides what a mask is. The generator asks at 64 points at
    once, which needs twice the memory of 16 and is no faster on the CPU.
    """

    model: Annotated[HubModel, "an id of the hub or a folder"]
    points: Annotated[int, "of the grid, along each side"] = 32
    points_at_once: Annotated[int, "of the grid, in one batch"] = 16
    min_score: Annotated[float, "the network's own estimate of a mask's IoU, at least"] = 0.7
    min_stability: Annotated[float, "IoU of a mask with itself when its threshold is moved, at least"] = 0.9
    max_box_iou: Annotated[float, "of two masks whose boxes overlap more the better one is kept"] = 0.7

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.points < 1 or self.points_at_once < 1:
            raise UsageError(f"sam is asked at 1 point or more, found points={self.points}")


class Sam:
    """The generator and the promptable generator ``sam``. Frozen, without gradients."""

    name = "sam"

    def __init__(self, settings: SamSettings, device: str = "auto") -> None:
        """Loads the network; ``WeightsError`` if it is not here and cannot be fetched, or is of another kind."""
        from transformers import AutoModelForMaskGeneration, AutoProcessor, MaskGenerationPipeline

        self.settings, self.device = settings, pick_device(device)
        model = settings.model
        self.network: Any = from_hub(self.name, model, lambda: AutoModelForMaskGeneration.from_pretrained(model))
        self.network.eval().requires_grad_(False).to(self.device)
        self.network.register_forward_hook(_in_single_precision)
        self._processor: Any = from_hub(self.name, model, lambda: AutoProcessor.from_pretrained(model))
        self._everywhere = MaskGenerationPipeline(
            model=self.network, image_processor=self._processor.image_processor, device=self.device
        )
        self._embeddings = Recent(self._embed)

    def generate(self, image: Image) -> Proposals:
        """The stable masks at the points of a grid, by falling score."""
        from PIL import Image as Pil

        shape = (int(image.shape[0]), int(image.shape[1]))
        with autocast(self.device):
            found = self._everywhere(
                Pil.fromarray(reduce_image(image, WORKING_PX)),
                points_per_crop=self.settings.points,
                points_per_batch=self.settings.points_at_once,
                pred_iou_thresh=self.settings.min_score,
                stability_score_thresh=self.settings.min_stability,
                crops_nms_thresh=self.settings.max_box_iou,
            )
        some = [(mask, score) for mask, score in zip(found["masks"], found["scores"], strict=True) if mask.any()]
        masks = [enlarged_mask(np.asarray(mask, dtype=bool), shape) for mask, _ in some]
        scores = np.clip(np.array([float(score) for _, score in some], dtype=np.float32), 0, 1)
        return best_proposals(shape, masks, scores, self.settings)

    def masks_from_point(self, image: Image, point_xy: tuple[int, int]) -> list[Mask]:
        """The objects at a pixel: the network's guesses at the part, the object and the whole, each once."""
        height, width = image.shape[:2]
        if not (0 <= point_xy[0] < width and 0 <= point_xy[1] < height):
            raise MaskError(f"point {point_xy} lies outside the image of {width}x{height} px; click on the object")
        masks, scores = self._asked(image, input_points=[point_xy], input_labels=[[[1]]])
        return list(best_proposals((height, width), masks, scores, self.settings).masks)

    def mask_from_box(self, image: Image, box_xyxy: Box) -> Mask:
        """The object inside a drawn box; ``MaskError`` if the box has no pixel in the image."""
        x0, y0, x1, y1 = box_xyxy
        height, width = image.shape[:2]
        inside = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
        if inside[0] >= inside[2] or inside[1] >= inside[3]:
            raise MaskError(f"box {box_xyxy} has no pixel in an image of {width}x{height} px; draw it on the object")
        return self._best(image, input_boxes=inside)

    def mask_from_scribble(self, image: Image, foreground: Bool, background: Bool | None = None) -> Mask:
        """The object under an ``(H, W)`` scribble, without what a second scribble marks as not the object."""
        on = _spread(foreground)
        off = _spread(background) if background is not None else []
        if not on:
            raise MaskError("the scribble is empty; draw it on the object")
        labels = [1] * len(on) + [0] * len(off)
        return self._best(image, input_points=[*on, *off], input_labels=[[labels]])

    def _best(self, image: Image, **prompt: Any) -> Mask:  # noqa: ANN401 - nested lists, as the processor takes them
        masks, scores = self._asked(image, **prompt)
        if not masks:
            raise MaskError("the network finds no object there; draw around it more closely")
        return masks[int(scores.argmax())]

    def _asked(self, image: Image, **prompt: Any) -> tuple[list[Mask], Float32]:  # noqa: ANN401
        """The masks that the network gives for one prompt in pixels of the image, and its scores."""
        import torch

        shape = (int(image.shape[0]), int(image.shape[1]))
        working = reduce_image(image, WORKING_PX)
        scale = working.shape[1] / shape[1], working.shape[0] / shape[0]
        if points := prompt.get("input_points"):
            prompt["input_points"] = [[[[(x + 0.5) * scale[0], (y + 0.5) * scale[1]] for x, y in points]]]
        if box := prompt.get("input_boxes"):
            prompt["input_boxes"] = [[[edge * scale[i % 2] for i, edge in enumerate(box)]]]
        inputs = self._processor(images=working, return_tensors="pt", **prompt).to(self.device)
        asked = {name: inputs[name] for name in ("input_points", "input_labels", "input_boxes") if name in inputs}
        with torch.inference_mode(), autocast(self.device):
            answer = self.network(image_embeddings=self._embeddings(image), **asked)
        sizes = {name: inputs[name].cpu() for name in ("original_sizes", "reshaped_input_sizes") if name in inputs}
        dense = self._processor.post_process_masks(answer.pred_masks.cpu(), **sizes)[0][0]
        found = [i for i, mask in enumerate(dense) if mask.any()]
        scores = answer.iou_scores[0, 0].cpu().numpy()[found].clip(0, 1)
        return [enlarged_mask(np.asarray(dense[i], dtype=bool), shape) for i in found], scores

    def _embed(self, image: Image) -> Any:  # noqa: ANN401 - a tensor or a list of them
        import torch

        inputs = self._processor.image_processor(reduce_image(image, WORKING_PX), return_tensors="pt")
        with torch.inference_mode(), autocast(self.device):
            return self.network.get_image_embeddings(inputs["pixel_values"].to(self.device))


def _needs(settings: SamSettings) -> Sequence[Need]:
    return [Need(settings.model, is_cached(settings.model), SIZES_MB.get(settings.model))]


CARD = Card(
    name="sam",
    form="sam:MODEL",
    summary="Segment Anything 1 and 2: everything at a grid of points, or the object at a gesture",
    roles={
        MaskGenerator: "Segment Anything 1 and 2 of the Hugging Face hub or a folder; it also answers drawn boxes, "
        "scribbles and clicks",
        PromptableGenerator: "boxes, scribbles and clicks by Segment Anything",
    },
    licence="Apache-2.0 (code and Meta's weights)",
    settings=SamSettings,
    make=Sam,
    needs=_needs,
)


def _in_single_precision(_network: object, _inputs: object, answer: Any) -> Any:  # noqa: ANN401
    """A forward hook: what half precision was good for ends with the network.

    What sorts its masks compares their scores with boxes in float32, and refuses scores of another type.
    """
    answer.pred_masks, answer.iou_scores = answer.pred_masks.float(), answer.iou_scores.float()
    return answer


def _spread(scribble: Bool) -> list[tuple[int, int]]:
    """A few points ``(x, y)`` of an ``(H, W)`` scribble, evenly along its pixels from left to right."""
    xs, ys = np.nonzero(scribble.T)
    chosen = np.unique(np.linspace(0, len(xs) - 1, min(len(xs), POINTS_OF_A_SCRIBBLE)).round().astype(np.int64))
    return [(int(xs[i]), int(ys[i])) for i in chosen]
