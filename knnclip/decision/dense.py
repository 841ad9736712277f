"""What the store says of each pixel, and its mixture with what it says of the masks.

A mask is one region with one answer: what is thinner than a region, or was not cut out, is lost in it. The maps that
the encoder pooled the masks' vectors from lie in the same space as these, so the discriminant of the stored instances
(``knnclip.decision.discriminant``) tells a class for every cell of them, Q(c), with nothing stored for it. Between
cells Q^w is interpolated bilinearly. At a pixel under the masks' opinion P the supported classes (those with instances)
share what P gave to all of them, m, anew:

    P'(c) = m g(c) / sum of g,   g(c) = P(c)^(1 - w) Q(c)^w,

and what P gave to other classes and to unknown stays. Where Q rules out all that P is for, to the last bit, P stands.

Only classes that are best somewhere, at an atom or at a cell, share and can win. One that is second to different
classes in both is left out: with a thousand classes all of them would cost more than the image.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from knnclip.parts.pooling import interpolation, mask_weights
from knnclip.structures import Bool, DenseBeliefs, Float32, Int32, Int64, Layout, Mask

STRIP_NUMBERS = 2**22
"""Numbers of a strip of rows, 16 MB: whatever the image's size is, but a row at least."""


def mean_over(dense: DenseBeliefs, masks: tuple[Mask, ...], shape: tuple[int, int]) -> Float32:
    """``(S, C)``: the mean of Q over S masks of an ``(H, W)`` image, weighted as pooling does."""
    height, width, classes = dense.probabilities.shape
    weights = mask_weights(masks, shape, (height, width), dense.layout)
    mean: Float32 = (weights @ dense.probabilities.reshape(height * width, classes)).astype(np.float32)
    return mean


def winners(scores: NDArray[np.float64], labels: Int32, dense: DenseBeliefs | None) -> tuple[Int32, Float32]:
    """The best column and its probability at each pixel, ``(H, W)`` each.

    ``scores`` are the opinions P on A atoms over C classes and, last, unknown: ``(A, C + 1)``; ``labels``, ``(H, W)``,
    is the atom of each pixel. Without a ``dense`` opinion that of its atom holds at each pixel.
    """
    if dense is None or not dense.probabilities.any():
        best = scores.argmax(axis=1).astype(np.int32)
        return best[labels], scores.max(axis=1, initial=0).clip(0, 1).astype(np.float32)[labels]
    candidates, powers = _candidates(scores, dense)
    others = scores.copy()
    others[:, np.append(_supported(dense), False)] = -1
    column, confidence = np.empty(labels.shape, dtype=np.int32), np.empty(labels.shape, dtype=np.float32)
    rest, rest_score = others.argmax(axis=1).astype(np.int32), others.max(axis=1).astype(np.float32)
    shared = scores[:, :-1][:, _supported(dense)].sum(axis=1).astype(np.float32)
    alone, alone_score = scores[:, candidates].argmax(axis=1), scores[:, candidates].max(axis=1).astype(np.float32)
    own = (scores[:, candidates] ** (1 - dense.weight)).astype(np.float32)
    for rows, strip in _strips(powers, labels.shape, dense.layout):
        atom = labels[rows]
        g = own[atom] * strip
        total = g.sum(axis=2)
        best = np.where(total > 0, g.argmax(axis=2), alone[atom])
        top = np.take_along_axis(g, best[..., None], axis=2)[..., 0]
        score = np.where(total > 0, shared[atom] * top / np.where(total > 0, total, 1), alone_score[atom])
        wins = score > rest_score[atom]
        column[rows] = np.where(wins, candidates[best], rest[atom])
        confidence[rows] = np.where(wins, score, rest_score[atom]).clip(0, 1)
    return column, confidence


def mixed(final: Float32, dense: Float32, weight: float) -> Float32:
    """P' of S segments from the means of P and Q over them, ``(S, C)`` each."""
    supported = dense.any(axis=0)
    g = np.where(supported, final ** (1 - weight) * dense**weight, 0)
    total, shared = g.sum(axis=1, keepdims=True), np.where(supported, final, 0).sum(axis=1, keepdims=True)
    moved = (total > 0) & supported
    result: Float32 = np.where(moved, shared * g / np.where(total > 0, total, 1), final).astype(np.float32)
    return result


def _supported(dense: DenseBeliefs) -> Bool:
    """``(C,)``: the classes that Q speaks of."""
    return np.asarray(dense.probabilities.any(axis=(0, 1)))


def _candidates(scores: NDArray[np.float64], dense: DenseBeliefs) -> tuple[Int64, Float32]:
    """``(K,)`` columns that are best somewhere, and their Q^w, ``(h, w, K)``."""
    supported = np.flatnonzero(_supported(dense))
    of_atoms = supported[scores[:, supported].argmax(axis=1)]
    of_cells = supported[dense.probabilities[..., supported].argmax(axis=2)]
    candidates = np.unique(np.concatenate([of_atoms, of_cells.ravel()]))
    return candidates, dense.probabilities[..., candidates] ** np.float32(dense.weight)


def _strips(powers: Float32, shape: tuple[int, int], layout: Layout) -> Iterator[tuple[slice, Float32]]:
    """``(n, W, K)`` of the map enlarged to the image, some rows of it at a time."""
    down = interpolation(shape[0], powers.shape[0], layout).astype(np.float32)
    across = interpolation(shape[1], powers.shape[1], layout).astype(np.float32)
    height, width, classes = powers.shape
    step = max(1, STRIP_NUMBERS // max(shape[1] * classes, 1))
    for first in range(0, shape[0], step):
        rows = slice(first, min(first + step, shape[0]))
        strip = (down[rows] @ powers.reshape(height, width * classes)).reshape(-1, width, classes)
        yield rows, np.einsum("xw,ywk->yxk", across, strip, optimize=True)
