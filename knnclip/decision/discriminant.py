"""Stored moments -> a linear discriminant beside the vote, in closed form (Fisher, 1936; Hastie, Tibshirani and
Friedman, The Elements of Statistical Learning, section 4.3).

With n instances of C classes, class means mu_c and the within-class covariance W,

    W = (sum of x x^T - sum over c of n_c mu_c mu_c^T) / (n - C)
    S = (1 - a) W + a tr(W) / D I
    score_c(x) = mu_c^T S^-1 x - mu_c^T S^-1 mu_c / 2 + ln n_c
    P(c) = softmax over c of ``sharpness`` score_c(x)

Of vectors so long that the store keeps only the diagonal of the sum of x x^T, W is that of its diagonal: numbers are
taken as independent within a class (Dudoit, Fridlyand and Speed, 2002).

The more images there are, the less is shrunk: ``a = shrinkage images^(-1/3)``, from ``LEAST_SHRINKAGE`` to
``MOST_SHRINKAGE``. Nothing is trained: an instance more or less changes the moments by an addition, and the store keeps
them exactly (``knnclip.store.moments``).

Neighbours tell fine differences where there is something similar, a discriminant what separates the classes on the
whole. Their opinions are mixed geometrically,

    P_ret(c)  proportional to  votes(c)^(1 - w) P(c)^w  over the classes that neighbours vote for,

so that there are stored instances behind every class that can win. How instances of a class vary is known from those
beyond the first of each, d = n - C of them, and it takes about D to know it: w is the share in the settings times the
*trust* d / (d + D). Of one instance a class nothing is known, and the neighbours answer alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from knnclip.errors import UsageError
from knnclip.knowledge import ClassMoments
from knnclip.structures import Cells, Float32, Int64

LEAST_SHRINKAGE = 0.1
"""However many images there are: they are of one camera or one street, and the next image is not."""

MOST_SHRINKAGE = 0.9
"""What is left of W then tells at least which numbers vary together; with nothing of it likeness to means decides."""

LEAST_SCALE = 1e-4
"""Of tr(W) / D: where no class has two different instances W is zero, and likeness to the means must do. Unit vectors
of 500 numbers have 0.002 at most."""

ROW_NUMBERS = 2**20
"""Scores that are worked out at a time: 8 MB as float64. 4,096 cells of 25,000 classes at once would take 2.5 GB."""

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class DiscriminantSettings:
    """How much the discriminant says, and how it is made.

    Shares of a third are best or within 0.2 points of it for 5 pictures of CamVid to all of them.
    """

    weight: float = 0.3  # in [0, 1): its share in P_ret where it is trusted; 0 leaves all to the neighbours
    dense: float = 0.3  # in [0, 1): the same of what it says of the pixels, see ``knnclip.decision.dense``
    sharpness: float = 0.3  # above 0. A mask's scores are far too sure of themselves, for a vector's numbers depend on
    # each other. On CamVid 0.1 beside 0.3 is from half a point worse (one sequence left out) to 2 better (val)
    shrinkage: float = 0.6  # above 0, for one image. Best for one; at 5 to 20 images 0.3 to 0.6 are equal, at a hundred
    # 0.03 to 0.3. Larger trusts W less

    def __post_init__(self) -> None:
        if not (0 <= self.weight < 1 and 0 <= self.dense < 1):
            raise UsageError(
                f"the shares of the discriminant lie in 0 to below 1, found {self.weight:g} and {self.dense:g}"
            )
        if not (0 < self.sharpness < inf and 0 < self.shrinkage < inf):
            raise UsageError(
                "the sharpness and the shrinkage of the discriminant are numbers above 0, found "
                f"{self.sharpness:g} and {self.shrinkage:g}"
            )


@dataclass(frozen=True, eq=False)
class Discriminant:
    """Scores of C classes that are linear in the embedding."""

    weights: Float64  # (D, K) of the K classes that have instances
    bias: Float64  # (K,)
    columns: Int64  # (K,) which of the C they are
    classes: int  # C
    sharpness: float  # of the softmax
    trust: float  # in [0, 1): d / (d + D)

    def posterior(self, embeddings: NDArray[np.floating]) -> Float32:
        """``(N, C) float32``: P over the classes for each of ``(N, D)`` unit rows; 0 of classes without instances."""
        probabilities = np.zeros((len(embeddings), self.classes), dtype=np.float32)
        step = max(1, ROW_NUMBERS // max(len(self.columns), 1))
        for first in range(0, len(embeddings) if len(self.columns) else 0, step):
            rows = slice(first, first + step)
            scores = self.sharpness * (embeddings[rows].astype(np.float64) @ self.weights + self.bias)
            powers = np.exp(scores - scores.max(axis=1, keepdims=True))
            probabilities[rows, self.columns] = powers / powers.sum(axis=1, keepdims=True)
        return probabilities

    def energy(self, embeddings: NDArray[np.floating]) -> Float64:
        """``(N,)``: ln of the sum of exp score over the classes for each of ``(N, D)`` unit rows, -inf without classes.

        High where classes lie, see ``knnclip.decision.likeness``.
        """
        energy = np.full(len(embeddings), -np.inf)
        step = max(1, ROW_NUMBERS // max(len(self.columns), 1))
        for first in range(0, len(embeddings) if len(self.columns) else 0, step):
            rows = slice(first, first + step)
            scores = embeddings[rows].astype(np.float64) @ self.weights + self.bias
            best = scores.max(axis=1)
            energy[rows] = best + np.log(np.exp(scores - best[:, None]).sum(axis=1))
        return energy

    def of_cells(self, cells: Cells) -> Float32:
        """``(h, w, C) float32``: P over the classes for each cell of a map."""
        height, width, dim = cells.embeddings.shape
        return self.posterior(cells.embeddings.reshape(height * width, dim)).reshape(height, width, self.classes)


def fit(moments: ClassMoments, settings: DiscriminantSettings | None = None) -> Discriminant:
    """The discriminant of what the instances of C classes add up to, as sharp and as much shrunk as ``settings`` say.

    A vocabulary has its classes in the order of their names, so that no bit depends on the order in which they came.
    """
    from scipy.linalg import cho_factor, cho_solve

    settings = settings or DiscriminantSettings()
    columns = np.flatnonzero(moments.instances)
    n, totals, dim = moments.instances[columns], moments.sums[columns], moments.sums.shape[1]
    if not len(columns):
        return Discriminant(np.zeros((dim, 0)), np.zeros(0), columns, len(moments.instances), settings.sharpness, 0.0)
    means = totals / n[:, None]
    full = moments.product.ndim == 2
    between = totals.T @ means if full else (totals * means).sum(axis=0)
    beyond_first = float(n.sum()) - len(n)
    within = (moments.product - between) / max(beyond_first, 1.0)
    shrinkage = min(max(LEAST_SHRINKAGE, settings.shrinkage * moments.images ** (-1 / 3)), MOST_SHRINKAGE)
    scale = max(float(np.trace(within) if full else within.sum()) / dim, LEAST_SCALE)
    shrunk = (1 - shrinkage) * within + shrinkage * scale * (np.eye(dim) if full else 1)
    weights = cho_solve(cho_factor(shrunk), means.T) if full else (means / shrunk).T
    bias = np.log(n) - (means.T * weights).sum(axis=0) / 2
    trust = beyond_first / (beyond_first + dim)
    return Discriminant(weights, bias, columns, len(moments.instances), settings.sharpness, trust)


def mix(votes: Float32, discriminant: Float32, weight: float) -> Float32:
    """P_ret, ``(N, C)``, of the neighbours' votes and the discriminant's opinion, ``(N, C)`` each."""
    mixed = votes ** (1 - weight) * discriminant**weight
    total = mixed.sum(axis=1, keepdims=True)
    # Where the discriminant rules out what the votes are for, to the last bit of float32, the votes stand.
    agreed: Float32 = np.where(total > 0, mixed / np.where(total > 0, total, 1), votes).astype(np.float32)
    return agreed
