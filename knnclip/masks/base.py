"""What a mask generator is."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from knnclip.structures import Bool, Box, Image, Mask, Proposals


@runtime_checkable
class MaskGenerator(Protocol):
    """Cuts an image into class-agnostic masks. Frozen: the same image gives the same masks, bit for bit."""

    @property
    def name(self) -> str:
        """The name under which the registry knows it."""

    def generate(self, image: Image) -> Proposals:
        """The masks of one ``(H, W, 3) uint8`` RGB image; none for an image in which nothing can be told apart."""


@runtime_checkable
class PromptableGenerator(Protocol):
    """Turns a rough gesture of a person into a mask."""

    def masks_from_point(self, image: Image, point_xy: tuple[int, int]) -> list[Mask]:
        """What may be meant by a click at a pixel: the part, the whole, ...; none if it cannot tell from a point."""

    def mask_from_box(self, image: Image, box_xyxy: Box) -> Mask:
        """The object inside a drawn box; ``MaskError`` if the box has no pixel in the image."""

    def mask_from_scribble(self, image: Image, foreground: Bool, background: Bool | None = None) -> Mask:
        """The object under an ``(H, W)`` scribble, without what a second scribble marks as not the object."""
