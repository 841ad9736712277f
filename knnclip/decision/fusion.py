"""P_base and P_ret -> P_final.

What a row of P_final lacks to 1 is the probability of *unknown*: neither the base nor the store can name the mask.

``fusion="paper"`` is kNN-CLIP's convex mix (arXiv 2404.09447): ``lambda P_ret + (1 - lambda) P_base`` where the
retrieval confidence reaches T, else P_base. It has two known faults (arXiv 2602.23339): one fixed weight serves one
example and fifty alike, and classes with rows take over the regions of classes without.

``fusion="evidence"``, the default, lets the evidence decide how much it takes, and from whom. With S the classes that
have rows and U the others, b = P_base, m, v and u the base's mass on S, on "nothing" and on U,

    P(c) = (1 - lambda) b(c) + P_ret(c) (lambda m + mu v + nu u)   for c in S
    P(c) = (1 - nu) b(c)                                          for c in U

so retrieval takes lambda of what the base gave to classes with rows, mu of "nothing", nu of classes without rows:

* t = P_ret(c*) ** exponent is the probability that the preferred class c* is right, as the store finds it by asking for
  its own rows with their images left out (``Calibration``); w its witnesses; lambda = t w / (w + 3/4).
* g says whether the mask is like anything stored: 1 from the similarity that almost every row of c* reaches with its
  nearest of another image (``Levels.floor``), 0 from twice the way below it that ``Levels.typical`` lies above it.
  mu = g (lambda + (1 - lambda) t).
* nu = g lambda (r + (1 - r) h^2), where r is the store's reliability and h is 0 up to the typical similarity and 1 for
  an exact match: only a store that is nearly always right, or a mask nearly the same as a stored one, may take from a
  class that it knows nothing of.

Weak evidence (g = 0) only moves probability within S, so a class without rows keeps its base probability; strong
evidence may overrule the base, its "nothing" included.

Without a base classifier, and with ``fusion="retrieval"``, P_final is g P_ret, and unknown has the rest.
``fusion="base"`` is P_base: the answer of a store that nobody asks, to compare with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from knnclip.errors import UsageError
from knnclip.structures import Beliefs, Calibration, Census, Float32, Levels, Posterior

HALF_BELIEVED = 0.75
"""Witnesses at which retrieval is given half of the trust that it has with many."""

REACH = 2.0
NEARLY_SAME = 0.02
UNLIKE = 0.5
"""The similarity that says nothing where it is not known how alike rows of a class are."""


FusionKind = Literal["evidence", "paper", "base", "retrieval"]


@dataclass(frozen=True)
class FusionSettings:
    """How the two opinions are mixed."""

    kind: FusionKind = "evidence"
    paper_lambda: float = 0.5  # in [0, 1]; weight of retrieval in fusion="paper"
    paper_threshold: float = 0.7  # in [0, 1]; max P_ret from which retrieval may speak in fusion="paper"

    def __post_init__(self) -> None:
        if self.kind not in get_args(FusionKind):
            raise UsageError(f"fusion is one of {', '.join(get_args(FusionKind))}, found {self.kind!r}")
        if not (0 <= self.paper_lambda <= 1 and 0 <= self.paper_threshold <= 1):
            raise UsageError(
                f"the paper's lambda and T lie in 0 to 1, found {self.paper_lambda:g} and {self.paper_threshold:g}"
            )


def fuse(
    base: Float32 | None,
    retrieved: Posterior,
    levels: Levels,
    census: Census,
    calibration: Calibration,
    settings: FusionSettings,
) -> Beliefs:
    """P_final of N masks; P_base is None where the preset has no classifier."""
    if settings.kind == "base":
        if base is None:
            raise UsageError(
                "there is no base to answer alone: the preset has no classifier; name one with --classifier"
            )
        final = base
    elif base is None or settings.kind == "retrieval":
        final = _known(retrieved, levels, census)
    elif settings.kind == "paper":
        final = _paper(base, retrieved, settings)
    else:
        final = _evidence(base, retrieved, levels, census, calibration)
    return Beliefs(base, retrieved.probabilities, final.astype(np.float32))


def _known(retrieved: Posterior, levels: Levels, census: Census) -> Float32:
    known: Float32 = retrieved.probabilities * _alike(retrieved, levels, census)[:, None]
    return known


def _paper(base: Float32, retrieved: Posterior, settings: FusionSettings) -> Float32:
    p = retrieved.probabilities
    speaks = p.max(axis=1, keepdims=True, initial=0) >= settings.paper_threshold
    mixed: Float32 = np.where(speaks, settings.paper_lambda * p + (1 - settings.paper_lambda) * base, base)
    return mixed


def _evidence(base: Float32, retrieved: Posterior, levels: Levels, census: Census, calibration: Calibration) -> Float32:
    n, c = base.shape
    if c == 0:
        return base
    p = retrieved.probabilities
    rows, preferred = np.arange(n), p.argmax(axis=1)
    similarity = np.maximum(retrieved.similarity[rows, preferred], -1)  # -inf where there is no neighbour
    typical = levels.typical[preferred]
    witnesses = retrieved.witnesses[rows, preferred]

    trust = p[rows, preferred] ** np.float32(calibration.exponent)
    taken = trust * witnesses / (witnesses + HALF_BELIEVED)
    supported = census.instances > 0
    alike = _alike(retrieved, levels, census)
    rescued = alike * (taken + (1 - taken) * trust)
    same = np.clip(1 - (1 - similarity) / np.maximum(1 - typical, NEARLY_SAME), 0, 1)
    reliability = calibration.reliability
    overruled = alike * taken * (reliability + (1 - reliability) * same**2)

    mass = np.where(supported, base, 0).sum(axis=1)
    nothing = np.maximum(1 - base.sum(axis=1), 0)
    moved = taken * mass + rescued * nothing + overruled * (1 - nothing - mass)
    final: Float32 = np.where(
        supported, (1 - taken[:, None]) * base + p * moved[:, None], (1 - overruled[:, None]) * base
    )
    return np.where(p.any(axis=1, keepdims=True), final, base)


def _alike(retrieved: Posterior, levels: Levels, census: Census) -> Float32:
    """g of N masks, ``(N,)``: whether they are like the rows of the class that the votes prefer.

    Where no level is known, the floor being -1, the similarity itself must do, and that many classes were there to
    prefer: a vote that had no choice says nothing.
    """
    n, c = retrieved.probabilities.shape
    if c == 0:
        return np.zeros(n, dtype=np.float32)
    preferred = retrieved.probabilities.argmax(axis=1)
    similarity, floor, typical = (
        retrieved.similarity[np.arange(n), preferred],
        levels.floor[preferred],
        levels.typical[preferred],
    )
    known = floor > -1
    full = np.where(known, floor, np.float32(1))
    empty = np.where(known, floor - REACH * (typical - floor), np.float32(UNLIKE))
    reached = (np.maximum(similarity, -1) - empty) / np.maximum(full - empty, np.float32(1e-6))
    chosen = 1 - max(int(np.count_nonzero(census.instances)), 1) ** -0.5
    alike: Float32 = np.maximum(np.clip(reached, 0, 1), np.where(known, 0, chosen)).astype(np.float32)
    return alike
