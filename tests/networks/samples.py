"""What the tests of networks share."""

import numpy as np

from knnclip.structures import Mask
from knnclip.vocabulary import ClassInfo, Vocabulary


def vocabulary(*classes):
    """A vocabulary in the order given; a class is a name, or a name and its synonyms."""
    names = [(each,) if isinstance(each, str) else each for each in classes]
    return Vocabulary(tuple(ClassInfo(i + 1, n[0], True, (0, 0, 0), tuple(n[1:])) for i, n in enumerate(names)))


def some_masks(height, width):
    """A half, a disc, a single pixel and all of an image."""
    ys, xs = np.mgrid[:height, :width]
    dense = [
        ys < height // 2,
        (ys - 0.6 * height) ** 2 + (xs - 0.6 * width) ** 2 < (height / 6) ** 2,
        (ys == 7) & (xs == 3),
        np.ones((height, width), bool),
    ]
    return [Mask.from_dense(mask) for mask in dense]
