"""A weight-free descriptor of a region: what its pixels look like, what lies around it, its shape and its place.

For each mask, in this order:

* the means of the planes of ``feature_maps`` over the mask, the spread of some, and soft histograms of brightness and
  colour;
* the context: means of planes smoothed over a window, around the mask and a fixed way above and below it (what a
  region is lies as much in its surroundings: sky above, road below);
* size, elongation, direction and fill of the mask, its height in the image and the borders it touches.

Left and right are not told apart. Every feature has the typical value and spread over photographs taken off
(``descriptor_scales``), is clipped to three spreads and weighted by its group; the whole is scaled to unit length.

The numbers below, bins, reaches and weights alike, were chosen on CamVid, each sequence asked of the others. Whatever
is changed in them makes another encoder: its version in the fingerprint must change, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knnclip.encoders.descriptor_scales import SCALES
from knnclip.encoders.feature_maps import GRADIENT_SIGMAS_PX, Planes, feature_maps, histogram_planes
from knnclip.parts.card import Card
from knnclip.parts.pooling import mask_weights, pool_means
from knnclip.parts.roles import Encoder
from knnclip.parts.settings import NoSettings
from knnclip.structures import Fingerprint, Float32, Image, Mask, image_shapes_agree, unit_rows

Float64 = NDArray[np.float64]

WORKING_PX = 480 * 360
"""Pixels of the copy on which features are computed: a larger image is scaled down to about this many, CamVid's size.
More takes longer in proportion, and shifts what the gradients' scales mean."""

CONTEXT_STRIDE = 4
"""Pixels of the working copy for one cell of the context maps, along each axis: the maps are smoothed over 30 px and
more, so that finer ones would hold nothing new."""

CLIP = 3.0
"""Spreads at which a standardised feature is cut off, so that one odd feature does not decide a similarity alone."""

BRIGHTNESS = ("rank", "brightness_z")
CHROMA = ("red_green", "blue_yellow", "a", "b", "chroma_rank", "b_rank")
UPRIGHTNESS = tuple(f"cos2_{sigma}" for sigma in GRADIENT_SIGMAS_PX)
EDGES = tuple(f"{kind}_{s}" for kind in ("sin2", "cos4", "relative", "coherence") for s in GRADIENT_SIGMAS_PX)
PATTERNS = (*(f"lbp_{count}" for count in range(9)), "lbp_mixed")
SPREADS = ("rank", "red_green", "blue_yellow", "b", "chroma_rank", "gradient", "detail", "brightness_z")
SIZE = ("log_area", "log_major", "log_minor", "spread_x", "spread_y", "height")
SHAPE = ("elongation", "upright", "fill")
HEIGHTS = ("y", "top", "bottom")
BORDERS = ("touches_bottom", "touches_side")


@dataclass(frozen=True)
class Histogram:
    """Soft bins of a plane, see ``histogram_planes``."""

    plane: str
    centres: tuple[float, ...]
    width: float
    weight: float


CHROMA_BINS = (-0.45, -0.2, -0.08, 0.0, 0.08, 0.2, 0.45)
"""Centres of the soft bins of a log ratio of channels: close together about grey, where most pixels are."""

HISTOGRAMS = (
    Histogram("rank", tuple(step / 6 - 0.5 for step in range(7)), width=1 / 6, weight=1.0),
    Histogram("red_green", CHROMA_BINS, width=0.12, weight=1.5),
    Histogram("blue_yellow", CHROMA_BINS, width=0.12, weight=1.0),
)

CONTEXT_COLOUR = ("rank", "red_green", "blue_yellow", "b", "chroma_rank")
CONTEXT_DETAIL = ("gradient", "detail")
CONTEXT_TEXTURE = ("cos2_1.5", "cos4_0.7", "cos4_1.5", "coherence_1.5", "lbp_0", "lbp_8", "lbp_mixed")
CONTEXT_WINDOW = 30 / 360
"""Radius of the window over which context is smoothed, as a share of the image's shorter side."""


@dataclass(frozen=True)
class Context:
    """Where context is looked for, and what of it."""

    name: str
    down: float  # how far below the mask, as a share of the image's shorter side; negative: above
    planes: tuple[tuple[str, float], ...]  # name and weight


def _weighted(names: Sequence[str], weight: float) -> tuple[tuple[str, float], ...]:
    return tuple((name, weight) for name in names)


CONTEXTS = (
    Context("around", 0.0, _weighted(CONTEXT_COLOUR + CONTEXT_DETAIL, 1.0) + _weighted(CONTEXT_TEXTURE, 1.5)),
    Context(
        "above",
        -50 / 360,
        _weighted(CONTEXT_COLOUR, 1.0) + _weighted(CONTEXT_DETAIL, 1.5) + _weighted(CONTEXT_TEXTURE, 2.0),
    ),
    Context("below", 50 / 360, _weighted(CONTEXT_DETAIL + CONTEXT_TEXTURE, 1.0)),
    Context("far_above", -110 / 360, _weighted(CONTEXT_COLOUR + CONTEXT_TEXTURE, 0.6)),
    Context("far_below", 110 / 360, _weighted(CONTEXT_COLOUR, 1.0) + _weighted(CONTEXT_TEXTURE, 1.5)),
)

FEATURES: tuple[tuple[str, float], ...] = (
    *_weighted([f"mean {name}" for name in BRIGHTNESS], 1.0),
    *_weighted([f"mean {name}" for name in CHROMA], 1.5),
    *_weighted([f"mean {name}" for name in UPRIGHTNESS], 1.2),
    *_weighted([f"mean {name}" for name in EDGES + PATTERNS], 2.0),
    *_weighted([f"spread {name}" for name in SPREADS], 1.0),
    *((f"bin {bins.plane} {index}", bins.weight) for bins in HISTOGRAMS for index in range(len(bins.centres))),
    *((f"{context.name} {name}", weight) for context in CONTEXTS for name, weight in context.planes),
    *_weighted(SIZE, 2.0),
    *_weighted(SHAPE, 3.0),
    *_weighted(HEIGHTS, 2.0),
    *_weighted(("off_centre",), 1.5),
    *_weighted(BORDERS, 1.0),
)
"""Name and weight of each of the D features."""


class RegionDescriptor:
    """The encoder ``descriptor``. Deterministic; it keeps no state."""

    @property
    def fingerprint(self) -> Fingerprint:
        """Version of the recipe; a change of any number in it is a new version."""
        return Fingerprint("descriptor", "1", f"rgb-{WORKING_PX}px", len(FEATURES))

    def encode(self, image: Image, masks: Sequence[Mask]) -> Float32:
        """``(N, D) float32`` unit rows, see ``Encoder.encode``."""
        image_shapes_agree(image, masks, where="descriptor")
        if not masks:
            return np.zeros((0, len(FEATURES)), dtype=np.float32)
        scales = np.array([SCALES[name] for name, _ in FEATURES])
        weights = np.array([weight for _, weight in FEATURES])
        standard = (raw_features(image, masks) - scales[:, 0]) / scales[:, 1]
        return unit_rows(np.clip(standard, -CLIP, CLIP) * weights, where="descriptor")


CARD = Card(
    name="descriptor",
    form="descriptor",
    summary="hand-made features of colour, texture, shape and place",
    roles={Encoder: "hand-made features of colour, texture, shape and place; no weights"},
    licence="Apache-2.0 (part of knnclip)",
    settings=NoSettings,
    make=lambda settings, device: RegionDescriptor(),  # noqa: ARG005 - it is no network
)


def raw_features(image: Image, masks: Sequence[Mask]) -> Float64:
    """``(N, D)`` features in the order of ``FEATURES``, in their own units; N is at least 1."""
    import cv2

    shape = (int(image.shape[0]), int(image.shape[1]))
    factor = min(1.0, (WORKING_PX / (shape[0] * shape[1])) ** 0.5)
    grid = (max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor)))
    working = image if factor == 1.0 else cv2.resize(image, grid[::-1], interpolation=cv2.INTER_AREA)
    planes = feature_maps(working)
    return np.concatenate(
        [_inside(planes, masks, shape, grid), _context(planes, masks, shape, grid), outlines(masks)], 1
    )


def _inside(planes: Planes, masks: Sequence[Mask], shape: tuple[int, int], grid: tuple[int, int]) -> Float64:
    weights = mask_weights(masks, shape, grid)
    means = pool_means(weights, [planes[name] for name in BRIGHTNESS + CHROMA + UPRIGHTNESS + EDGES + PATTERNS])
    first = pool_means(weights, [planes[name] for name in SPREADS])
    second = pool_means(weights, [planes[name] ** 2 for name in SPREADS])
    spreads = np.sqrt(np.maximum(second - first**2, 1e-6))
    bins = [plane for h in HISTOGRAMS for plane in histogram_planes(planes[h.plane], h.centres, h.width)]
    return np.concatenate([means, spreads, pool_means(weights, bins)], axis=1)


def _context(planes: Planes, masks: Sequence[Mask], shape: tuple[int, int], grid: tuple[int, int]) -> Float64:
    import cv2

    rows, columns = max(1, grid[0] // CONTEXT_STRIDE), max(1, grid[1] // CONTEXT_STRIDE)
    side = min(grid) / CONTEXT_STRIDE  # cells along the shorter side
    window = 2 * round(CONTEXT_WINDOW * side) + 1
    smooth: Planes = {}
    for name in CONTEXT_COLOUR + CONTEXT_DETAIL + CONTEXT_TEXTURE:
        plane = cv2.resize(planes[name], (columns, rows), interpolation=cv2.INTER_AREA)
        for _ in range(2):  # two box filters are close to a Gaussian
            plane = cv2.blur(plane, (window, window), borderType=cv2.BORDER_REFLECT_101)
        smooth[name] = plane
    shifted = []
    for context in CONTEXTS:
        source = np.clip(np.arange(rows) + round(context.down * side), 0, rows - 1)
        shifted += [smooth[name][source] for name, _ in context.planes]
    return pool_means(mask_weights(masks, shape, (rows, columns)), shifted)


def outlines(masks: Sequence[Mask]) -> Float64:
    """``(N, 15)``: ``SIZE``, ``SHAPE``, ``HEIGHTS``, ``off_centre`` and ``BORDERS`` from the masks alone.

    Lengths are in image heights, ``log`` is natural. Axes are the standard deviations of the pixels along the principal
    directions. ``fill`` is the area over that of the ellipse with the same moments, about 1 for a solid piece;
    ``upright`` is -1 for a vertical line and 1 for a horizontal one; ``off_centre`` is the distance from the vertical
    middle line in image widths.
    """
    return np.array([_outline(mask) for mask in masks])


def _outline(mask: Mask) -> list[float]:
    height, width = mask.shape
    x0, y0, x1, y1 = mask.box_xyxy
    area, aspect = mask.area, width / height
    ys, xs = (np.arange(y0, y1) + 0.5) / height, (np.arange(x0, x1) + 0.5) / width
    per_row, per_column = mask.crop.sum(axis=1), mask.crop.sum(axis=0)
    y, x = float(per_row @ ys) / area, float(per_column @ xs) / area
    yy = max(float(per_row @ (ys - y) ** 2) / area, 1e-6)
    xx = max(float(per_column @ (xs - x) ** 2) / area, 1e-6) * aspect**2
    xy = float((ys - y) @ mask.crop.astype(np.float64) @ (xs - x)) / area * aspect
    half, radius = (xx + yy) / 2, float(np.hypot((xx - yy) / 2, xy))
    major, minor = np.sqrt(half + radius), np.sqrt(max(half - radius, 1e-6))
    share = area / (height * width)
    shape = [
        np.log(share + 1e-5),
        np.log(major),
        np.log(minor),
        np.sqrt(xx),
        np.sqrt(yy),
        (y1 - y0) / height,
        np.log(major / minor),
        (xx - yy) / (2 * half),
        share * aspect / (4 * np.pi * major * minor),
    ]
    return [*shape, y, ys[0], ys[-1], abs(x - 0.5), float(y1 == height), float(x0 == 0 or x1 == width)]
