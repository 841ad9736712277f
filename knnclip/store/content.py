"""What an instance is before it is stored: its checked embedding, its encoded mask and the key of its content."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from knnclip.errors import ImageError, KnnclipError, MaskError, StoreError
from knnclip.images import THUMBNAIL_PX
from knnclip.rle import check_size
from knnclip.structures import Bool, Box, LabelledInstance, Mask
from knnclip.vocabulary import check_name

KEY_BYTES = 16
"""Of the hash of an instance's content: two of 2**32 different ones are equal with a chance of 2**-65."""

UNIT_TOLERANCE = 1e-3
"""How far from 1 the length of an embedding may be: far more than float32 arithmetic leaves."""

ROUNDED_TOLERANCE = 2e-3
"""The same after rounding to float16, which moves the length by at most 2**-11."""

MAX_TEXT_LENGTH = 10_000
"""Characters of a reference or description: twice the longest path of any system, and short enough to be shown."""

Float16 = NDArray[np.float16]


@dataclass(frozen=True, eq=False)
class Row:
    """A labelled instance, ready to be written."""

    instance: LabelledInstance
    vector: bytes  # D little-endian float16
    rle: bytes  # COCO's compressed run lengths of the mask's crop
    area_px: int
    key: bytes  # KEY_BYTES: a hash of all that the instance is, without its source


def prepare(instances: Sequence[LabelledInstance], dim: int) -> list[Row]:
    """Checks and encodes instances; ``StoreError`` names the first one that cannot be stored and why."""
    units = check_units([instance.embedding for instance in instances], dim, what="new instance")
    for thumbnail, ref in {instance.image.thumbnail: instance.image.ref for instance in instances}.items():
        try:
            check_thumbnail(thumbnail)
        except ImageError as error:
            raise StoreError(f"image {ref!r}: {error}; make it with encode_thumbnail, or leave it empty") from None
    rows: list[Row] = []
    for index, (instance, unit) in enumerate(zip(instances, units, strict=True)):
        _check(instance, f"new instance {index} ({instance.image.ref!r})")
        vector, rle = unit.tobytes(), instance.mask.encode()
        rows.append(Row(instance, vector, rle, instance.mask.area, _key(instance, vector, rle)))
    return rows


def check_units(vectors: Sequence[NDArray[np.floating]] | NDArray[np.floating], dim: int, *, what: str) -> Float16:
    """``(N, D) float16`` of N unit vectors; ``StoreError`` names the first that is not finite, not unit or not of D.

    ``what`` is one of them in the message. Why they are rounded is told in ``knnclip.store.exact``.
    """
    for index, vector in enumerate(vectors):
        if np.shape(vector) != (dim,):
            raise StoreError(
                f"{what} {index} has an embedding of shape {np.shape(vector)}, the store holds ({dim},); "
                f"use the encoder that the store was made with"
            )
    rows = np.asarray(vectors, dtype=np.float64).reshape(len(vectors), dim)
    for index in np.flatnonzero(~_near_unit(rows, UNIT_TOLERANCE)).tolist():
        length = float(np.sqrt(np.sum(rows[index] ** 2)))
        kind = f"has length {length:.4g}, not 1" if np.isfinite(length) else "is not finite"
        raise StoreError(f"{what} {index} has an embedding that {kind}; scale it to unit length")
    return rows.astype("<f2")


def is_stored_unit(vector: bytes, dim: int) -> bool:
    """Whether bytes from a database are D float16 numbers of a unit vector."""
    if len(vector) != 2 * dim:
        return False
    return bool(_near_unit(np.frombuffer(vector, dtype="<f2")[None].astype(np.float64), ROUNDED_TOLERANCE)[0])


def _near_unit(rows: NDArray[np.float64], tolerance: float) -> Bool:
    with np.errstate(over="ignore", invalid="ignore"):
        near: Bool = np.abs(np.sqrt(np.einsum("nd,nd->n", rows, rows)) - 1) <= tolerance
    return near


def content_key(
    ref: str, box_xyxy: Box, width_px: int, height_px: int, rle: bytes, class_name: str, origin: str, vector: bytes
) -> bytes:
    """16 bytes that equal instances share and, but for a chance of 2**-128, no others; it orders equal similarities."""
    digest = hashlib.blake2b(digest_size=KEY_BYTES)
    for part in (
        ref.encode(),
        f"{box_xyxy} of {width_px}x{height_px}".encode(),
        rle,
        class_name.encode(),
        origin.encode(),
        vector,
    ):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def is_tight(mask: Mask) -> bool:
    """Whether the box lies in the image, fits the crop, and every border row and column of the crop has a pixel."""
    x0, y0, x1, y1 = mask.box_xyxy
    height, width = mask.shape
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height and mask.crop.shape == (y1 - y0, x1 - x0)):
        return False
    return all(bool(border.any()) for border in (mask.crop[0], mask.crop[-1], mask.crop[:, 0], mask.crop[:, -1]))


def check_text(text: str, what: str) -> str:
    """The text unchanged; ``StoreError`` if a database cannot hold it, or if it is longer than ``MAX_TEXT_LENGTH``."""
    if len(text) > MAX_TEXT_LENGTH:
        raise StoreError(f"{what} has {len(text):,} characters; at most {MAX_TEXT_LENGTH:,} are stored")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise StoreError(f"{what} {text!r} is not valid Unicode text: {error.reason}; give it another name") from None
    return text


def check_thumbnail(thumbnail: bytes) -> None:
    """``ImageError`` unless these are the bytes of a JPEG of at most ``THUMBNAIL_PX`` that decodes, or none at all.

    Its size is known before anything is decoded. It is decoded at an eighth of it, which reads every byte of it.
    """
    if not thumbnail:
        return
    from PIL import Image as Pil

    try:
        with Pil.open(BytesIO(thumbnail), formats=["JPEG"]) as picture:
            if max(picture.size) <= THUMBNAIL_PX:
                picture.draft("L", (1, 1))
                picture.load()
                return
            found = f"one of {picture.width}x{picture.height} px"
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and others
        found = str(error)
    raise ImageError(f"the thumbnail is not a JPEG of at most {THUMBNAIL_PX} px ({found})")


def _key(instance: LabelledInstance, vector: bytes, rle: bytes) -> bytes:
    (height_px, width_px), box_xyxy = instance.mask.shape, instance.mask.box_xyxy
    return content_key(
        instance.image.ref, box_xyxy, width_px, height_px, rle, instance.class_name, instance.origin, vector
    )


def _check(instance: LabelledInstance, where: str) -> None:
    check_text(instance.image.ref, f"{where}: image reference")
    try:
        check_name(instance.class_name)
    except KnnclipError as error:
        raise StoreError(f"{where}: {error}") from None
    size = (instance.image.height_px, instance.image.width_px)
    if instance.mask.shape != size:
        height, width = instance.mask.shape
        raise StoreError(f"{where}: the mask is for {width}x{height} px, the image has {size[1]}x{size[0]} px")
    try:
        check_size(size[1], size[0])
    except MaskError as error:
        raise StoreError(f"{where}: {error}; scale it down") from None
    if not is_tight(instance.mask):
        raise StoreError(
            f"{where}: the mask does not fill its box {instance.mask.box_xyxy}; make it with Mask.from_dense"
        )
    if not 0 < instance.purity <= 1:
        raise StoreError(f"{where}: purity is above 0 and at most 1, found {instance.purity}")
