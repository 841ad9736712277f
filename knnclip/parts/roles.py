"""The roles that a frozen part can play on the path from image to answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from knnclip.progress import Progress
from knnclip.structures import Bool, Box, Cells, Fingerprint, Float32, Image, Int32, Mask, Proposals, Suggestion
from knnclip.vocabulary import Vocabulary


@runtime_checkable
class MaskGenerator(Protocol):
    """Cuts an image into class-agnostic masks. Frozen: the same image gives the same masks, bit for bit."""

    @property
    def name(self) -> str:
        """The name of its card."""

    def generate(self, image: Image) -> Proposals:
        """The masks of one ``(H, W, 3) uint8`` RGB image; none for an image in which nothing can be told apart."""


@runtime_checkable
class GuidedGenerator(MaskGenerator, Protocol):
    """A generator that cuts along what a network sees where somebody gives it that."""

    def generate_by(self, image: Image, cells: Cells) -> Proposals:
        """As ``generate``, with what an encoder sees at the places of the image."""


@runtime_checkable
class PromptableGenerator(Protocol):
    """Turns a rough gesture of a person into a mask."""

    def masks_from_point(self, image: Image, point_xy: tuple[int, int]) -> list[Mask]:
        """What may be meant by a click at a pixel: the part, the whole, ...; none if it cannot tell from a point."""

    def mask_from_box(self, image: Image, box_xyxy: Box) -> Mask:
        """The object inside a drawn box; ``MaskError`` if the box has no pixel in the image."""

    def mask_from_scribble(self, image: Image, foreground: Bool, background: Bool | None = None) -> Mask:
        """The object under an ``(H, W)`` scribble, without what a second scribble marks as not the object."""


@runtime_checkable
class Encoder(Protocol):
    """Turns each mask of an image into one unit vector. Frozen: the same input gives the same vector, bit for bit."""

    @property
    def fingerprint(self) -> Fingerprint:
        """What makes its vectors comparable with stored ones."""

    def encode(self, image: Image, masks: Sequence[Mask]) -> Float32:
        """``(N, D) float32`` unit rows for the N masks of one ``(H, W, 3) uint8`` RGB image, ``(0, D)`` for none.

        The vector of a mask depends on the image and on that mask alone, not on the other masks.
        Raises ``MaskError`` if a mask was made for another image size.
        """


@runtime_checkable
class CellEncoder(Encoder, Protocol):
    """An encoder that tells what it sees at each place of an image, in the space of its masks' vectors."""

    def cells(self, image: Image) -> Cells:
        """The map of one ``(H, W, 3) uint8`` RGB image, at most some thousand cells, from the pass of ``encode``."""


@runtime_checkable
class SuggestsNames(Protocol):
    """Names what a mask may show by the classes that it was trained with; an encoder may do so too."""

    def suggest(self, image: Image, mask: Mask) -> list[Suggestion]:
        """A few names for one mask of an ``(H, W, 3) uint8`` RGB image, the likeliest first; none if it knows none."""


@runtime_checkable
class ZeroShotClassifier(Protocol):
    """Gives each mask a probability for each class of any vocabulary, without examples.

    What it must know of an image is taken once; a vocabulary that changed is asked about without the image.
    """

    @property
    def name(self) -> str:
        """The name of its card."""

    def describe(self, image: Image, masks: Sequence[Mask]) -> Float32:
        """``(N, E) float32``: what ``classify`` needs of each of the N masks of one ``(H, W, 3) uint8`` RGB image."""

    def classify(self, descriptions: Float32, vocabulary: Vocabulary) -> Float32:
        """P_base: ``(N, C) float32``, rows in [0, 1] summing to at most 1; what is missing is "none of these"."""


@runtime_checkable
class ReadsNames(Protocol):
    """Makes vectors of the names of classes, once for each name; a generator or a classifier may do so.

    Names that it has not read by then are read when they are first asked about, which nobody is told of.
    """

    def read_names(self, vocabulary: Vocabulary, progress: Progress) -> None:
        """Reads the names and synonyms of a vocabulary, and those that the part knows by itself."""


@runtime_checkable
class OwnInference(Protocol):
    """Answers for a whole image by itself, as its published figures were measured; a classifier may do so too."""

    def segment(self, image: Image, vocabulary: Vocabulary, *, resize_scores: bool) -> tuple[Int32, Float32]:
        """``(H, W)`` columns of the vocabulary, and their scores in [0, 1].

        ``resize_scores``: whether it is the scores of the classes that are brought to the image's size, or the masks.
        """
