"""An image before the store is asked: its masks, their vectors, and what is worked out of them when it is needed."""

from __future__ import annotations

from dataclasses import dataclass, field

from knnclip.decision.atoms import Atoms, partition
from knnclip.images import encode_thumbnail, pixel_digest
from knnclip.lazy import lazy
from knnclip.parts.roles import CellEncoder, Encoder, ZeroShotClassifier
from knnclip.structures import Cells, Float32, Image, ImageReference, LabelledInstance, Mask, Origin, Proposals

MIN_PURITY = 0.6
"""A proposal is stored as a class if at least this share of its pixels carries the class. Smaller stores more that
are partly something else, larger stores fewer of the masks that later pictures are cut into."""


@dataclass(frozen=True, eq=False)
class Analysis:
    """All that is known of an image before the store is asked; made once, relabelled as often as the store changes.

    What only some callers need is worked out when it is first asked for, and kept. Parts that are one network remember
    their last few images (``knnclip.networks.recent``): whoever analyses images far ahead of labelling them asks for
    ``descriptions`` and ``cells`` there and then, else a network works twice. ``Segmenter.segment`` needs no such care.
    """

    image: Image  # (H, W, 3)
    proposals: Proposals  # N
    embeddings: Float32  # (N, D)
    ref: str | None = None  # the name under which the store shall remember the image; None for the hash of its pixels
    classifier: ZeroShotClassifier | None = field(default=None, repr=False)
    encoder: Encoder | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        height, width = self.proposals.shape
        return f"Analysis({width}x{height} px of {self.ref or 'no file'}, {len(self.proposals)} masks)"

    @lazy
    def reference(self) -> ImageReference:
        """What the store remembers of the image: name, size and thumbnail. Only teaching needs it."""
        height, width = self.proposals.shape
        ref = pixel_digest(self.image) if self.ref is None else self.ref
        return ImageReference(ref, width, height, encode_thumbnail(self.image))

    @lazy
    def descriptions(self) -> Float32 | None:
        """``(N, E)``: what the classifier knows of the masks, None where there is no classifier. Labelling needs it."""
        return None if self.classifier is None else self.classifier.describe(self.image, self.proposals.masks)

    @lazy
    def cells(self) -> Cells | None:
        """What the encoder sees at each place, None where it cannot tell. Labelling needs it."""
        return self.encoder.cells(self.image) if isinstance(self.encoder, CellEncoder) else None

    @lazy
    def atoms(self) -> Atoms:
        """The partition that the proposals make of the image. Labelling needs it."""
        return partition(self.proposals)


@dataclass(frozen=True, eq=False)
class LabelledMask:
    """A mask with the class that it is to be stored as."""

    mask: Mask
    class_name: str
    purity: float = 1.0  # in (0, 1]: share of the mask's pixels that carry the class
    origin: Origin = "truth"

    def instance(self, embedding: Float32, image: ImageReference) -> LabelledInstance:
        """What the store keeps of it: with its vector, ``(D,)``, and the image that it is of."""
        return LabelledInstance(embedding, self.class_name, image, self.mask, self.purity, self.origin)


def taught_masks(analysis: Analysis, drawn: Mask, class_name: str) -> list[LabelledMask]:
    """What is stored when a mask is taught: it, and the proposals that lie in it by at least ``MIN_PURITY``."""
    inside = drawn.to_dense()
    taught = [LabelledMask(drawn, class_name)]
    for own in analysis.proposals.masks:
        purity = float(own.select(inside).mean())
        if purity >= MIN_PURITY:
            taught.append(LabelledMask(own, class_name, purity, "proposal"))
    return taught
