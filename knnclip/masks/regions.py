"""Class-agnostic regions of an image: a two-level hierarchy grown from graph-based superpixels.

1. Leaves: graph-based segmentation (Felzenszwalb and Huttenlocher, IJCV 2004) of a working copy of bounded size.
2. Merging: neighbouring regions i, j are joined in rounds of mutually nearest pairs (Boruvka), nearness being Ward's
   criterion on the mean Lab colour over the length of their common border,

       cost(i, j) = |i| |j| / (|i| + |j|) * ||mean_i - mean_j||^2 / (1 + border_px(i, j)),

   so that small, similar and well connected pieces go first, and thin things that differ from both sides stay whole.

The regions left when ``leaves`` remain and when ``parents`` remain are the proposals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from knnclip.parts.card import Card
from knnclip.parts.proposals import ProposalLimits, best_proposals
from knnclip.parts.roles import MaskGenerator
from knnclip.structures import Float32, Image, Int32, Int64, Proposals, masks_from_labels

WORKING_PX = 480 * 360
"""Pixels of the working copy: a larger image is scaled down to about this many, its labels scaled up again.

The size of CamVid's frames, for which the settings below are; more finds finer regions and takes longer in
proportion."""


@dataclass(frozen=True, kw_only=True)
class RegionSettings(ProposalLimits):
    """How fine the regions are: the options of ``regions,...``.

    The limits of proposals let all of both levels through, so that the leaves cover the image. The superpixels are as
    fine as the working copy allows, for merging only joins; 290 leaves keep poles and signs of a street apart, and 110
    parents hold about the objects. More find thinner things and cost the encoder and the search in proportion.
    """

    min_area: Annotated[int, "pixels of the smallest proposal (also --min-area)"] = 1
    max_masks: Annotated[int, "proposals of an image, at most (also --max-masks)"] = 400
    scale: Annotated[float, "of the graph-based segmentation: larger joins more"] = 30.0
    sigma_px: Annotated[float, "blur before it, in pixels of the working copy"] = 0.6
    min_size_px: Annotated[int, "smallest superpixel, in pixels of the working copy"] = 25
    leaves: Annotated[int, "regions of the fine level, at most"] = 290
    parents: Annotated[int, "regions of the coarse level, at most"] = 110
    parent_score: Annotated[float, "trust in a coarse region, where a fine one has 1"] = 0.5


@dataclass(frozen=True, eq=False)
class Adjacency:
    """R regions of an image and which of them touch."""

    area_px: Int64  # (R,)
    lab_sum: NDArray[np.float64]  # (R, 3) sum of the Lab colours of the pixels
    first: Int64  # (E,) region of each touching pair
    second: Int64  # (E,) the other, larger number
    border_px: Int64  # (E,) pairs of neighbouring pixels (4-neighbourhood) along their border


class RegionGenerator:
    """The mask generator ``regions``. Deterministic; it keeps no state."""

    def __init__(self, settings: RegionSettings | None = None) -> None:
        self.settings = settings or RegionSettings()

    @property
    def name(self) -> str:
        """``regions``."""
        return "regions"

    def generate(self, image: Image) -> Proposals:
        """The leaves (score 1), then the coarse regions that join at least two of them, each in reading order.

        The leaves cover every pixel once. An image of a single region has no masks: nothing in it can be told apart.
        """
        shape = (int(image.shape[0]), int(image.shape[1]))
        leaves, parents = self.levels(image)
        count = int(leaves.max()) + 1
        if count == 1:
            return Proposals(shape, (), np.zeros(0, dtype=np.float32))
        joined = np.bincount(parents) > 1
        coarse = np.where(joined[parents], parents + 1, 0)[leaves]
        fine_masks, coarse_masks = masks_from_labels(leaves + 1), masks_from_labels(coarse)
        scores = np.array([1.0] * len(fine_masks) + [self.settings.parent_score] * len(coarse_masks), np.float32)
        return best_proposals(shape, fine_masks + coarse_masks, scores, self.settings)

    def levels(self, image: Image) -> tuple[Int32, Int64]:
        """``(H, W)`` leaf of each pixel, numbered in reading order from 0, and ``(leaves,)`` the parent of each."""
        import cv2

        height, width = image.shape[:2]
        factor = min(1.0, (WORKING_PX / (height * width)) ** 0.5)
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        working = image if factor == 1.0 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)

        labels = _superpixels(working, self.settings)
        lab = cv2.cvtColor(working.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        graph = adjacency(labels, lab)
        to_leaf, graph = merge(graph, self.settings.leaves)
        to_parent, _ = merge(graph, self.settings.parents)
        leaves = to_leaf[labels].astype(np.int32)
        if factor < 1.0:
            leaves = cv2.resize(leaves, (width, height), interpolation=cv2.INTER_NEAREST)
        return _in_reading_order(leaves, to_parent)


CARD = Card(
    name="regions",
    form="regions",
    summary="class-agnostic regions of two sizes, grown from graph-based superpixels",
    roles={MaskGenerator: "graph-based regions; no weights"},
    licence="Apache-2.0 (part of knnclip)",
    settings=RegionSettings,
    make=lambda settings, device: RegionGenerator(settings),  # noqa: ARG005 - it is no network
)


def adjacency(labels: NDArray[np.integer], lab: Float32) -> Adjacency:
    """The graph of the regions of an ``(H, W)`` label map that uses 0 .. R-1, with their ``(H, W, 3)`` colours."""
    flat, count = labels.ravel(), int(labels.max()) + 1
    sums = [np.bincount(flat, weights=lab[..., channel].ravel(), minlength=count) for channel in range(3)]
    one = np.concatenate([labels[:, :-1].ravel(), labels[:-1].ravel()]).astype(np.int64)
    other = np.concatenate([labels[:, 1:].ravel(), labels[1:].ravel()]).astype(np.int64)
    border = np.ones(len(one), dtype=np.int64)
    return Adjacency(
        np.bincount(flat, minlength=count).astype(np.int64), np.stack(sums, axis=1), *_pairs(one, other, border, count)
    )


def merge(graph: Adjacency, target: int) -> tuple[Int64, Adjacency]:
    """Merges until at most ``target`` regions remain: ``(R,)`` new number of each region, and the new graph."""
    mapping = np.arange(len(graph.area_px))
    while len(graph.area_px) > target and len(graph.first):
        numbers = _round(graph, len(graph.area_px) - target)
        mapping, graph = numbers[mapping], _contracted(graph, numbers)
    return mapping, graph


def merge_costs(graph: Adjacency) -> NDArray[np.float64]:
    """``(E,)``: the cost in the module's docstring."""
    mean = graph.lab_sum / graph.area_px[:, None]
    difference = mean[graph.first] - mean[graph.second]
    a, b = graph.area_px[graph.first].astype(np.float64), graph.area_px[graph.second].astype(np.float64)
    costs: NDArray[np.float64] = a * b / (a + b) * (difference**2).sum(axis=1) / (1.0 + graph.border_px)
    return costs


def _round(graph: Adjacency, surplus: int) -> Int64:
    """One round: ``(R,)`` new numbers after joining the cheaper half of the mutually nearest pairs."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count, costs = len(graph.area_px), merge_costs(graph)
    nearest = np.full(count, np.inf)
    np.minimum.at(nearest, graph.first, costs)
    np.minimum.at(nearest, graph.second, costs)
    mutual = np.flatnonzero((costs <= nearest[graph.first]) & (costs <= nearest[graph.second]))
    chosen = mutual[np.argsort(costs[mutual], kind="stable")[: min(surplus, (len(mutual) + 1) // 2)]]
    links = coo_array((np.ones(len(chosen)), (graph.first[chosen], graph.second[chosen])), shape=(count, count))
    numbers: Int64 = connected_components(links, directed=False)[1].astype(np.int64)
    return numbers


def _contracted(graph: Adjacency, numbers: Int64) -> Adjacency:
    count = int(numbers.max()) + 1
    area = np.bincount(numbers, weights=graph.area_px, minlength=count).astype(np.int64)
    sums = [np.bincount(numbers, weights=graph.lab_sum[:, channel], minlength=count) for channel in range(3)]
    pairs = _pairs(numbers[graph.first], numbers[graph.second], graph.border_px, count)
    return Adjacency(area, np.stack(sums, axis=1), *pairs)


def _pairs(one: Int64, other: Int64, border_px: Int64, count: int) -> tuple[Int64, Int64, Int64]:
    """Unordered pairs of different regions, each once, with the sum of their borders."""
    differ = one != other
    keys = np.minimum(one, other)[differ] * count + np.maximum(one, other)[differ]
    unique, inverse = np.unique(keys, return_inverse=True)
    border = np.bincount(inverse, weights=border_px[differ], minlength=len(unique)).astype(np.int64)
    return unique // count, unique % count, border


def _superpixels(image: Image, settings: RegionSettings) -> Int64:
    from skimage.segmentation import felzenszwalb

    labels: Int64 = felzenszwalb(
        image, scale=settings.scale, sigma=settings.sigma_px, min_size=settings.min_size_px
    ).astype(np.int64)
    return labels


def _in_reading_order(labels: Int32, parents: Int64) -> tuple[Int32, Int64]:
    """Leaves that are left after scaling, numbered by their first pixel; their parents numbered by their first leaf."""
    present, first, inverse = np.unique(labels.ravel(), return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    parent = parents[present[order]]
    _, first, number = np.unique(parent, return_index=True, return_inverse=True)
    order = np.argsort(first)
    parent_rank = np.empty_like(order)
    parent_rank[order] = np.arange(len(order))
    return rank[inverse].reshape(labels.shape).astype(np.int32), parent_rank[number].astype(np.int64)
