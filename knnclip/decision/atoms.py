"""Overlapping masks as one partition: an atom is a largest set of pixels that lie under exactly the same masks.

Everything per-pixel that depends only on which masks cover a pixel (class scores, the winner, its confidence) is
worked out once an atom instead of once a pixel, exactly. A hierarchy of regions has as many atoms as it has leaves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knnclip.structures import Bool, Int32, Int64, Proposals


@dataclass(frozen=True, eq=False)
class Atoms:
    """The partition that N masks make of an image."""

    labels: Int32  # (H, W) atom of each pixel, 0 <= atom < A
    area_px: Int64  # (A,)
    covers: Bool  # (A, N) whether mask n covers atom a

    def __len__(self) -> int:
        return len(self.area_px)


def partition(proposals: Proposals) -> Atoms:
    """The atoms of the proposals; pixels under no mask form one atom too.

    Each mask has a random 64-bit key, and a pixel's signature is the exclusive or of the keys of its masks; two
    different sets of masks share a signature with probability 2^-64.
    """
    keys = np.random.default_rng(0).integers(1, np.iinfo(np.uint64).max, size=len(proposals), dtype=np.uint64)
    signature: NDArray[np.uint64] = np.zeros(proposals.shape, dtype=np.uint64)
    for mask, key in zip(proposals.masks, keys, strict=True):
        signature[mask.slices] ^= np.where(mask.crop, key, np.uint64(0))

    _, first, labels, area = np.unique(signature.ravel(), return_index=True, return_inverse=True, return_counts=True)
    # np.unique orders atoms by random key; ordering them by their first pixel makes the partition readable.
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    ys, xs = np.divmod(first[order], proposals.shape[1])
    covers = np.zeros((len(first), len(proposals)), dtype=bool)
    for n, mask in enumerate(proposals.masks):
        x0, y0, x1, y1 = mask.box_xyxy
        inside = np.flatnonzero((xs >= x0) & (xs < x1) & (ys >= y0) & (ys < y1))
        covers[inside, n] = mask.crop[ys[inside] - y0, xs[inside] - x0]
    return Atoms(rank[labels].reshape(proposals.shape).astype(np.int32), area[order].astype(np.int64), covers)
