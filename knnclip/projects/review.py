"""In which order to look at pictures: what is far from everything stored, unknown, and spread over the folder."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from knnclip.structures import Float32, Segmentation, unit_rows

GREEDY = 256
"""Pictures that are spread against each other, more than a person looks at before the next relabelling; the rest
follows by need alone. Each costs a product with all descriptors."""

LEAST_NEED = 0.02
"""Of a picture of which everything seems known: spreading still has a say there."""


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
    """The order of N pictures, by need times distance to what was seen and to those that go before (greedy k-centre).

    ``descriptors``: ``(N, D)`` unit vectors. ``need``: ``(N,)``, how much there is to learn in each. ``seen``: ``(M,
    D)`` of the pictures that are checked. Of equal ones the first goes first, so that the order is a function of these.
    """
    count = len(descriptors)
    if not count:
        return []
    vectors = descriptors.astype(np.float64)
    distance = np.full(count, 2.0)  # the largest there is between unit vectors
    if len(seen):
        distance = 1.0 - (vectors @ seen.astype(np.float64).T).max(axis=1)
    weight = np.maximum(need, LEAST_NEED)
    left = np.ones(count, dtype=bool)
    order: list[int] = []
    for _ in range(min(count, GREEDY)):
        chosen = int(np.where(left, weight * np.maximum(distance, 0.0), -1.0).argmax())
        left[chosen] = False
        order.append(chosen)
        distance = np.minimum(distance, 1.0 - vectors @ vectors[chosen])
    rest = np.flatnonzero(left)
    order += rest[np.argsort(-weight[rest], kind="stable")].tolist()
    return order
