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
"""Two colours at least so far apart in OKLab, for every kind of sight, are left as they are."""

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

    Classes choose in the order in which the store got to know them, so that a new one never recolours an older one: a
    colour that is clear of those before it is kept, another gives way to the most similar candidate that is, or to the
    candidate farthest from them if none is clear.
    """
    chosen: dict[int, Color] = {}
    seen = np.empty((0, len(_SIGHTS), 3))
    for info in sorted(vocabulary, key=lambda info: info.class_id):
        color, look = info.color, _as_seen(np.array([info.color]))
        if len(seen) and _clearance(look, seen)[0] < CLEAR_DISTANCE:
            colors, looks = _candidates()
            distance = _clearance(looks, seen)
            change = np.linalg.norm(looks[:, 0] - look[:, 0], axis=-1)
            clear = distance >= CLEAR_DISTANCE
            best = int(np.where(clear, change, np.inf).argmin()) if clear.any() else int(distance.argmax())
            red, green, blue = colors[best].tolist()
            color, look = (red, green, blue), looks[best : best + 1]
        chosen[info.class_id] = color
        seen = np.concatenate([seen, look])
    return Vocabulary.of(replace(info, color=chosen[info.class_id]) for info in vocabulary)


def clearance(colors: NDArray[np.integer]) -> float:
    """The distance of the two nearest of ``(N, 3)`` RGB colours, N at least 2, for the sight that confuses them most.

    In OKLab: black and white are 1 apart.
    """
    looks = _as_seen(colors)
    distances = np.linalg.norm(looks[:, None] - looks[None], axis=-1).min(axis=-1)
    return float(distances[~np.eye(len(looks), dtype=bool)].min())


def _clearance(looks: NDArray[np.float64], seen: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(N,)``: how far each is from the nearest of ``seen``, for the sight that confuses them most."""
    distances: NDArray[np.float64] = np.linalg.norm(looks[:, None] - seen[None], axis=-1)
    nearest: NDArray[np.float64] = distances.min(axis=(1, 2))
    return nearest


def _as_seen(colors: NDArray[np.integer]) -> NDArray[np.float64]:
    """``(N, 3)`` sRGB in 0..255 -> ``(N, sights, 3)`` OKLab."""
    srgb = colors / 255.0
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.einsum("sij,nj->nsi", _SIGHTS, linear).clip(0, 1)
    cones = np.cbrt(seen @ _LINEAR_TO_CONES.T)
    lab: NDArray[np.float64] = cones @ _CONES_TO_LAB.T
    return lab


@cache
def _candidates() -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """A grid over RGB without what is nearly grey, which is kept for the unknown."""
    steps = np.arange(0, 256, 51)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3).astype(np.uint8)
    vivid = grid[np.ptp(grid.astype(np.int64), axis=1) >= 102]
    return vivid, _as_seen(vivid)
