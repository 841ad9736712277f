"""Whether a mask is like anything stored: what stands between a class and *unknown*.

Of a mask with the embedding x, for which the votes prefer class c, two things are asked.

* Is it near? s is the similarity of the nearest instance of c. Instances of c have the similarity ``typical`` to their
  nearest of another image, nearly all of them ``floor`` or more (``Levels``): n = (s - typical) / (typical - floor).
* Does it lie where the classes lie? The energy E(x) = ln of the sum over c of exp score_c(x) of the discriminant's
  scores is high in the directions that tell classes from each other (Liu et al., Energy-based Out-of-distribution
  Detection, 2020). With its levels on instances whose images were left out, e = (E(x) - typical) / (typical - floor).

Nearness notices another world, energy what is new in a street that is known; the lesser of both does what each does:

    z = min(n, e),   g = 1 + z / ``REACH``, within 0 and 1

is 1 for what is typical, 1 - 1 / ``REACH`` at the floor that one instance in twenty does not reach, and unknown wins
against a sure vote where z < -``REACH`` / 2. Both levels are the store's own. A promise such as "one in twenty at most"
needs z of instances that were left out, and in place of this g their share below.

What is not known does not speak: without levels the similarity itself must do, without an energy z is n.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knnclip.knowledge import Census, Levels
from knnclip.structures import Float32, Posterior

REACH = 4.0
"""How far from typical a mask may lie and be like the store at all, in steps from typical to the floor. At 3 a store of
streets calls 95 % of COCO's foreign pixels unknown in place of 82 %, but streets that are like no stored sequence lose
their names too: two points of mIoU on CamVid's left-out sequences, at 4 a third of one."""

UNLIKE = 0.5
"""The similarity that says nothing where it is not known how alike instances of a class are."""

LEAST_SPAN = 1e-6
"""Of a step from the floor to typical: where all instances are equally alike, what is less alike is at its end."""

FLOOR_QUANTILE = 0.05
"""The share of instances left out that may have less energy than the floor, as of ``Levels``."""

LEAST_ASKED = 20
"""Instances of which one lies below ``FLOOR_QUANTILE``. The least energy of fewer is chance."""


@dataclass(frozen=True)
class EnergyLevel:
    """What energy instances have in a discriminant that has not seen their images."""

    floor: float  # FLOOR_QUANTILE of them have less
    typical: float  # the median


def energy_level(energy: NDArray[np.float64]) -> EnergyLevel | None:
    """The level of the energies of Q instances that were left out; None of fewer than ``LEAST_ASKED``."""
    if len(energy) < LEAST_ASKED:
        return None
    floor, typical = np.quantile(energy, [FLOOR_QUANTILE, 0.5])
    return EnergyLevel(float(floor), float(typical))


def standing(energy: NDArray[np.float64], level: EnergyLevel) -> NDArray[np.float64]:
    """e of N masks, ``(N,)``, from their energies: 0 for what is typical, -1 at the floor."""
    steps: NDArray[np.float64] = (energy - level.typical) / max(level.typical - level.floor, LEAST_SPAN)
    return steps


def likeness(
    retrieved: Posterior, levels: Levels, census: Census, energy: NDArray[np.float64] | None = None
) -> Float32:
    """g of N masks, ``(N,)`` in [0, 1]: whether they are like what is stored.

    ``retrieved`` is P_ret over C classes; ``levels`` and ``census`` are the store's, of the same classes. ``energy``
    are the masks' e, ``(N,)``, None where nothing could be left out or the discriminant has no say.

    Where no level is known, so many classes were there to prefer must do besides: a vote that had no choice says
    nothing.
    """
    n, c = retrieved.probabilities.shape
    if c == 0:
        return np.zeros(n, dtype=np.float32)
    preferred = retrieved.probabilities.argmax(axis=1)
    s = np.maximum(retrieved.similarity[np.arange(n), preferred], -1)  # -inf where there is no neighbour
    if not levels.known:
        least = 1 - max(int(np.count_nonzero(census.instances)), 1) ** -0.5
        unsure: Float32 = np.clip((s - UNLIKE) / (1 - UNLIKE), np.float32(least), 1).astype(np.float32)
        return unsure
    typical = levels.typical[preferred]
    z = (s - typical) / np.maximum(typical - levels.floor[preferred], np.float32(LEAST_SPAN))
    if energy is not None:
        z = np.minimum(z, energy)
    g: Float32 = np.clip(1 + z / REACH, 0, 1).astype(np.float32)
    return g
