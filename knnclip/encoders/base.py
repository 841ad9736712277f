"""What an encoder is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from knnclip.structures import Fingerprint, Float32, Image, Mask


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
