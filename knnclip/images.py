"""Images in and out: whatever a file holds becomes upright RGB, checked before it costs memory.

Every reader of pixels in knnclip goes through ``read_image``, so that orientation, transparency, depth and limits are
decided in one place.
"""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from knnclip.errors import ImageError
from knnclip.files import write_atomically
from knnclip.structures import Image

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

MAX_PIXELS = 100_000_000
"""Largest image that is decoded: 100 megapixels, 300 MB as RGB, is what large cameras take and what several
workers can hold at once."""

INDEX_MODES = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L")
"""Pillow's modes of pictures with one whole number a pixel."""

THUMBNAIL_PX = 512
"""Longest side of a stored thumbnail: an instance cut from it still shows what it is, at some 50 kB an image."""

JPEG_QUALITY = 85
"""Of 100: below it blocks are seen in a thumbnail, above it the bytes grow faster than what is seen."""

REDUCING_GAP = 2.0
"""Reducing goes by whole factors down to so many times the target and is bicubic from there: Pillow's own advice for
results that are hardly told from bicubic all the way, several times as fast."""

MAX_INDEX = 65535
"""Largest value of a label image: what 16 bits hold, and all published sets keep to. Tables are made by this value."""

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})
"""Files of a folder that are taken for images. A file that is named itself is read whatever its name."""


def read_image(path: str | Path, *, max_pixels: int = MAX_PIXELS, content: bytes | None = None) -> Image:
    """An image file as upright ``(H, W, 3) uint8`` RGB.

    ``content`` is the file's bytes where they do not lie in a file; ``path`` then only names them in errors.

    EXIF orientation is applied; palettes, grey and CMYK are converted; transparency lies over white; 16-bit and float
    samples are scaled to 8 bits; of an animation the first frame is taken. Raises ``ImageError``, which names the
    file, if it is missing, no image, truncated, or has more than ``max_pixels`` (found before anything is decoded).
    """
    with _opened(path, max_pixels, content) as picture:
        from PIL import ImageOps

        try:
            picture.load()
            upright = ImageOps.exif_transpose(picture)
            return _rgb(upright)
        except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and others
            raise ImageError(f"{path}: the image is damaged ({error}); replace the file") from error


def read_orientation(path: str | Path, *, content: bytes | None = None) -> int:
    """The EXIF orientation of an image file, 1 to 8: 1 is upright, above 4 the sides are swapped.

    ``path`` and ``content`` as for ``read_image``, which has applied it already. ``ImageError`` if it is no image.
    """
    from PIL import ExifTags

    with _opened(path, MAX_PIXELS, content) as picture:
        try:
            turn = picture.getexif().get(ExifTags.Base.Orientation, 1)
        except Exception as error:
            raise ImageError(f"{path}: the image is damaged ({error}); replace the file") from None
    return turn if turn in range(1, 9) else 1


def read_index_map(
    path: str | Path, *, max_pixels: int = MAX_PIXELS, content: bytes | None = None, grey: bool = False
) -> NDArray[np.int32]:
    """The class indices of a label image as ``(H, W) int32``: palette indices or grey values, 8 or 16 bits, unscaled.

    ``path``, ``content`` and ``max_pixels`` as for ``read_image``; the orientation is not applied. ``grey``: whether a
    picture in colours will do where red, green and blue are the same everywhere, which then are the index. Raises
    ``ImageError`` as ``read_image`` does, and if the file holds colours instead of indices or a value beyond
    ``MAX_INDEX``.
    """
    with _opened(path, max_pixels, content) as picture:
        if picture.mode not in INDEX_MODES:
            if grey and ((rgb := read_image(path, max_pixels=max_pixels, content=content)) == rgb[..., :1]).all():
                return rgb[..., 0].astype(np.int32)
            raise ImageError(
                f"{path}: a label image holds one index a pixel, found mode {picture.mode}; "
                "convert its colours to indices first"
            )
        try:
            values = np.asarray(picture).astype(np.int32)
        except Exception as error:
            raise ImageError(f"{path}: the label image is damaged ({error}); replace the file") from error
    return check_indices(values, path)


def check_indices(values: NDArray[np.int32], path: str | Path) -> NDArray[np.int32]:
    """The values unchanged; ``ImageError`` if one is not from 0 to ``MAX_INDEX``."""
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    if low < 0 or high > MAX_INDEX:
        raise ImageError(f"{path}: a label image holds 0 to {MAX_INDEX}, found {low if low < 0 else high}; mend it")
    return values


def as_image(image: NDArray[Any] | str | Path) -> Image:
    """A path read by ``read_image``, or an array checked to be ``(H, W, 3) uint8`` RGB with at least one pixel.

    ``ImageError`` if it is not.
    """
    if isinstance(image, str | Path):
        return read_image(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise ImageError(f"an image is an (H, W, 3) uint8 RGB array, found shape {image.shape} of {image.dtype}")
    return np.ascontiguousarray(image)


def reduce_image(image: Image, longest_px: int) -> Image:
    """The image itself, or a reduction of it whose longest side is ``longest_px``; it is never enlarged."""
    from PIL import Image as Pil

    height, width = reduced_size((int(image.shape[0]), int(image.shape[1])), longest_px)
    if (height, width) == image.shape[:2]:
        return image
    return np.array(Pil.fromarray(image).resize((width, height), Pil.Resampling.BICUBIC, reducing_gap=REDUCING_GAP))


def reduced_size(shape: tuple[int, int], longest_px: int) -> tuple[int, int]:
    """``(H, W)``: the shape itself, or reduced in proportion so that its longer side is ``longest_px``; at least 1."""
    factor = min(1.0, longest_px / max(shape))
    return max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor))


def pixel_digest(image: Image) -> str:
    """The name of an image that has no path: ``sha256:`` and the hash of its size and pixels."""
    digest = hashlib.sha256(repr(image.shape).encode())
    digest.update(np.ascontiguousarray(image).tobytes())
    return f"sha256:{digest.hexdigest()}"


def encode_jpeg(image: Image, longest_px: int, *, quality: int = JPEG_QUALITY) -> bytes:
    """The bytes of the image as JPEG of a quality of 100, its longest side reduced to ``longest_px`` if it is more."""
    from PIL import Image as Pil

    buffer = BytesIO()
    Pil.fromarray(reduce_image(image, longest_px)).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def encode_thumbnail(image: Image) -> bytes:
    """The bytes of the image as JPEG, its longest side at most ``THUMBNAIL_PX``: what a store keeps of it."""
    return encode_jpeg(image, THUMBNAIL_PX)


def encode_png(pixels: NDArray[np.integer]) -> bytes:
    """The bytes of a PNG of ``(H, W, 3)`` RGB or ``(H, W, 4)`` RGBA ``uint8``, or of an ``(H, W)`` map of indices.

    Indices are 0 to 65535, else ``ImageError``; they take 8 bits where all are below 256, and 16 where not.
    """
    from PIL import Image as Pil

    if pixels.ndim == 2:
        if pixels.min(initial=0) < 0 or pixels.max(initial=0) > MAX_INDEX:
            raise ImageError(f"an index map holds 0 to {MAX_INDEX}, found {pixels.min()} to {pixels.max()}")
        pixels = pixels.astype(np.uint8 if pixels.max(initial=0) < 256 else np.uint16)
    buffer = BytesIO()
    Pil.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def ids_as_rgb(ids: NDArray[np.int32]) -> Image:
    """``(H, W)`` ids below 2 ** 24 as COCO's panoptic colours: R + 256 G + 65536 B."""
    return np.stack([ids & 255, ids >> 8 & 255, ids >> 16 & 255], axis=-1).astype(np.uint8)


def ids_from_rgb(rgb: Image) -> NDArray[np.int32]:
    """``(H, W)`` ids of COCO's panoptic colours ``(H, W, 3)``: R + 256 G + 65536 B."""
    wide = rgb[..., :3].astype(np.int32)
    ids: NDArray[np.int32] = wide[..., 0] + 256 * wide[..., 1] + 65536 * wide[..., 2]
    return ids


def write_png(path: Path, pixels: NDArray[np.integer]) -> None:
    """Writes what ``encode_png`` makes, whole or not at all. ``ImageError`` as it, ``OutputError`` if it cannot."""
    write_atomically(path, encode_png(pixels))


def _opened(path: str | Path, max_pixels: int, content: bytes | None = None) -> PilImage:
    """The file with its header read and its size checked, nothing decoded."""
    import warnings

    from PIL import Image as Pil
    from PIL import UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Pil.DecompressionBombWarning)  # the limit here is max_pixels
            picture = Pil.open(path if content is None else BytesIO(content))
    except UnidentifiedImageError:
        raise ImageError(f"{path}: not an image that can be read; expected one of JPEG, PNG, TIFF, ...") from None
    except Pil.DecompressionBombError as error:
        raise ImageError(f"{path}: {error}; scale it down") from None
    except OSError as error:
        raise ImageError(f"{path}: cannot be opened ({error.strerror or error}); check the path") from None
    except Exception as error:  # headers are parsed by as many kinds of errors as pixels: an overlong text, a bad tag
        raise ImageError(f"{path}: the image is damaged ({error}); replace the file") from None
    if picture.width * picture.height > max_pixels:
        picture.close()
        raise ImageError(
            f"{path}: {picture.width} x {picture.height} pixels exceed the limit of {max_pixels:,}; scale it down"
        )
    return picture


def _rgb(picture: PilImage) -> Image:
    from PIL import Image as Pil

    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        return np.repeat(_eight_bits(np.asarray(picture), picture.mode)[..., None], 3, axis=2)
    if picture.has_transparency_data:
        alpha = picture.convert("RGBA")
        picture = Pil.alpha_composite(Pil.new("RGBA", alpha.size, "white"), alpha)
    return np.asarray(picture.convert("RGB")).copy()


def _eight_bits(samples: NDArray[Any], mode: str) -> NDArray[np.uint8]:
    """16-bit grey by its full range; 32-bit integers and floats, which have no agreed range, by their own."""
    values = samples.astype(np.float64)
    # Pillow opens 16-bit PNGs as "I" too, so integers within 16 bits are taken as such.
    if mode != "F" and values.min() >= 0 and values.max() <= 65535:
        return (values / 257.0).round().astype(np.uint8)
    low, high = float(values.min()), float(values.max())
    # The least divisor only keeps a picture of one value from dividing by 0: it becomes black.
    return ((values - low) / max(high - low, 1e-12) * 255.0).round().astype(np.uint8)
