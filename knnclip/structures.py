"""The plain data that travels along the path: every arrow of the pipeline is one of these.

Conventions, everywhere in knnclip:

* images are ``(H, W, 3) uint8`` RGB;
* boxes are ``(x0, y0, x1, y1)`` in whole pixels, half-open (``x1`` and ``y1`` are outside), named ``*_xyxy``;
* a class is known by its ``class_id`` (a positive integer given by the store); ``UNKNOWN`` (0) is no class;
* embeddings are ``float32`` rows of unit length.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from knnclip.errors import MaskError
from knnclip.presented import Presented
from knnclip.rle import run_lengths
from knnclip.vocabulary import Vocabulary

UNKNOWN = 0
"""The class id of what neither the base classifier nor the store can name."""

Image = NDArray[np.uint8]
Bool = NDArray[np.bool_]
Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Box = tuple[int, int, int, int]

Layout = Literal["tiles", "corners"]
"""Where the cells of a map lie over an image, see ``knnclip.parts.pooling``."""

Origin = Literal["truth", "proposal"]
"""Whether a stored mask was drawn by an annotator or cut by the mask generator and labelled by the truth under it."""

Decision = Literal["base", "retrieval", "unknown", "person"]
"""Whose opinion a segment is: "person" for what somebody has drawn or labelled."""


@dataclass(frozen=True, eq=False)
class Mask:
    """One binary mask of an image, kept as its bounding box and the crop inside it.

    The box is tight: every border row and column of the crop has at least one true pixel, and no mask is empty.
    """

    box_xyxy: Box
    crop: Bool  # (y1 - y0, x1 - x0)
    shape: tuple[int, int]  # (H, W) of the image

    @classmethod
    def from_dense(cls, dense: NDArray[np.generic]) -> Mask:
        """The mask of the non-zero pixels of an ``(H, W)`` array; ``MaskError`` if it is empty or not 2-d."""
        if dense.ndim != 2:
            raise MaskError(f"a mask is a 2-d array, found shape {dense.shape}; pass one (H, W) array a mask")
        true = dense != 0
        rows, columns = np.flatnonzero(true.any(axis=1)), np.flatnonzero(true.any(axis=0))
        if rows.size == 0:
            raise MaskError("the mask is empty; a mask needs at least one pixel")
        y0, y1, x0, x1 = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
        return cls((x0, y0, x1, y1), true[y0:y1, x0:x1].copy(), (int(dense.shape[0]), int(dense.shape[1])))

    @classmethod
    def union(cls, masks: Sequence[Mask]) -> Mask:
        """All pixels of at least one mask; ``MaskError`` if there is none or they are of different images."""
        if not masks or len({mask.shape for mask in masks}) > 1:
            raise MaskError(f"a union needs masks of one image, found {len(masks)}; select at least one")
        dense = np.zeros(masks[0].shape, dtype=bool)
        for mask in masks:
            dense[mask.slices] |= mask.crop
        return cls.from_dense(dense)

    @classmethod
    def decode(cls, counts: bytes, box_xyxy: Box, shape: tuple[int, int]) -> Mask:
        """The mask that ``encode`` wrote; ``MaskError`` if the run lengths do not fill the box."""
        runs = run_lengths(counts, box_xyxy, shape[1], shape[0])
        x0, y0, x1, y1 = box_xyxy
        columns = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(x1 - x0, y1 - y0)
        return cls(box_xyxy, columns.T, shape)

    def encode(self) -> bytes:
        """COCO's compressed run lengths (column-major, zeros first) of the crop, not of the whole image."""
        from pycocotools import mask as coco

        return cast(bytes, coco.encode(np.asfortranarray(self.crop, dtype=np.uint8))["counts"])

    def to_dense(self) -> Bool:
        """``(H, W) bool``."""
        dense = np.zeros(self.shape, dtype=bool)
        dense[self.slices] = self.crop
        return dense

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the box in an ``(H, W, ...)`` array."""
        x0, y0, x1, y1 = self.box_xyxy
        return slice(y0, y1), slice(x0, x1)

    @property
    def area(self) -> int:
        """Number of true pixels."""
        return int(np.count_nonzero(self.crop))

    def select(self, array: NDArray[np.generic]) -> NDArray[np.generic]:
        """The values of an ``(H, W, ...)`` array at the true pixels, in row-major order."""
        return array[self.slices][self.crop]


def masks_from_labels(labels: NDArray[np.integer]) -> tuple[Mask, ...]:
    """One mask for each positive value of an ``(H, W)`` label map, by rising value."""
    from scipy import ndimage

    shape = (int(labels.shape[0]), int(labels.shape[1]))
    masks: list[Mask] = []
    for value, found in enumerate(ndimage.find_objects(labels), start=1):
        if found is not None:
            ys, xs = found
            masks.append(Mask((xs.start, ys.start, xs.stop, ys.stop), labels[found] == value, shape))
    return tuple(masks)


@dataclass(frozen=True, eq=False)
class Proposals:
    """Class-agnostic masks of one image, by falling score; they may overlap."""

    shape: tuple[int, int]  # (H, W)
    masks: tuple[Mask, ...]  # N
    scores: Float32  # (N,) in [0, 1]: how much the generator trusts each mask

    def __len__(self) -> int:
        return len(self.masks)


@dataclass(frozen=True)
class Fingerprint:
    """What makes two embeddings comparable: only vectors of equal fingerprints may meet in one store."""

    encoder: str  # name of the encoder
    weights: str  # hash of the weights loaded, or the version of a weight-free recipe
    preprocessing: str
    dim: int  # D

    def __str__(self) -> str:
        return f"{self.encoder}/{self.weights}/{self.preprocessing}/{self.dim}d"


@dataclass(frozen=True)
class ImageReference:
    """The image that an instance was cut from, as the store remembers it."""

    ref: str  # path as given at ingest, or "sha256:<hex>" of the pixels of an image without a path
    width_px: int
    height_px: int
    thumbnail: bytes = field(repr=False, default=b"")  # JPEG, longest side at most images.THUMBNAIL_PX


@dataclass(frozen=True, eq=False)
class LabelledInstance:
    """One labelled mask on its way into the store."""

    embedding: Float32  # (D,) unit length
    class_name: str
    image: ImageReference
    mask: Mask
    purity: float = 1.0  # in (0, 1]: share of the mask's pixels that carry the class
    origin: Origin = "truth"


@dataclass(frozen=True, eq=False)
class Neighbors:
    """For each of N queries the k most similar stored instances, nearest first.

    Where the store has fewer than k the columns at the right have ``instance_id`` -1 and similarity ``-inf``.
    Equal similarities are ordered by the content of the instances, never by when they were inserted.
    """

    similarity: Float32  # (N, k) inner product of unit vectors, in [-1, 1]
    instance_id: Int64  # (N, k)
    class_id: Int64  # (N, k)
    image_id: Int64  # (N, k)
    purity: Float32  # (N, k)

    @property
    def valid(self) -> Bool:
        """``(N, k)``: which entries are instances of the store."""
        return self.instance_id >= 0

    def nearest(self, k: int) -> Neighbors:
        """The k nearest of them, all if there are fewer."""
        return Neighbors(*(getattr(self, column.name)[:, :k] for column in fields(self)))


@dataclass(frozen=True, eq=False)
class Posterior:
    """What the neighbours say about N masks, over the C classes of a vocabulary."""

    probabilities: Float32  # (N, C) P_ret; a row sums to 1, or to 0 where there is no neighbour
    similarity: Float32  # (N, C) of the nearest neighbour of each class, -inf where none is among the k
    witnesses: Int64  # (N, C) distinct images that vote for each class


@dataclass(frozen=True, eq=False)
class Cells:
    """An image's map in the space of its masks' vectors: what an encoder sees of each place, whatever is cut out."""

    embeddings: NDArray[np.float16]  # (h, w, D) unit vectors
    layout: Layout


@dataclass(frozen=True, eq=False)
class Census:
    """What a store holds of the C classes of a vocabulary."""

    instances: Int64  # (C,) stored
    images: Int64  # (C,) distinct images with at least one of them


@dataclass(frozen=True, eq=False)
class Levels:
    """How similar instances of one class are to each other across images, for the C classes of a vocabulary."""

    floor: Float32  # (C,) similarity that almost every instance of the class reaches with its nearest of another image
    typical: Float32  # (C,) the median of the same
    known: bool  # False where no class was seen in two images: then floor and typical say nothing


@dataclass(frozen=True)
class Calibration:
    """How far a store's votes can be trusted, found by asking it for its own instances with their images left out."""

    exponent: float  # a class with the share p of the votes is right with the probability p ** exponent
    reliability: float  # in (0, 1): share of the instances whose class the votes find


@dataclass(frozen=True, eq=False)
class ClassMoments:
    """What the instances of the C classes of a vocabulary add up to."""

    instances: NDArray[np.float64]  # (C,) how many
    sums: NDArray[np.float64]  # (C, D) of their vectors x
    product: NDArray[np.float64]  # (D, D) the sum of x x^T over all classes, or its diagonal, (D,)
    images: int  # distinct ones


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Q of the store's own instances, and what it would know of them if it had never seen their images."""

    neighbors: Neighbors  # of other images
    class_id: Int64  # (Q,) the true ones
    vectors: Float32  # (Q, D)
    fold: Int64  # (Q,) of the image, see ``knnclip.store.moments``


@dataclass(frozen=True, eq=False)
class DenseBeliefs:
    """The opinion on every cell of an image's map over C classes, whatever the masks are."""

    probabilities: Float32  # (h, w, C) of classes without instances 0
    layout: Layout
    weight: float  # in (0, 1): its share at a pixel, see ``knnclip.decision.dense``


@dataclass(frozen=True, eq=False)
class Beliefs:
    """The opinions on N masks over C classes, rows in [0, 1] summing to at most 1; the rest is unknown."""

    base: Float32 | None  # (N, C) P_base, None without a classifier
    retrieval: Float32  # (N, C) P_ret
    final: Float32  # (N, C) P_final
    discriminant: Float32 | None = None  # (N, C) its opinion, of which P_ret has a part; None where it has no say
    dense: DenseBeliefs | None = None  # what has a part in the answer at each pixel beside P_final


@dataclass(frozen=True)
class Suggestion:
    """What a thing may be called that nobody has taught: an offer to a person, which no answer depends on."""

    name: str
    probability: float  # in [0, 1], among the classes that the network knows by itself


@dataclass(frozen=True)
class Evidence:
    """One stored instance behind a decision."""

    instance_id: int
    similarity: float
    class_id: int
    class_name: str
    image_ref: str
    image_width_px: int
    image_height_px: int
    box_xyxy: Box  # in the pixels of that image
    source_id: int


@dataclass(frozen=True)
class ClassScore:
    """The probabilities of one class for one segment; ``base`` is None where the preset has no classifier."""

    class_id: int
    class_name: str
    base: float | None
    retrieval: float
    final: float
    discriminant: float | None = None  # None where it has no say


@dataclass(frozen=True, eq=False)
class Segment:
    """One connected piece of the answer and why it is what it is."""

    segment_id: int  # positive; its value in Segmentation.panoptic
    class_id: int  # UNKNOWN if nothing could name it
    class_name: str | None
    is_thing: bool
    confidence: float  # P_final of the class, in [0, 1]
    decision: Decision
    mask: Mask
    scores: tuple[ClassScore, ...]  # the most probable classes, by falling P_final
    evidence: tuple[Evidence, ...]  # by falling similarity


@dataclass(frozen=True, eq=False)
class Segmentation(Presented):
    """The answer for one image."""

    semantic: Int32  # (H, W) class id, UNKNOWN where nothing could be named
    panoptic: Int32  # (H, W) segment id, 0 where no segment lies
    confidence: Float32  # (H, W) in [0, 1]: P_final of the class at each pixel
    segments: tuple[Segment, ...]
    vocabulary: Vocabulary  # the classes of the store when it answered
    image: Image | None = field(default=None, repr=False)  # the pixels that it is for, a quarter of what the maps take
    ref: str | None = None  # what the image is called, its path if it was given by one

    @property
    def shape(self) -> tuple[int, int]:
        """``(H, W)``."""
        return int(self.semantic.shape[0]), int(self.semantic.shape[1])


def unit_rows(vectors: NDArray[np.floating], *, where: str) -> Float32:
    """Rows scaled to unit length as ``float32``; ``MaskError`` names the first row that is NaN, infinite or zero."""
    rows = np.asarray(vectors, dtype=np.float64)
    norms = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    bad = np.flatnonzero(~np.isfinite(norms) | (norms == 0))
    if bad.size:
        raise MaskError(f"{where}: embedding {bad[0]} is zero or not finite; the encoder cannot describe this mask")
    units: Float32 = (rows / norms[:, None]).astype(np.float32)
    return units


def image_shapes_agree(image: Image, masks: Iterable[Mask], *, where: str) -> None:
    """``MaskError`` unless every mask was made for an image of this size."""
    for index, mask in enumerate(masks):
        if mask.shape != image.shape[:2]:
            raise MaskError(
                f"{where}: mask {index} is for {mask.shape[1]}x{mask.shape[0]} px, "
                f"the image has {image.shape[1]}x{image.shape[0]} px"
            )
