"""What a comparison found, and how near is near enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from knnclip.parts.roles import ZeroShotClassifier
from knnclip.structures import Float32, Image, Mask
from knnclip.vocabulary import ClassInfo, Vocabulary, default_color

Made = TypeVar("Made")

SEED = 1
"""Of the drawn street that everything is tried on: it has houses, trees, cars and cones, and its sky is not grey, so
that channels in the wrong order show."""


ONE_CLASS = 0.01
"""Most that the probability of a class may change when classes are taught beside it: that of rounding, generously."""

CLASSES = (("car",), ("house",), ("sky",), ("tree",))
"""What the drawn street shows some of; all of them are classes of COCO panoptic, by their
names."""


@dataclass(frozen=True)
class Nearness:
    """How near a part and its library have to be. They run the same weights on the same pixels.

    In single precision only the order of sums differs, 1e-6 of a value; what is wrong with a mean, an activation or a
    norm shows from 1e-3 on. Half precision leaves 8 bits, about 4e-3 of each value, which a hundred layers add up.
    """

    cosine: float  # of two vectors
    iou: float  # of two masks
    log_probability: float  # difference of two, at most


SINGLE = Nearness(cosine=0.99999, iou=0.99, log_probability=0.01)
HALF = Nearness(cosine=0.99, iou=0.9, log_probability=0.3)


def nearness(device: str) -> Nearness:
    """What can be asked for on a device: on CUDA parts run in half precision, see ``knnclip.parts.device``."""
    from knnclip.parts.device import pick_device

    return HALF if pick_device(device).type == "cuda" else SINGLE


@dataclass(frozen=True)
class Finding:
    """One comparison, or why there was none."""

    what: str  # was compared with what
    found: str  # the figure, and what it has to be
    seconds: float  # the part took, without loading; 0 where nothing had to run
    passed: bool

    @classmethod
    def cosine(cls, what: str, own: Float32, expected: Float32, seconds: float, near: Nearness) -> Finding:
        """Two ``(N, D)`` arrays of unit rows; the farthest pair counts."""
        if own.shape != expected.shape:
            return cls(what, f"shape {own.shape}, the library's {expected.shape}", seconds, False)
        least = float((own * expected).sum(axis=1).min())
        return cls(what, f"cosine {least:.6f}, at least {near.cosine}", seconds, least >= near.cosine)

    @classmethod
    def overlap(
        cls, what: str, own: Sequence[Mask], expected: Sequence[Mask], seconds: float, near: Nearness
    ) -> Finding:
        """Each mask against the best of the library's; the mean counts."""
        if not own:
            return cls(what, f"no masks, the library finds {len(expected)}", seconds, False)
        best = [max((iou(mask, other) for other in expected), default=0.0) for mask in own]
        found = f"IoU {np.mean(best):.4f}, at least {near.iou}; {len(own)} masks of the library's {len(expected)}"
        return cls(what, found, seconds, bool(np.mean(best) >= near.iou))

    @classmethod
    def size(cls, pixels: int, trained: int) -> Finding:
        """What a ViT is shown where nobody asks for another size: an area in pixels, that of its training."""
        return cls("size of the input", f"{pixels} px, trained at {trained}", 0.0, pixels == trained)

    @classmethod
    def one_class(
        cls,
        part: ZeroShotClassifier,
        descriptions: Float32,
        listed: Sequence[Sequence[str]],
    ) -> Finding:
        """P_base of the first class of a list where it is the only one that was taught, and beside all of the list.

        A softmax over one class alone would give it everything.
        """
        alone, seconds = timed(lambda: part.classify(descriptions, vocabulary(*listed[:1])))
        all_of_them = vocabulary(*listed)
        beside = part.classify(descriptions, all_of_them)[:, [info.name for info in all_of_them].index(listed[0][0])]
        far = float(np.abs(alone[:, 0] - beside).max())
        found = f"{alone.max():.3f} at most; beside {len(listed)} classes it differs by {far:.3f}, at most {ONE_CLASS}"
        return cls(f"P_base of {listed[0][0]!r} as the only class", found, seconds, far <= ONE_CLASS)


def iou(one: Mask, other: Mask) -> float:
    """Of two masks of one image."""
    first, second = one.to_dense(), other.to_dense()
    return float(np.count_nonzero(first & second) / np.count_nonzero(first | second))


def timed(make: Callable[[], Made]) -> tuple[Made, float]:
    """What it gives, and the seconds that it took."""
    start = time.perf_counter()
    made = make()
    return made, time.perf_counter() - start


def street(height: int, width: int) -> Image:
    """``(height, width, 3) uint8``: the picture that parts are tried on, the same on every machine."""
    import cv2

    from knnclip.datasets.sample_data import draw_scene

    scene, _ = draw_scene(np.random.default_rng(SEED))
    return np.asarray(cv2.resize(scene, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def regions(height: int, width: int) -> list[Mask]:
    """All of a picture, its left third and a disc: what is upside down or mirrored shows in the last two."""
    rows, columns = np.mgrid[:height, :width]
    disc = (rows - 0.3 * height) ** 2 + (columns - 0.7 * width) ** 2 < (0.2 * height) ** 2
    return [Mask.from_dense(dense) for dense in (np.ones((height, width), dtype=bool), columns < width / 3, disc)]


def vocabulary(*classes: Sequence[str]) -> Vocabulary:
    """Of classes that have these names; the others of a class are its synonyms."""
    return Vocabulary.of(
        ClassInfo(i + 1, name, False, default_color(name), tuple(others)) for i, (name, *others) in enumerate(classes)
    )
