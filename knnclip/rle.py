"""Run lengths of masks, from files that nobody vouches for: checked before anything is allocated for them.

pycocotools decodes run lengths that are none into memory that is not its own, which ends the process.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from knnclip.errors import MaskError

MAX_IMAGE_PIXELS = 2**28
"""Largest image that may have masks: 2.7 times the largest that is read, and a mask of all of it takes 256 MB."""

MAX_DIGITS = 7
"""Of 5 bits in one run length: more than a run within ``MAX_IMAGE_PIXELS`` has."""


def check_size(width_px: int, height_px: int) -> None:
    """``MaskError`` unless an image of this size may have masks."""
    if not (width_px > 0 and height_px > 0 and width_px * height_px <= MAX_IMAGE_PIXELS):
        raise MaskError(f"an image of {width_px}x{height_px} px has not 1 to {MAX_IMAGE_PIXELS:,} pixels")


def check_mask(rle: bytes, box_xyxy: tuple[int, int, int, int], width_px: int, height_px: int) -> int:
    """The number of true pixels of an encoded mask; ``MaskError`` unless it is one that ``Mask.encode`` can make.

    That is: the runs fill the box as ``run_lengths`` says, and each border row and column of it has a true pixel. The
    time and memory that it takes depend on the length of ``rle`` alone.
    """
    runs = run_lengths(rle, box_xyxy, width_px, height_px)
    width, height = box_xyxy[2] - box_xyxy[0], box_xyxy[3] - box_xyxy[1]
    ends = np.cumsum(runs)
    stops = ends[1::2]
    starts = ends[::2][: len(stops)]
    top = -(-starts // height) * height < stops
    bottom = starts + (height - 1 - starts % height) < stops
    if not (len(stops) and starts[0] < height and stops[-1] > (width - 1) * height and top.any() and bottom.any()):
        raise MaskError(f"the mask does not fill its box {box_xyxy}")
    return int((stops - starts).sum())


def run_lengths(rle: bytes, box_xyxy: tuple[int, int, int, int], width_px: int, height_px: int) -> NDArray[np.int64]:
    """``(R,)``: pixels of the runs in a box of an image, false and true ones in turns, column by column.

    ``rle`` are COCO's compressed run lengths. ``MaskError`` unless the image may have masks, the box lies in it, and
    the runs fill the box exactly; only the first may be 0.
    """
    check_size(width_px, height_px)
    x0, y0, x1, y1 = box_xyxy
    if not (0 <= x0 < x1 <= width_px and 0 <= y0 < y1 <= height_px):
        raise MaskError(f"box {box_xyxy} does not lie in an image of {width_px}x{height_px} px")
    runs = decompressed(rle)
    if runs[0] < 0 or (runs[1:] <= 0).any():
        raise MaskError("a run length is not positive")
    if int(runs.sum()) != (x1 - x0) * (y1 - y0):
        raise MaskError(f"the runs have {int(runs.sum())} px, box {box_xyxy} has {(x1 - x0) * (y1 - y0)}")
    return runs


def decompressed(rle: bytes) -> NDArray[np.int64]:
    """``(R,)``: the numbers in COCO's compressed run lengths, whatever they are; ``MaskError`` for what is none.

    They are digits of 5 bits with a continuation bit, and from the fourth on differences to the last but one.
    """
    digits = np.frombuffer(rle, dtype=np.uint8).astype(np.int64) - 48
    if not len(digits) or digits.min() < 0 or digits.max() > 63 or digits[-1] & 32:
        raise MaskError("the run lengths are empty, cut off, or hold bytes that are none")
    last = np.flatnonzero(digits & 32 == 0)
    first = np.append(0, last[:-1] + 1)
    if int((last - first).max()) >= MAX_DIGITS:
        raise MaskError(f"a run length has more than {MAX_DIGITS} digits")
    place = np.arange(len(digits)) - np.repeat(first, last - first + 1)
    values = np.add.reduceat((digits & 31) << (5 * place), first)
    values -= np.where(digits[last] & 16, 1 << (5 * (last - first + 1)), 0)  # the highest bit is the sign
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values
