"""Labels in the orientation of their upright image."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from knnclip.errors import DatasetError
from knnclip.images import read_orientation
from knnclip.structures import Int32, Mask

Pixel = TypeVar("Pixel", bound=np.generic)


def turn_of(
    size: tuple[int, int], shape: tuple[int, int], where: str, image_path: Path, content: bytes | None = None
) -> int:
    """The EXIF orientation by which labels made at ``size`` ``(h, w)`` come upright; 1 if they fit as they are.

    ``shape`` is that of the upright image, whose file is ``image_path`` (or ``content``, its bytes); ``where`` names
    the labels in an error. A camera may store a picture lying on its side and note how to turn it. Labels that were
    made on the pixels as they are stored have the sides swapped; they are turned as the image was. ``DatasetError`` if
    they fit in neither way.
    """
    if size == shape:
        return 1
    if size == shape[::-1] and (turn := read_orientation(image_path, content=content)) > 4:
        return turn
    raise DatasetError(
        f"{where}: the labels are for {size[1]}x{size[0]} px, the image has {shape[1]}x{shape[0]} px; "
        "export them again at the size of the image"
    )


def turned_upright(pixels: NDArray[Pixel], orientation: int) -> NDArray[Pixel]:
    """``(H, W, ...)`` pixels as they are stored, turned by an EXIF orientation as ``read_image`` turns an image."""
    if orientation > 4:  # rows and columns are swapped
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def fitted(values: Int32, shape: tuple[int, int], file: Path, image_path: Path) -> Int32:
    """A label image in the shape ``(H, W)`` of its upright image, see ``turn_of``."""
    size = int(values.shape[0]), int(values.shape[1])
    return turned_upright(values, turn_of(size, shape, str(file), image_path))


def turned(mask: Mask, orientation: int) -> Mask:
    """A mask on the pixels as they are stored, on those of the upright image."""
    return mask if orientation == 1 else Mask.from_dense(turned_upright(mask.to_dense(), orientation))
