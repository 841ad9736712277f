"""What a state of the store knows of itself: how much it holds, how alike it is, what it adds up to, how right it is.

Of C classes, in the order of a vocabulary. ``knnclip.store`` finds it, ``knnclip.decision`` makes answers of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knnclip.structures import Float32, Int64, Neighbors


@dataclass(frozen=True, eq=False)
class Census:
    """What a store holds of the C classes of a vocabulary."""

    instances: Int64  # (C,) stored
    images: Int64  # (C,) distinct images with at least one of them


@dataclass(frozen=True, eq=False)
class Levels:
    """How similar instances of one class are to each other across images, for the C classes of a vocabulary."""

    floor: Float32  # (C,) similarity that almost every instance of the class reaches with its nearest of another image
    typical: Float32  # (C,) the median of the same
    known: bool  # False where no class was seen in two images: then floor and typical say nothing


@dataclass(frozen=True)
class Calibration:
    """How far a store's votes can be trusted, found by asking it for its own instances with their images left out."""

    exponent: float  # a class with the share p of the votes is right with the probability p ** exponent
    reliability: float  # in (0, 1): share of the instances whose class the votes find


@dataclass(frozen=True, eq=False)
class ClassMoments:
    """What the instances of the C classes of a vocabulary add up to."""

    instances: NDArray[np.float64]  # (C,) how many
    sums: NDArray[np.float64]  # (C, D) of their vectors x
    product: NDArray[np.float64]  # (D, D) the sum of x x^T over all classes, or its diagonal, (D,)
    images: int  # distinct ones


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Q of the store's own instances, and what it would know of them if it had never seen their images."""

    neighbors: Neighbors  # of other images
    class_id: Int64  # (Q,) the true ones
    vectors: Float32  # (Q, D)
    fold: Int64  # (Q,) of the image, see ``knnclip.store.moments``


@dataclass(frozen=True, eq=False)
class FoldSample:
    """Q of the store's own instances, all of one fold, to be asked of what does not know the fold."""

    fold: int  # see ``knnclip.store.moments``
    vectors: Float32  # (Q, D)


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Q of the store's own instances, and what it would know of them without one of F parts, the one they lie in."""

    neighbors: Neighbors  # of the other parts
    class_id: Int64  # (Q,) the true ones
    vectors: Float32  # (Q, D)
    area_px: Int64  # (Q,)
    stands_for: NDArray[np.float64]  # (Q,) how many instances of the class each was drawn from
    part: Int64  # (Q,) 0 .. F - 1
    group: Int64  # (Q,) of images, finer than the parts: by these is found how much chance has to say
    moments: tuple[ClassMoments, ...]  # F: without each part
