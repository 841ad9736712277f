"""What a zero-shot classifier is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from knnclip.structures import Float32, Image, Mask


@runtime_checkable
class ZeroShotClassifier(Protocol):
    """Gives each mask a probability for each of any class names, without examples."""

    @property
    def name(self) -> str:
        """The name under which the registry knows it."""

    def classify(self, image: Image, masks: Sequence[Mask], class_names: Sequence[str]) -> Float32:
        """P_base: ``(N, C) float32``, rows in [0, 1] summing to at most 1; what is missing is "none of these"."""
