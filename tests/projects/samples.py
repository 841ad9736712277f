"""A small folder of pictures, and a segmenter for it that takes milliseconds."""

from __future__ import annotations

import numpy as np

from knnclip.images import write_png
from knnclip.segmenter import Segmenter

SHAPE = (60, 80)
GREEN, BROWN, GREY = (40, 160, 40), (120, 80, 40), (150, 150, 150)


def picture(number: int):
    """Green above, brown below, a grey square whose place depends on the number."""
    image = np.empty((*SHAPE, 3), dtype=np.uint8)
    image[:30], image[30:] = GREEN, BROWN
    x = 5 + 7 * (number % 8)
    image[20:40, x : x + 18] = GREY
    noise = np.random.default_rng(number).integers(-8, 9, size=image.shape)
    return np.clip(image.astype(np.int64) + noise, 0, 255).astype(np.uint8)


def write_folder(folder, count):
    for number in range(count):
        write_png(folder / f"{number}.png", picture(number))
    return folder


def open_segmenter(path, cache=None):
    return Segmenter.open(path, "builtin", cache=cache)


def half(top: bool):
    """The mask of the upper or the lower half."""
    dense = np.zeros(SHAPE, dtype=bool)
    dense[: 20 if top else None] = top
    if not top:
        dense[41:] = True
    return dense
