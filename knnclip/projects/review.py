"""In which order to look at pictures: what is far from everything stored, unknown, and spread over the folder."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from knnclip.structures import Float32, Segmentation, unit_rows

GREEDY = 64
"""Pictures that are spread against each other, more than a person looks at before the next relabelling; the rest
follows by need alone. More take longer."""

WITNESSES = 400
"""Pictures of a folder that speak for all when it is asked what an order covers: evenly many of each part of it.
Asking all of thousands takes seconds."""

LEAST_NEED = 0.02
"""Of a picture of which everything seems known: that it is like what was looked at still counts a little."""


def descriptor(embeddings: Float32, areas_px: NDArray[np.int64]) -> Float32:
    """``(D,)``: what a picture shows, the mean of its masks' ``(N, D)`` unit vectors by area, of unit length."""
    if not len(embeddings):
        return np.zeros(embeddings.shape[1], dtype=np.float32)
    weights = areas_px / areas_px.sum()
    mean: Float32 = unit_rows((weights @ embeddings.astype(np.float64))[None], where="descriptor")[0]
    return mean


def novelty(answer: Segmentation) -> float:
    """How far a picture is from everything stored: 1 less the similarity of the nearest instance, mean by area."""
    areas = np.array([segment.mask.area for segment in answer.segments], dtype=np.float64)
    if not areas.size:
        return 1.0
    nearest = [segment.evidence[0].similarity if segment.evidence else 0.0 for segment in answer.segments]
    return float(np.clip(1.0 - (areas @ np.array(nearest)) / areas.sum(), 0.0, 1.0))


def spread(descriptors: Float32, need: NDArray[np.float64], seen: Float32) -> list[int]:
    """The order of N pictures: each next one is what most of what is not yet known is most like.

    That is the greedy choice for facility location: what grows most is the sum, over the pictures, of their need times
    their similarity to the nearest picture that is checked or goes before. What many are like goes early, what is odd
    goes late, and nothing is shown twice. ``descriptors``: ``(N, D)`` unit vectors. ``need``: ``(N,)``, how much there
    is to learn in each. ``seen``: ``(M, D)`` of the pictures that are checked. Of equal ones the first goes first, so
    that the order is a function of these.
    """
    count = len(descriptors)
    if not count:
        return []
    # Pictures of one folder are much alike: by what they differ in they are told apart.
    everything = np.concatenate([descriptors, seen.reshape(-1, descriptors.shape[1])]).astype(np.float64)
    centred = everything - everything.mean(axis=0)
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    todo, done = centred[:count], centred[count:]
    witnesses = np.linspace(0, count - 1, min(count, WITNESSES)).round().astype(np.int64)
    weight = np.maximum(need, LEAST_NEED)
    likeness = todo @ todo[witnesses].T  # (N, W)
    covered = np.full(len(witnesses), -1.0)  # the smallest there is between unit vectors
    if len(done):
        covered = (done @ todo[witnesses].T).max(axis=0)
    left = np.ones(count, dtype=bool)
    order: list[int] = []
    for _ in range(min(count, GREEDY)):
        gain = np.maximum(likeness - covered, 0.0) @ weight[witnesses]
        chosen = int(np.where(left, gain, -1.0).argmax())
        left[chosen] = False
        order.append(chosen)
        covered = np.maximum(covered, likeness[chosen])
    rest = np.flatnonzero(left)
    order += rest[np.argsort(-weight[rest], kind="stable")].tolist()
    return order
