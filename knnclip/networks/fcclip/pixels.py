"""An image as FC-CLIP takes it: resized as in its evaluation, normalised, padded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from knnclip.networks.fcclip.card import LONG_PX, SHORT_PX
from knnclip.structures import Image

MEAN = (122.7709383, 116.7460125, 104.09373615)
STD = (68.5005327, 66.6321579, 70.32316305)
"""Of RGB in 0..255: the mean and deviation of CLIP's training images, which FC-CLIP's config gives in these units."""

MULTIPLE = 32
"""Stride of the coarsest map of the backbones: a cell is so many pixels."""


def resized(image: Image, short_px: int = SHORT_PX, long_px: int = LONG_PX) -> Image:
    """The shorter side at ``short_px``, but the longer at most ``long_px``; bilinear, antialiased when shrinking."""
    from PIL import Image as Pil

    height, width = image.shape[:2]
    scale = min(short_px / min(height, width), long_px / max(height, width))
    size = int(width * scale + 0.5), int(height * scale + 0.5)
    return np.array(Pil.fromarray(image).resize(size, Pil.Resampling.BILINEAR))


def padded(image: Image, mean: Sequence[float] = MEAN, std: Sequence[float] = STD) -> torch.Tensor:
    """``(1, 3, H, W) float32``: normalised, then zeros on the right and below up to multiples of 32."""
    height, width = image.shape[:2]
    normal = (torch.from_numpy(np.ascontiguousarray(image)).float() - torch.tensor(mean)) / torch.tensor(std)
    right, below = -width % MULTIPLE, -height % MULTIPLE
    return torch.nn.functional.pad(normal.permute(2, 0, 1), (0, right, 0, below))[None]
