"""Class-agnostic regions of an image: a two-level hierarchy grown from the basins of its gradient.

1. Fragments: watersheds of a working copy of bounded size (``knnclip.masks.superpixels``).
2. Merging (``knnclip.masks.merging``): fragments become pieces of even colour, pieces become regions, by colour and,
   where a network has seen the image, by what it sees.
3. Borders (``knnclip.masks.refinement``): of an image larger than its working copy, along the image's own edges.

The regions left when ``leaves`` remain and when ``parents`` remain are the proposals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from knnclip.errors import UsageError
from knnclip.masks.merging import adjacency, fragment_costs, merge, region_costs, with_cells
from knnclip.masks.refinement import refined
from knnclip.masks.superpixels import superpixels
from knnclip.parts.card import Card
from knnclip.parts.pooling import interpolation
from knnclip.parts.proposals import ProposalLimits, best_proposals
from knnclip.parts.roles import MaskGenerator
from knnclip.structures import Cells, Image, Int32, Int64, Proposals, masks_from_labels

WORKING_PX = 480 * 360
"""Pixels of the working copy: a larger image is scaled down to about this many, its labels scaled up again.

The size of CamVid's frames, for which the settings below are; more finds finer regions and takes longer in
proportion."""

PIECES = 1200
"""Regions left when merging goes over from the edges between fragments to the colours of regions: four times the
leaves, so that it has a choice. 900 to 1600 differ by 0.6 points of mIoU with perfect labels."""

MAX_LEAVES = 30_000
"""Borders are refined in 16 bits; a working copy has some 5,000 fragments."""

SEEN_DIM = 64
"""Cells are projected at random to so many numbers, which keeps distances to about a tenth (Johnson and Lindenstrauss,
1984); all of them give the same regions to a tenth of a point and take six times as long."""


@dataclass(frozen=True, kw_only=True)
class RegionSettings(ProposalLimits):
    """How fine the regions are: the options of ``regions,...``.

    The limits of proposals let all of both levels through, so that the leaves cover the image. 290 leaves keep most
    poles and signs of a street apart, and 110 parents hold about the objects. More find thinner things and cost the
    encoder and the search in proportion.
    """

    min_area: Annotated[int, "pixels of the smallest proposal (also --min-area)"] = 1
    max_masks: Annotated[int, "proposals of an image, at most (also --max-masks)"] = 400
    sigma_px: Annotated[float, "blur before edges are sought, in pixels of the working copy"] = 0.7
    leaves: Annotated[int, "regions of the fine level, at most"] = 290
    parents: Annotated[int, "regions of the coarse level, at most"] = 110
    parent_score: Annotated[float, "trust in a coarse region, where a fine one has 1"] = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.leaves <= MAX_LEAVES:
            raise UsageError(f"leaves is between 1 and {MAX_LEAVES}, found {self.leaves}; leave it out for its default")
        if self.sigma_px <= 0:
            raise UsageError(f"sigma_px is above 0, found {self.sigma_px:g}; leave it out for its default")


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
        return self._proposals(*self.levels(image))

    def generate_by(self, image: Image, cells: Cells) -> Proposals:
        """As ``generate``, with what a network sees beside the colours: see ``GuidedGenerator``."""
        return self._proposals(*self.levels(image, cells))

    def levels(self, image: Image, cells: Cells | None = None) -> tuple[Int32, Int64]:
        """``(H, W)`` leaf of each pixel, numbered in reading order from 0, and ``(leaves,)`` the parent of each."""
        import cv2

        height, width = image.shape[:2]
        factor = min(1.0, (WORKING_PX / (height * width)) ** 0.5)
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        working = image if factor == 1.0 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)

        fragments = superpixels(working, self.settings.sigma_px)
        graph = adjacency(fragments, cv2.cvtColor(working.astype(np.float32) / 255, cv2.COLOR_RGB2LAB))
        to_piece, graph = merge(graph, max(PIECES, self.settings.leaves), fragment_costs)
        pieces = to_piece[fragments]
        if cells is not None:
            graph = with_cells(graph, _mean_cells(pieces, cells))
        to_leaf, graph = merge(graph, self.settings.leaves, region_costs)
        to_parent, _ = merge(graph, self.settings.parents, region_costs)
        leaves = to_leaf[pieces].astype(np.int32)
        return _in_reading_order(leaves if factor == 1.0 else refined(leaves, image), to_parent)

    def _proposals(self, leaves: Int32, parents: Int64) -> Proposals:
        shape = (int(leaves.shape[0]), int(leaves.shape[1]))
        if len(parents) == 1:
            return Proposals(shape, (), np.zeros(0, dtype=np.float32))
        joined = np.bincount(parents) > 1
        coarse = np.where(joined[parents], parents + 1, 0).astype(np.int32)[leaves]
        fine_masks, coarse_masks = masks_from_labels(leaves + 1), masks_from_labels(coarse)
        scores = np.array([1.0] * len(fine_masks) + [self.settings.parent_score] * len(coarse_masks), np.float32)
        return best_proposals(shape, fine_masks + coarse_masks, scores, self.settings)


CARD = Card(
    name="regions",
    form="regions",
    summary="class-agnostic regions of two sizes, along the edges of the image",
    roles={MaskGenerator: "regions between the edges of the image; no weights"},
    licence="Apache-2.0 (part of knnclip)",
    settings=RegionSettings,
    make=lambda settings, device: RegionGenerator(settings),  # noqa: ARG005 - it is no network
)


def _mean_cells(labels: Int64, cells: Cells) -> NDArray[np.float64]:
    """``(R, F)``: the mean of the cells over each region, each pixel having the one nearest to it."""
    from scipy.sparse import coo_array

    height, width, dim = cells.embeddings.shape
    seen = cells.embeddings.reshape(height * width, dim).astype(np.float64)
    if dim > SEEN_DIM:
        seen = seen @ np.random.default_rng(0).normal(scale=SEEN_DIM**-0.5, size=(dim, SEEN_DIM))
    rows, columns = (
        interpolation(pixels, count, cells.layout).argmax(axis=1)
        for pixels, count in zip(labels.shape, (height, width), strict=True)
    )
    nearest = rows[:, None] * width + columns
    # Duplicate entries of a sparse matrix add up: pixels of each region and cell.
    entries = (np.ones(labels.size), (labels.ravel(), nearest.ravel()))
    pixels = coo_array(entries, shape=(int(labels.max()) + 1, height * width)).tocsr()
    means: NDArray[np.float64] = (pixels @ seen) / pixels.sum(axis=1)[:, None]
    return means


def _in_reading_order(labels: Int32, parents: Int64) -> tuple[Int32, Int64]:
    """Leaves that are left after scaling, numbered by their first pixel; their parents numbered by their first leaf."""
    from scipy import ndimage

    boxes = ndimage.find_objects(labels + 1)
    present = np.array([value for value, box in enumerate(boxes) if box is not None])
    # A region's first pixel lies in the first row of its box.
    first = [
        box[0].start * labels.shape[1] + box[1].start + int((labels[box[0].start, box[1]] == value).argmax())
        for value, box in enumerate(boxes)
        if box is not None
    ]
    order = present[np.argsort(first)]
    rank = np.zeros(len(boxes), dtype=np.int32)
    rank[order] = np.arange(len(order))
    _, first_leaf, number = np.unique(parents[order], return_index=True, return_inverse=True)
    parent_rank = np.empty_like(first_leaf)
    parent_rank[np.argsort(first_leaf)] = np.arange(len(first_leaf))
    return rank[labels], parent_rank[number].astype(np.int64)
