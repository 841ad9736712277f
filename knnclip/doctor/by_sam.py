"""The generator ``sam`` against transformers' own mask generation, and its prompts against the network's own answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from knnclip.doctor.finding import Finding, nearness, street, timed
from knnclip.masks.sam import Sam, SamSettings
from knnclip.progress import Progress
from knnclip.structures import Box, Image, Mask

HEIGHT_PX, WIDTH_PX = 480, 640
"""Of the picture: smaller than the copy that the part works on, so that nothing is resized but by the processor."""

POINTS = 8
"""Along each side of the grid: a sixteenth of the usual one, for the masks of a point do not depend on the others."""

BOX: Box = (200, 120, 420, 360)
"""A drawn box in the middle of the picture."""


def compare(settings: SamSettings, device: str, _: Progress) -> Iterator[Finding]:
    """The masks of a grid, and that of a box."""
    near = nearness(device)
    image = street(HEIGHT_PX, WIDTH_PX)
    settings = replace(settings, points=POINTS)
    part = Sam(settings, device)
    proposals, seconds = timed(lambda: part.generate(image))
    yield Finding.overlap(
        "masks, with transformers' mask-generation pipeline",
        proposals.masks,
        _everywhere(settings, image),
        seconds,
        near,
    )
    boxed, seconds = timed(lambda: part.mask_from_box(image, BOX))
    yield Finding.overlap(
        "mask of a box, with transformers' network", [boxed], [_of_box(settings, image)], seconds, near
    )


def _everywhere(settings: SamSettings, image: Image) -> list[Mask]:
    from PIL import Image as Pil
    from transformers import pipeline

    found = pipeline("mask-generation", model=settings.model, device="cpu")(
        Pil.fromarray(image),
        points_per_crop=settings.points,
        points_per_batch=settings.points_at_once,
        pred_iou_thresh=settings.min_score,
        stability_score_thresh=settings.min_stability,
        crops_nms_thresh=settings.max_box_iou,
    )
    return [Mask.from_dense(np.asarray(mask)) for mask in found["masks"] if mask.any()]


def _of_box(settings: SamSettings, image: Image) -> Mask:
    import torch
    from transformers import AutoModelForMaskGeneration, AutoProcessor

    network = AutoModelForMaskGeneration.from_pretrained(settings.model).eval()
    processor = AutoProcessor.from_pretrained(settings.model)
    inputs = processor(images=image, input_boxes=[[[float(edge) for edge in BOX]]], return_tensors="pt")
    with torch.inference_mode():
        answer = network(**inputs)
    sizes = {name: inputs[name] for name in ("original_sizes", "reshaped_input_sizes") if name in inputs}
    masks = processor.post_process_masks(answer.pred_masks, **sizes)[0][0]
    return Mask.from_dense(masks[int(answer.iou_scores[0, 0].argmax())].numpy())
