"""What a universal network of transformers is shown: the image at the size that the network was trained for.

The preprocessor files of the published Mask2Former networks say 384 x 384, whatever the aspect ratio, which is the size
that their backbones were pretrained at; the sizes of their training are those of the published configurations. There
the image keeps its aspect ratio and is padded below and to the right, as here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from knnclip.errors import UsageError

if TYPE_CHECKING:
    import torch

    from knnclip.structures import Image

TRAINED_PX = {
    133: (800, 1333), 80: (800, 1333),  # COCO panoptic, instances
    150: (640, 2560), 100: (640, 2560),  # ADE20K panoptic and semantic, instances
    19: (1024, 2048), 8: (1024, 2048),  # Cityscapes panoptic and semantic, instances
    65: (2048, 2048),  # Mapillary Vistas
}  # fmt: skip
"""The shorter side of Mask2Former's input and the most that the longer one may have, by the number of labels: as
MIN_SIZE_TEST and MAX_SIZE_TEST of its published configurations say."""

ADE20K_SMALL_PX = (512, 2048)
"""The same for ADE20K's semantic networks with the backbones Swin-T and Swin-S, of 96 channels."""

PADDED_TO_PX = 32
"""The padded sides are multiples of this, the stride of the backbones, as in the published configurations."""


@dataclass(frozen=True)
class Window:
    """The part of a resized image that one input holds in its upper left corner, and padding around it."""

    resized: tuple[int, int]  # (h, w) of the whole image
    box_xyxy: tuple[int, int, int, int]

    def placed(self, maps: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
        """``(Q, H, W)`` over an input -> ``(Q, *shape)`` over the image, 0 where the window is not."""
        import torch

        x0, y0, x1, y1 = self.box_xyxy
        inside = maps[:, : y1 - y0, : x1 - x0]
        if inside.shape[1:] != self.resized:
            inside = torch.nn.functional.pad(inside, (x0, self.resized[1] - x1, y0, self.resized[0] - y1))
        return torch.nn.functional.interpolate(inside[None], size=shape, mode="bilinear", align_corners=False)[0]


class UniversalInput:
    """Makes the inputs of one network."""

    def __init__(self, prepare: Any, config: Any, size: int) -> None:  # noqa: ANN401 - each network has its own
        """``prepare`` is its processor or image processor, ``size`` the shorter side in pixels, 0 for as trained.

        ``UsageError`` if the network takes no images of this size.
        """
        self._prepare, self._images = prepare, getattr(prepare, "image_processor", prepare)
        self.size = _size(config, self._images, size)
        if config.model_type.startswith("eomt"):
            self._images.do_pad = not self._images.do_split_image

    def __call__(self, image: Image, **texts: list[str]) -> tuple[Any, list[Window]]:
        """What the network is called with, and the window that each input of the batch is."""
        from transformers.image_utils import SizeDict

        resized = self._resized((int(image.shape[0]), int(image.shape[1])))
        padding: dict[str, Any] = {}
        if hasattr(self._images, "size_divisor"):
            height, width = (-(-side // PADDED_TO_PX) * PADDED_TO_PX for side in resized)
            padding = {"size_divisor": 0, "pad_size": SizeDict(height=height, width=width)}
        inputs = self._prepare(images=image, return_tensors="pt", size=dict(self.size), **padding, **texts)
        offsets = inputs.get("patch_offsets") or [(0, 0, max(resized))]
        return inputs, [_window(resized, int(start), int(end)) for _, start, end in offsets]

    def _resized(self, shape: tuple[int, int]) -> tuple[int, int]:
        from transformers.image_transforms import get_size_with_aspect_ratio

        if "height" in self.size:
            return self.size["height"], self.size["width"]
        height, width = get_size_with_aspect_ratio(shape, self.size["shortest_edge"], self.size.get("longest_edge"))
        return int(height), int(width)


def _window(resized: tuple[int, int], start: int, end: int) -> Window:
    """The window from ``start`` to ``end`` along the longer side of a resized image."""
    height, width = resized
    return Window(resized, (0, start, width, end) if height > width else (start, 0, end, height))


def _size(config: Any, images: Any, asked: int) -> Mapping[str, int]:  # noqa: ANN401
    """The size as transformers writes it: ``height`` and ``width``, or ``shortest_edge`` with or without a longest."""
    if config.model_type.startswith("eomt"):
        side = int(config.image_size)
        if asked not in (0, side):
            raise UsageError(
                f"universal: this network takes squares of {side} px, as it was trained; leave size out, or take one "
                f"that was trained at {asked} px"
            )
        return {"shortest_edge": side} | ({} if images.do_split_image else {"longest_edge": side})
    said = {name: int(side) for name, side in dict(images.size).items() if side}
    if "height" in said and (trained := _trained(config)):
        said = {"shortest_edge": trained[0], "longest_edge": trained[1]}
    factor = asked / min(said.values()) if asked else 1
    return {name: round(side * factor) for name, side in said.items()}


def _trained(config: Any) -> tuple[int, int] | None:  # noqa: ANN401
    labels = len(config.id2label)
    if labels == 150 and getattr(config.backbone_config, "embed_dim", 0) == 96:
        return ADE20K_SMALL_PX
    return TRAINED_PX.get(labels)
