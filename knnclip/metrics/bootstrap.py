"""Confidence intervals of mIoU by bootstrap over images, streamed.

The set of images is drawn anew many times with replacement, and mIoU is worked out for each draw. How often an image is
drawn is nearly Poisson distributed with mean 1 and nearly independent of the others (Hanley & MacGibbon, "Creating
non-parametric bootstrap samples using Poisson frequencies", 2006), so an image can be given its counts when it comes,
and memory does not grow with the set. The counts are a function of the image's name: images may come in any order, and
two settings are compared on the same draws.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knnclip.structures import Int64

DRAWS = 1000
"""The quantiles at ``LEVEL`` then rest on 25 draws on either side; fewer make them jump from one set of draws to the
next, and each costs 24 bytes a class."""

LEVEL = 0.95
"""The share of the draws that an interval holds, by the convention of the field."""


@dataclass(frozen=True)
class Interval:
    """A bootstrap interval at ``LEVEL``; NaN for fewer than two images."""

    low: float
    high: float


class Bootstrap:
    """The draws of a set over C classes; their size does not grow with the number of images."""

    def __init__(self, classes: int) -> None:
        """No image yet."""
        self._classes = classes
        self._counts = np.zeros((3, DRAWS, classes), dtype=np.int64)  # hit, truth and answered pixels
        self._images = 0

    def add(self, ref: str, cells: Int64) -> None:
        """Adds an image.

        ``ref``: its name, which decides how often each draw has it. ``cells``: ``(K, 3)``, of its confusion what is not
        zero: index of the true class, of the answer (C for unknown), and pixels.
        """
        truth, answer, pixels = cells.T
        found = np.zeros((3, self._classes + 1), dtype=np.int64)  # the last column is of what is unknown
        np.add.at(found[0], truth[truth == answer], pixels[truth == answer])
        np.add.at(found[1], truth, pixels)
        np.add.at(found[2], answer, pixels)
        there = np.flatnonzero(found[:, :-1].any(axis=0))
        self._counts[:, :, there] += times_drawn(ref)[None, :, None] * found[:, None, there]
        self._images += 1

    def miou(self) -> NDArray[np.float64]:
        """``(DRAWS,)``: mIoU of each draw, as ``SemanticScores.miou``."""
        hit, truth, answered = self._counts.astype(np.float64)
        union = truth + answered - hit
        iou = np.divide(hit, union, out=np.zeros_like(hit), where=union > 0)
        there = (union > 0).sum(axis=1)
        mean: NDArray[np.float64] = iou.sum(axis=1) / np.where(there > 0, there, np.nan)
        return mean

    def interval(self) -> Interval:
        """Of the mIoU."""
        return interval_of(self.miou()) if self._images > 1 else Interval(float("nan"), float("nan"))

    def difference(self, other: Bootstrap) -> Interval:
        """Of how much higher this mIoU is than another of the same images."""
        return interval_of(self.miou() - other.miou()) if self._images > 1 else Interval(float("nan"), float("nan"))


def times_drawn(ref: str) -> NDArray[np.int64]:
    """``(DRAWS,)``: how often each draw has the image of this name."""
    seed = int.from_bytes(hashlib.blake2b(ref.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "little")
    return np.random.default_rng(seed).poisson(1.0, DRAWS)


def interval_of(values: NDArray[np.float64]) -> Interval:
    """Between the quantiles that leave half of 1 - LEVEL on either side; draws without any image are left out."""
    low, high = np.nanquantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))
