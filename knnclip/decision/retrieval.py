"""Neighbours -> class posterior: P_ret of kNN-CLIP (arXiv 2404.09447), with capped and balanced votes.

A neighbour i of a query votes for its class with the weight

    w_i = v(s_i, r_i) * purity_i * capped_i / n(c_i) ** balance

where ``v`` is ``exp(s_i / tau)`` or ``1 / (2 + r_i)`` (rank voting, arXiv 2408.08172), ``capped_i`` is 1 for the best
instance of each (class, image) and 0 for the others, so that ten pieces of one tree are one witness, and ``n(c)`` is
the number of images that hold class c in the store, so that one click is not drowned by an ingest of thousands.
P_ret(c) is the sum of the w_i of class c over the sum of all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from knnclip.errors import UsageError
from knnclip.knowledge import Calibration, Census
from knnclip.structures import Bool, Float32, Int64, Neighbors, Posterior
from knnclip.vocabulary import Vocabulary

PRIOR_INSTANCES = 20
"""Held-out instances at which what the store has shown counts as much as the prior; more trusts small stores less."""

PRIOR_EXPONENT = 3.0
"""Cautious: half of the votes are then believed by an eighth. Smaller trusts a store that was not tried yet more."""

PRIOR_RELIABILITY = 0.25
"""Cautious, so that a store overrules no base before it was tried; larger lets it do so sooner."""

UNTRIED = Calibration(PRIOR_EXPONENT, PRIOR_RELIABILITY)
"""Of a store that has nothing to be asked for."""

SURE = (0.01, 0.999)
"""Shares beyond these say nothing about the exponent, whose logarithms end there."""

EXPONENTS = (0.5, 4.0)
"""What an exponent may come to: beyond these a handful of held-out instances would decide all or nothing."""


@dataclass(frozen=True)
class VoteSettings:
    """How neighbours vote."""

    k: int = 32  # neighbours a query; at least 1
    weight: Literal["softmax", "rank"] = "softmax"
    tau: float = 0.05  # temperature of the softmax weight, in units of similarity; above 0
    balance: float = 0.3  # exponent of the class's image count; 0 is no balancing

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UsageError(f"k is the number of neighbours and at least 1, found {self.k}")
        if not self.tau > 0:
            raise UsageError(f"tau is a temperature above 0, found {self.tau}")
        if self.weight not in ("softmax", "rank"):
            raise UsageError(f"vote weight {self.weight!r} is neither 'softmax' nor 'rank'")


def posterior(neighbors: Neighbors, vocabulary: Vocabulary, census: Census, settings: VoteSettings) -> Posterior:
    """P_ret of each of N queries over the C classes of a vocabulary.

    ``neighbors`` are the k nearest of each query, as a search returns them; ``census`` counts what the store holds of
    the vocabulary's classes; ``settings`` say how they vote. Neighbours of classes beyond the vocabulary do not.
    """
    n, c = neighbors.similarity.shape[0], len(vocabulary)
    columns = vocabulary.columns(neighbors.class_id)
    voters = neighbors.valid & (columns >= 0)
    query, _ = voters.nonzero()
    cell = query * c + columns[voters]  # of the (N, C) matrices, for each voter

    witness = first_of_group(neighbors.class_id, neighbors.image_id)[voters]
    prior = np.maximum(census.images, 1)[columns[voters]].astype(np.float64) ** settings.balance
    weights = (vote_weights(neighbors.similarity, settings) * neighbors.purity)[voters] * witness / prior
    mass = np.bincount(cell, weights=weights, minlength=n * c).reshape(n, c).astype(np.float64)
    total = mass.sum(axis=1, keepdims=True)
    nearest = np.full(n * c, -np.inf, dtype=np.float32)
    np.maximum.at(nearest, cell, neighbors.similarity[voters])
    return Posterior(
        probabilities=np.divide(mass, total, out=np.zeros_like(mass), where=total > 0).astype(np.float32),
        similarity=nearest.reshape(n, c),
        witnesses=np.bincount(cell[witness], minlength=n * c).reshape(n, c),
    )


def calibrate(retrieval: Float32, class_id: Int64, vocabulary: Vocabulary) -> Calibration:
    """How far P_ret can be trusted, from that of Q instances without their images, ``(Q, C)``, and their true classes.

    ``class_id``, ``(Q,)``, is that of ``View.held_out``. The exponent takes the mean share of the winning class to the
    share of instances that it is right for. Both figures are drawn towards a cautious prior that counts as
    ``PRIOR_INSTANCES``: with one image a class nothing can be left out.
    """
    n = len(class_id)
    if not len(vocabulary) or not n:
        return UNTRIED
    share = float(np.clip(retrieval.max(axis=1).mean(), SURE[0], SURE[1]))
    right = int(np.count_nonzero(vocabulary.class_ids[retrieval.argmax(axis=1)] == class_id))
    accuracy = (right + PRIOR_INSTANCES * share**PRIOR_EXPONENT) / (n + PRIOR_INSTANCES)
    exponent = np.log(np.clip(accuracy, *SURE)) / np.log(share)
    reliability = (right + PRIOR_INSTANCES * PRIOR_RELIABILITY) / (n + PRIOR_INSTANCES)
    return Calibration(float(np.clip(exponent, *EXPONENTS)), reliability)


def vote_weights(similarity: Float32, settings: VoteSettings) -> NDArray[np.float64]:
    """``(N, k)`` weights v of neighbours sorted by falling similarity; 0 where the similarity is ``-inf``."""
    if settings.weight == "rank":
        ranks = np.arange(similarity.shape[1], dtype=np.float64)
        return np.where(np.isfinite(similarity), 1.0 / (2.0 + ranks), 0.0)
    # Only ratios of weights matter within a query, so its best similarity is taken out and exp cannot overflow.
    best = similarity[:, :1].astype(np.float64)
    weights: NDArray[np.float64] = np.exp((similarity - np.where(np.isfinite(best), best, 0.0)) / settings.tau)
    return weights


def first_of_group(first: Int64, second: Int64) -> Bool:
    """``(N, k)``: True where a row's pair (first, second) has not occurred further left in that row."""
    if first.size == 0:
        return np.zeros(first.shape, dtype=bool)
    order = np.lexsort((np.broadcast_to(np.arange(first.shape[1]), first.shape), second, first), axis=1)
    a, b = np.take_along_axis(first, order, axis=1), np.take_along_axis(second, order, axis=1)
    starts = np.ones(first.shape, dtype=bool)
    starts[:, 1:] = (a[:, 1:] != a[:, :-1]) | (b[:, 1:] != b[:, :-1])
    result = np.empty_like(starts)
    np.put_along_axis(result, order, starts, axis=1)
    return result
