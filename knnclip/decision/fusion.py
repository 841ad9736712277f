"""P_base and P_ret -> P_final.

What a row of P_final lacks to 1 is the probability of *unknown*: neither the base nor the store can name the mask.

``FusionSettings(kind="paper")`` is kNN-CLIP's convex mix (arXiv 2404.09447):
``paper_lambda P_ret + (1 - paper_lambda) P_base`` where max P_ret reaches ``paper_threshold``, else P_base. It has two
known faults (arXiv 2602.23339): one fixed weight serves one example and fifty alike, and classes with instances take
over the regions of classes without.

``FusionSettings(kind="evidence")``, the default, lets the evidence decide how much it takes, and from whom. With S the
classes that have instances and U the others, b = P_base, p = P_ret, m, v and u the base's mass on S, on "nothing" and
on U,

    P(c) = (1 - lambda) b(c) + p(c) (lambda m + mu v + nu u)   for c in S
    P(c) = (1 - nu) b(c)                                       for c in U

so retrieval takes lambda of what the base gave to classes with instances, mu of "nothing", nu of classes without. Let
c* be the class that p prefers, s the similarity of its nearest instance, and w its witnesses:

* t = p(c*) ** exponent is the probability that c* is right, as the store finds it by asking for its own instances with
  their images left out (``Calibration``); lambda = t w / (w + ``HALF_BELIEVED``).
* g says whether the mask is like anything stored (``knnclip.decision.likeness``). mu = g (lambda + (1 - lambda) t).
* nu = g lambda (r + (1 - r) h^2), where r is the store's reliability and h is 0 up to the typical s and 1 for an exact
  match: only a store that is nearly always right, or a mask nearly the same as a stored one, may take from a class that
  it knows nothing of.

Weak evidence (g = 0) only moves probability within S, so a class without instances keeps its base probability; strong
evidence may overrule the base, its "nothing" included.

Without a base classifier, and with ``kind="retrieval"``, P_final is g p, and unknown has the rest. ``kind="base"`` is
P_base: the answer of a store that nobody asks, to compare with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from knnclip.errors import UsageError
from knnclip.knowledge import Calibration, Census, Levels
from knnclip.structures import Beliefs, Float32, Posterior

HALF_BELIEVED = 0.75
"""Witnesses at which retrieval has half of the trust that it has with many; larger believes a single click less."""

NEARLY_SAME = 0.02
"""The least distance from the typical similarity to 1 over which h rises: where instances are all but the same, float16
noise must not decide."""


FusionKind = Literal["evidence", "paper", "base", "retrieval"]


@dataclass(frozen=True)
class FusionSettings:
    """How the two opinions are mixed."""

    kind: FusionKind = "evidence"
    paper_lambda: float = 0.5  # in [0, 1]; weight of retrieval where kind is "paper"
    paper_threshold: float = 0.7  # in [0, 1]; max P_ret from which retrieval may speak where kind is "paper"

    def __post_init__(self) -> None:
        if self.kind not in get_args(FusionKind):
            raise UsageError(f"the kind of fusion is one of {', '.join(get_args(FusionKind))}, found {self.kind!r}")
        if not (0 <= self.paper_lambda <= 1 and 0 <= self.paper_threshold <= 1):
            raise UsageError(
                f"the paper's lambda and T lie in 0 to 1, found {self.paper_lambda:g} and {self.paper_threshold:g}"
            )


def fuse(
    base: Float32 | None,
    retrieved: Posterior,
    likeness: Float32,
    levels: Levels,
    census: Census,
    calibration: Calibration,
    settings: FusionSettings,
) -> Beliefs:
    """P_final of N masks over C classes.

    ``base`` is P_base, ``(N, C)``, None where there is no classifier; ``retrieved`` what the neighbours say,
    ``likeness`` the g of the masks, ``(N,)``. ``levels`` and ``census`` are the store's, of the same classes;
    ``calibration`` tells how far its votes can be trusted.
    ``UsageError`` where ``settings`` ask for the base alone and there is none.
    """
    if settings.kind == "base":
        if base is None:
            raise UsageError(
                "there is no base to answer alone: the preset has no classifier; name one with --classifier"
            )
        final = base
    elif base is None or settings.kind == "retrieval":
        final = retrieved.probabilities * likeness[:, None]
    elif settings.kind == "paper":
        final = _paper(base, retrieved, settings)
    else:
        final = _evidence(base, retrieved, likeness, levels, census, calibration)
    return Beliefs(base, retrieved.probabilities, final.astype(np.float32))


def _paper(base: Float32, retrieved: Posterior, settings: FusionSettings) -> Float32:
    p = retrieved.probabilities
    speaks = p.max(axis=1, keepdims=True, initial=0) >= settings.paper_threshold
    mixed: Float32 = np.where(speaks, settings.paper_lambda * p + (1 - settings.paper_lambda) * base, base)
    return mixed


def _evidence(
    base: Float32, retrieved: Posterior, g: Float32, levels: Levels, census: Census, calibration: Calibration
) -> Float32:
    """Named as in the formulas above; all but b and p are ``(N,)``."""
    if base.shape[1] == 0:
        return base
    b, p = base, retrieved.probabilities
    masks, preferred = np.arange(len(p)), p.argmax(axis=1)
    s = np.maximum(retrieved.similarity[masks, preferred], -1)  # -inf where there is no neighbour
    w = retrieved.witnesses[masks, preferred]
    typical = levels.typical[preferred] if levels.known else np.float32(1)  # of nothing known only the same is typical

    t = p[masks, preferred] ** np.float32(calibration.exponent)
    lambda_ = t * w / (w + HALF_BELIEVED)
    mu = g * (lambda_ + (1 - lambda_) * t)
    h = np.clip(1 - (1 - s) / np.maximum(1 - typical, NEARLY_SAME), 0, 1)
    r = calibration.reliability
    nu = g * lambda_ * (r + (1 - r) * h**2)

    supported = census.instances > 0
    m = np.where(supported, b, 0).sum(axis=1)
    v = np.maximum(1 - b.sum(axis=1), 0)
    u = 1 - v - m
    taken = lambda_ * m + mu * v + nu * u
    final: Float32 = np.where(supported, (1 - lambda_[:, None]) * b + p * taken[:, None], (1 - nu[:, None]) * b)
    return np.where(p.any(axis=1, keepdims=True), final, b)
