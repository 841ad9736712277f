"""P_base and P_ret -> P_final.

What a row of P_final lacks to 1 is the probability of *unknown*: neither the base nor the store can name the mask.

``fusion="paper"`` is kNN-CLIP's convex mix (arXiv 2404.09447): ``lambda P_ret + (1 - lambda) P_base`` where the
retrieval confidence reaches T, else P_base. It has two known faults (arXiv 2602.23339): one fixed weight serves one
example and fifty alike, and classes with rows take over the regions of classes without.

``fusion="evidence"``, the default, lets the evidence set the weight and decide what it may touch. With S the classes
that have rows, and b = P_base(S) the base's mass on them:

    weak    P(c) = b (lambda P_ret(c) + (1 - lambda) P_base(c) / b)  for c in S,   P(c) = P_base(c)  elsewhere
    strong  P(c) = lambda P_ret(c) + (1 - lambda) P_base(c)          for every c
    P_final = g strong + (1 - g) weak

Weak evidence only moves probability within S, so a class without rows keeps its base probability. Strong evidence may
overrule the base, its "nothing" included. g is 1 where the nearest row of the class that retrieval prefers is at least
as similar as rows of that class typically are to each other across images (``Levels.typical``), 0 where it is less
similar than almost all of them (``Levels.floor``), linear between. lambda is the product of that class's
agreement P_ret(c), of w / (w + 1/2) for its w witnesses, and of g/2 + 1/2.

Without a base classifier P_final is P_ret where the nearest row reaches its class's floor, else all unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from knnclip.errors import UsageError
from knnclip.structures import Beliefs, Census, Float32, Levels, Posterior


@dataclass(frozen=True)
class FusionSettings:
    """How the two opinions are mixed."""

    kind: Literal["evidence", "paper"] = "evidence"
    paper_lambda: float = 0.5  # in [0, 1]; weight of retrieval in fusion="paper"
    paper_threshold: float = 0.7  # in [0, 1]; max P_ret from which retrieval may speak in fusion="paper"

    def __post_init__(self) -> None:
        if self.kind not in ("evidence", "paper"):
            raise UsageError(f"fusion {self.kind!r} is neither 'evidence' nor 'paper'")


def fuse(
    base: Float32 | None, retrieved: Posterior, levels: Levels, census: Census, settings: FusionSettings
) -> Beliefs:
    """P_final of N masks; P_base is None where the preset has no classifier."""
    if base is None:
        final = _known(retrieved, levels)
    elif settings.kind == "paper":
        final = _paper(base, retrieved, settings)
    else:
        final = _evidence(base, retrieved, levels, census)
    return Beliefs(base, retrieved.probabilities, final.astype(np.float32))


def _known(retrieved: Posterior, levels: Levels) -> Float32:
    reached = (retrieved.similarity >= levels.floor).any(axis=1, keepdims=True)
    known: Float32 = np.where(reached, retrieved.probabilities, np.float32(0))
    return known


def _paper(base: Float32, retrieved: Posterior, settings: FusionSettings) -> Float32:
    p = retrieved.probabilities
    speaks = p.max(axis=1, keepdims=True, initial=0) >= settings.paper_threshold
    mixed: Float32 = np.where(speaks, settings.paper_lambda * p + (1 - settings.paper_lambda) * base, base)
    return mixed


def _evidence(base: Float32, retrieved: Posterior, levels: Levels, census: Census) -> Float32:
    n, c = base.shape
    if c == 0:
        return base
    p = retrieved.probabilities
    rows, preferred = np.arange(n), p.argmax(axis=1)
    strength = _strength(retrieved.similarity[rows, preferred], levels.floor[preferred], levels.typical[preferred])
    witnesses = retrieved.witnesses[rows, preferred]
    weight = (p[rows, preferred] * witnesses / (witnesses + 0.5) * (0.5 + 0.5 * strength))[:, None]

    supported = census.rows > 0
    support_mass = np.where(supported, base, 0).sum(axis=1, keepdims=True)
    weak = np.where(supported, weight * support_mass * p + (1 - weight) * base, base)
    strong = weight * p + (1 - weight) * base
    final: Float32 = np.where(
        p.any(axis=1, keepdims=True), strength[:, None] * strong + (1 - strength[:, None]) * weak, base
    )
    return final


def _strength(similarity: Float32, floor: Float32, typical: Float32) -> Float32:
    """g: 0 up to the floor, 1 from the typical level, linear between; ``(N,)`` each."""
    span = np.maximum(typical - floor, np.float32(1e-6))
    strength: Float32 = np.clip((np.where(np.isfinite(similarity), similarity, -1) - floor) / span, 0, 1)
    return strength
