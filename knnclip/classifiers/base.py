"""What a zero-shot classifier is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from knnclip.structures import Float32, Image, Mask
from knnclip.vocabulary import Vocabulary


@runtime_checkable
class ZeroShotClassifier(Protocol):
    """Gives each mask a probability for each class of any vocabulary, without examples.

    What it must know of an image is taken once; a vocabulary that changed is asked about without the image.
    """

    @property
    def name(self) -> str:
        """The name under which the registry knows it."""

    def describe(self, image: Image, masks: Sequence[Mask]) -> Float32:
        """``(N, E) float32``: what ``classify`` needs of each of the N masks of one ``(H, W, 3) uint8`` RGB image."""

    def classify(self, descriptions: Float32, vocabulary: Vocabulary) -> Float32:
        """P_base: ``(N, C) float32``, rows in [0, 1] summing to at most 1; what is missing is "none of these"."""
