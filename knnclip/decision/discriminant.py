"""Stored moments -> a linear discriminant beside the vote, in closed form (Fisher, 1936; Hastie, Tibshirani and
Friedman, The Elements of Statistical Learning, section 4.3).

With n instances of C classes, class means mu_c and the within-class covariance W,

    W = (sum of x x^T - sum over c of n_c mu_c mu_c^T) / (n - C)
    S = (1 - a) W + a tr(W) / D I
    score_c(x) = mu_c^T S^-1 x - mu_c^T S^-1 mu_c / 2 + ln n_c
    P(c) = softmax over c of ``SHARPNESS`` score_c(x)

Of vectors so long that the store keeps only the diagonal of the sum of x x^T, W is that of its diagonal: numbers are
taken as independent within a class (Dudoit, Fridlyand and Speed, 2002).

The more images there are, the less is shrunk: ``a = max(LEAST_SHRINKAGE, SHRINKAGE images^(-1/3))``. Nothing is
trained: an instance more or less changes the moments by an addition, and the store keeps them exactly
(``knnclip.store.moments``).

Neighbours tell fine differences where there is something similar, a discriminant what separates the classes on the
whole. Their opinions are mixed geometrically,

    P_ret(c)  proportional to  votes(c)^(1 - w) P(c)^w  over the classes that neighbours vote for,

so that there are stored instances behind every class that can win.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knnclip.errors import UsageError
from knnclip.structures import Cells, ClassMoments, Float32, Int64

SHARPNESS = 0.3
"""Of the softmax. The scores of a mask's class are far too sure of themselves, for the numbers of a vector depend on
each other: 0.15 to 0.6 differ by half a point of mIoU on CamVid, 1 loses one."""

SHRINKAGE = 0.6
"""Best for one image; at 5 to 20 images 0.3 to 0.6 are equal, at a hundred 0.03 to 0.3. Larger trusts W less."""

LEAST_SHRINKAGE = 0.1
"""However many images there are: they are of one camera or one street, and the next image is not."""

LEAST_SCALE = 1e-4
"""Of tr(W) / D: where no class has two different instances W is zero, and likeness to the means must do. Unit vectors
of 500 numbers have 0.002 at most."""

ROW_NUMBERS = 2**20
"""Scores that are worked out at a time: 8 MB as float64. 4,096 cells of 25,000 classes at once would take 2.5 GB."""

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class DiscriminantSettings:
    """How much the discriminant says. A third is best or within 0.2 of it for 5 pictures of CamVid to all of them; with one
    picture a half costs half a point."""

    weight: float = 0.3  # w, in [0, 1): its share in P_ret; 0 leaves all to the neighbours
    dense: float = 0.3  # in [0, 1): the share of what it says of the pixels, see ``knnclip.decision.dense``

    def __post_init__(self) -> None:
        if not (0 <= self.weight < 1 and 0 <= self.dense < 1):
            raise UsageError(
                f"the shares of the discriminant lie in 0 to below 1, found {self.weight:g} and {self.dense:g}"
            )


@dataclass(frozen=True, eq=False)
class Discriminant:
    """Scores of C classes that are linear in the embedding."""

    weights: Float64  # (D, K) of the K classes that have instances
    bias: Float64  # (K,)
    columns: Int64  # (K,) which of the C they are
    classes: int  # C

    def posterior(self, embeddings: NDArray[np.floating]) -> Float32:
        """``(N, C) float32``: P over the classes for each of ``(N, D)`` unit rows; 0 of classes without instances."""
        probabilities = np.zeros((len(embeddings), self.classes), dtype=np.float32)
        step = max(1, ROW_NUMBERS // max(len(self.columns), 1))
        for first in range(0, len(embeddings) if len(self.columns) else 0, step):
            rows = slice(first, first + step)
            scores = SHARPNESS * (embeddings[rows].astype(np.float64) @ self.weights + self.bias)
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


def fit(moments: ClassMoments) -> Discriminant:
    """The discriminant of what the instances of C classes add up to.

    A vocabulary has its classes in the order of their names, so that no bit depends on the order in which they came.
    """
    from scipy.linalg import cho_factor, cho_solve

    columns = np.flatnonzero(moments.instances)
    n, totals, dim = moments.instances[columns], moments.sums[columns], moments.sums.shape[1]
    if not len(columns):
        return Discriminant(np.zeros((dim, 0)), np.zeros(0), columns, len(moments.instances))
    means = totals / n[:, None]
    full = moments.product.ndim == 2
    between = totals.T @ means if full else (totals * means).sum(axis=0)
    within = (moments.product - between) / max(n.sum() - len(n), 1.0)
    shrinkage = max(LEAST_SHRINKAGE, SHRINKAGE * moments.images ** (-1 / 3))
    scale = max(float(np.trace(within) if full else within.sum()) / dim, LEAST_SCALE)
    shrunk = (1 - shrinkage) * within + shrinkage * scale * (np.eye(dim) if full else 1)
    weights = cho_solve(cho_factor(shrunk), means.T) if full else (means / shrunk).T
    bias = np.log(n) - (means.T * weights).sum(axis=0) / 2
    return Discriminant(weights, bias, columns, len(moments.instances))


def mix(votes: Float32, discriminant: Float32, weight: float) -> Float32:
    """P_ret, ``(N, C)``, of the neighbours' votes and the discriminant's opinion, ``(N, C)`` each."""
    mixed = votes ** (1 - weight) * discriminant**weight
    total = mixed.sum(axis=1, keepdims=True)
    # Where the discriminant rules out what the votes are for, to the last bit of float32, the votes stand.
    agreed: Float32 = np.where(total > 0, mixed / np.where(total > 0, total, 1), votes).astype(np.float32)
    return agreed
