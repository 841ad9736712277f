"""What a network of ImageNet would call a thing that nobody has taught: a suggestion, never an answer.

The thing is cut out with what is around it and seen at the size that the network was trained at. What its last layers
make of each cell is averaged over the mask instead of over the picture; the classifier then names that mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnclip.encoders.timm_backbone import Backbone
from knnclip.parts.inputs import InputFormat, pool_maps
from knnclip.structures import Image, Mask, Suggestion

CONTEXT = 0.4
"""Added to the box on each side, of its longer side. On 123 things of COCO128 that ImageNet has a class for, one of
three names is right for 45 % without, 53 % with 0.15 and 57 % with 0.4; on 149 others 52 % with 0.4, 48 % with 0.7."""

MOST_NAMES = 3
"""What is read at a glance. Of the 272 things one of three is right for 54 %, the first for 44 %."""

MIN_PROBABILITY = 0.02
"""Below it, beside a name that the network is sure of, stands only what looks like nothing here."""

SMALLEST_PX = 400
"""Smaller masks have no names: the things above are at least as large, and a scrap of colour looks like anything."""


class ImagenetNames:
    """The 1000 classes of ImageNet, asked about one thing at a time."""

    def __init__(self, backbone: Backbone) -> None:
        """``backbone`` is one of timm's EfficientNets with its classifier."""
        from timm.data import ImageNetInfo

        info = ImageNetInfo("imagenet-1k")
        described = map(info.index_to_description, range(info.num_classes()))
        self.names = [text.split(",")[0] for text in described]  # the first of a class's synonyms
        self.network: Any = backbone.network  # timm's networks share no class
        self.form = InputFormat(
            backbone.trained_pixels, backbone.multiple, backbone.layout, backbone.mean, backbone.std
        )

    def suggest(self, image: Image, mask: Mask) -> list[Suggestion]:
        """See ``SuggestsNames.suggest``."""
        if mask.area < SMALLEST_PX:
            return []
        window = _window(mask)
        cut, shape = np.ascontiguousarray(image[window]), Mask.from_dense(mask.to_dense()[window])
        probabilities = self._probabilities(cut, shape)
        best = np.argsort(-probabilities, kind="stable")[:MOST_NAMES]
        return [Suggestion(self.names[i], float(probabilities[i])) for i in best if probabilities[i] >= MIN_PROBABILITY]

    def _probabilities(self, image: Image, mask: Mask) -> NDArray[np.float32]:
        """``(1000,)``, in the order of ``names``."""
        import torch

        where = next(self.network.parameters())
        with torch.inference_mode():
            batch = torch.from_numpy(self.form.prepare(image))[None].to(where.device)
            maps = self.network.forward_features(batch)[0].float().cpu().numpy()
            (mean,) = pool_maps([maps], [mask], mask.shape, self.form.layout)
            scores = self.network.classifier(torch.from_numpy(mean).to(where.device, where.dtype))
            found: NDArray[np.float32] = scores.softmax(dim=1)[0].float().cpu().numpy()
        return found


def _window(mask: Mask) -> tuple[slice, slice]:
    """The mask's box with what is around it, within the image."""
    x0, y0, x1, y1 = mask.box_xyxy
    margin = round(CONTEXT * max(x1 - x0, y1 - y0))
    height, width = mask.shape
    return (
        slice(max(0, y0 - margin), min(height, y1 + margin)),
        slice(max(0, x0 - margin), min(width, x1 + margin)),
    )
