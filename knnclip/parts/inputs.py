"""What encoders that run a network over the whole image share: its input, where its cells lie, and pooling by masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from knnclip.parts.pooling import mask_weights
from knnclip.structures import Float32, Image, Layout, Mask

if TYPE_CHECKING:
    from scipy.sparse import csr_array


LOCAL_PIXELS = 720 * 960
"""Size of the input, by default, of networks whose layers look at neighbourhoods: one of stride 32 sees an image in
22 x 30 cells, and knows neighbourhoods of any input. A network whose cells all look at each other knows as many of them
as it was trained with: its default is that size."""


@dataclass(frozen=True)
class InputFormat:
    """How an image becomes the input of a network."""

    pixels: int  # the image is scaled to about this many, up or down, its proportions kept
    multiple: int  # of the largest stride: so many pixels a cell of the coarsest map
    layout: Layout  # where the cells of a map lie
    mean: tuple[float, ...]  # (3,) in 0..1, taken from each channel
    std: tuple[float, ...]  # (3,)

    def size(self, shape: tuple[int, int]) -> tuple[int, int]:
        """``(H, W)`` of the input for an image of ``shape``.

        A padded convolution of stride s over s a + 1 pixels puts its cells exactly at pixels 0, s, ..., s a, one over
        patches of s pixels needs a multiple of s.
        """
        factor = (self.pixels / (shape[0] * shape[1])) ** 0.5
        extra = int(self.layout == "corners")
        height, width = (max(1, round(side * factor / self.multiple)) * self.multiple + extra for side in shape)
        return height, width

    def prepare(self, image: Image) -> NDArray[np.float32]:
        """``(3, H', W') float32``: the scaled and normalised image."""
        import cv2

        height, width = self.size((int(image.shape[0]), int(image.shape[1])))
        smaller = height * width < image.shape[0] * image.shape[1]
        scaled = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
        normal = (scaled / 255 - np.array(self.mean)) / np.array(self.std)
        return np.ascontiguousarray(normal.transpose(2, 0, 1), dtype=np.float32)


def pool_maps(
    maps: Sequence[Float32], masks: Sequence[Mask], shape: tuple[int, int], layout: Layout
) -> list[NDArray[np.float64]]:
    """``(N, C)`` for each ``(C, h, w)`` map: its mean over each of N masks of an image of ``shape``, ``(H, W)``.

    ``layout`` is where the cells of the maps lie, see ``knnclip.parts.pooling``.
    """
    weights: dict[tuple[int, int], csr_array] = {}
    pooled = []
    for plane in maps:
        grid = (int(plane.shape[1]), int(plane.shape[2]))
        if grid not in weights:
            weights[grid] = mask_weights(masks, shape, grid, layout)
        pooled.append(np.asarray(weights[grid] @ plane.reshape(len(plane), -1).T.astype(np.float64)))
    return pooled
