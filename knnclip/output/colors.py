"""Colours that colour-blind people tell apart as well.

Dichromats are simulated with the matrices of Machado, Oliveira and Fernandes (IEEE TVCG 2009) at full severity, and
distances are taken in OKLab (Ottosson 2020), where equal steps look equally large.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from knnclip.vocabulary import Color, Vocabulary

CLEAR_DISTANCE = 0.08
"""Two colours at least so far apart in OKLab, for every kind of dichromat, are left as they are.

Black and white are 1 apart. A larger distance recolours classes that are told apart well, and runs out of colours
sooner: at this one 14 to 17 classes, by the names that were tried, are all clear of each other. A smaller one leaves
pairs that colour-blind people confuse.
"""

CLEAR_TO_MOST = 0.12
"""The same for full sight: at 0.08 red and salmon are left beside each other, which blended with a picture are taken
for one; at 0.14 fewer classes are all clear of each other, by the names that were tried."""

UNKNOWN_COLOR: Color = (140, 140, 140)
"""What no class was found for is grey, unless a class is: then the first of ``UNKNOWN_COLORS`` that none is near."""

UNKNOWN_COLORS: tuple[Color, ...] = (UNKNOWN_COLOR, (225, 225, 225), (45, 45, 45), (185, 185, 185), (90, 90, 90))

GRID_STEP = 51
"""Candidates lie on a grid over RGB in steps of a fifth of its range; half and a third of it were tried and gave clear
colours to hardly more classes."""

LEAST_CHROMA = 2 * GRID_STEP
"""Candidates have channels at least so far apart: greys are kept for the unknown."""

_NORMAL = np.eye(3)
_PROTANOPIA = np.array(
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
)
_DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)
_TRITANOPIA = np.array(
    [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
)
_SIGHTS = np.stack([_NORMAL, _PROTANOPIA, _DEUTERANOPIA, _TRITANOPIA])

_LINEAR_TO_CONES = np.array(
    [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
     [0.0883024619, 0.2817188376, 0.6299787005]]
)  # fmt: skip
_CONES_TO_LAB = np.array(
    [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
     [0.0259040371, 0.7827717662, -0.8086757660]]
)  # fmt: skip


def with_distinct_colors(vocabulary: Vocabulary) -> Vocabulary:
    """The same classes in colours that differ for every kind of sight, as far as there are enough colours.

    A colour that somebody chose stays. The other classes choose in the order in which the store got to know them, so
    that a new one never recolours an older one: a colour that is clear of those before it is kept, another gives way to
    the most similar candidate that is, or to the candidate farthest from them if none is clear.
    """
    chosen = {info.class_id: info.color for info in vocabulary if info.keeps_color}
    candidates, labs = _candidates()
    # (classes, sights, 3) OKLab of the colours chosen so far, and how far each candidate is from the nearest of them
    taken = lab_by_sight(np.array(list(chosen.values())).reshape(-1, 3))
    distance = _clearance(labs, taken)
    for info in sorted(vocabulary, key=lambda info: info.class_id):
        if info.keeps_color:
            continue
        color, lab = info.color, lab_by_sight(np.array([info.color]))
        if _clearance(lab, taken)[0] < 1:
            change = np.linalg.norm(labs[:, 0] - lab[:, 0], axis=-1)
            clear = distance >= 1
            best = int(np.where(clear, change, np.inf).argmin()) if clear.any() else int(distance.argmax())
            red, green, blue = candidates[best].tolist()
            color, lab = (red, green, blue), labs[best : best + 1]
        chosen[info.class_id] = color
        taken, distance = np.concatenate([taken, lab]), np.minimum(distance, _clearance(labs, lab))
    return Vocabulary.of(replace(info, color=chosen[info.class_id]) for info in vocabulary)


def unknown_color(vocabulary: Vocabulary) -> Color:
    """The colour of what is unknown beside classes in these colours: a grey that none of them is near, if there is one.

    Pictures hatch it as well, since a class may have any colour.
    """
    if not len(vocabulary):
        return UNKNOWN_COLOR
    distance = _clearance(
        lab_by_sight(np.array(UNKNOWN_COLORS)), lab_by_sight(np.array([info.color for info in vocabulary]))
    )
    return UNKNOWN_COLORS[int((distance >= 1).argmax() if (distance >= 1).any() else distance.argmax())]


def lab_by_sight(colors: NDArray[np.integer]) -> NDArray[np.float64]:
    """``(N, 3)`` sRGB in 0..255 -> ``(N, sights, 3)`` OKLab: full sight first, then the three dichromats'."""
    srgb = colors / 255.0
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    simulated = np.einsum("sij,nj->nsi", _SIGHTS, linear).clip(0, 1)
    cones = np.cbrt(simulated @ _LINEAR_TO_CONES.T)
    lab: NDArray[np.float64] = cones @ _CONES_TO_LAB.T
    return lab


def _clearance(labs: NDArray[np.float64], taken: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(N,)``: how far each of ``(N, sights, 3)`` is from the nearest of ``taken``, for the worst sight.

    In the distances that are clear to each sight: from 1 on it is clear to all; infinite where nothing is taken.
    """
    least = np.array([CLEAR_TO_MOST, *[CLEAR_DISTANCE] * (len(_SIGHTS) - 1)])
    distances: NDArray[np.float64] = np.linalg.norm(labs[:, None] - taken[None], axis=-1) / least
    nearest: NDArray[np.float64] = distances.min(axis=(1, 2), initial=np.inf)
    return nearest


@cache
def _candidates() -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """``(N, 3)`` RGB on a grid without what is nearly grey, and their ``(N, sights, 3)`` OKLab."""
    steps = np.arange(0, 256, GRID_STEP)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3).astype(np.uint8)
    vivid = grid[np.ptp(grid.astype(np.int64), axis=1) >= LEAST_CHROMA]
    return vivid, lab_by_sight(vivid)
