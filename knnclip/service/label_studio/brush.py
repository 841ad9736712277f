"""Label Studio's run lengths of a brush: those of ``@thi.ng/rle-pack``, of a picture of red, green, blue and alpha.

A stream of bits, the highest of each byte first: 32 bits with the number of values; 5 with the bits of a value, less 1;
4 times 4 with the bits of a length, less 1. Then pieces: a bit that says whether one value is repeated or each follows;
2 bits for which of the 4 lengths comes; the number of values, less 1, in so many bits; the value, or all of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from knnclip.errors import MaskError
from knnclip.structures import Mask

VALUE_BITS = 8
LENGTH_BITS = (3, 4, 8, 16)
"""What Label Studio itself writes."""

CHANNELS = 4

HEADER_BITS = 32 + 5 + 4 * len(LENGTH_BITS)

LONGEST_RUN = 1 << LENGTH_BITS[-1]


def encode(mask: Mask) -> list[int]:
    """The bytes of a mask, 255 in all channels where it is true, as the list of numbers that Label Studio takes."""
    flat = mask.to_dense().ravel()
    ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]) + 1, flat.size)
    lengths = np.diff(ends, prepend=0) * CHANNELS
    values = flat[ends - 1].astype(np.int64) * 255
    # A run that is too long for one piece: whole pieces, and what is left.
    pieces = -(-lengths // LONGEST_RUN)
    values = np.repeat(values, pieces)
    last = np.cumsum(pieces) - 1
    split = np.full(len(values), LONGEST_RUN, dtype=np.int64)
    split[last] = lengths - (pieces - 1) * LONGEST_RUN
    bits = np.concatenate([_header(flat.size * CHANNELS), _pieces(split, values)])
    return np.packbits(bits).tolist()


def decode(packed: object, shape: tuple[int, int]) -> Mask:
    """The mask of a picture of ``(H, W)`` where the alpha of a brush is not 0; ``MaskError`` for what is none.

    What the stream says of its size is compared with the picture before anything is allocated by it.
    """
    stream = _Bits(_bytes(packed))
    count, value_bits = stream.read(32), stream.read(5) + 1
    length_bits = [stream.read(4) + 1 for _ in LENGTH_BITS]
    if count != shape[0] * shape[1] * CHANNELS:
        raise MaskError(f"the brush has {count:,} values, the picture of {shape[1]}x{shape[0]} px has 4 a pixel")
    if value_bits != VALUE_BITS:
        raise MaskError(f"the brush has values of {value_bits} bits, expected {VALUE_BITS}")
    values = np.zeros(count, dtype=np.uint8)
    at = 0
    while at < count:
        repeats = stream.read(1)
        end = at + stream.read(length_bits[stream.read(2)]) + 1
        if end > count:
            raise MaskError("the run lengths of the brush go on after the end of the picture")
        values[at:end] = stream.read(VALUE_BITS) if repeats else stream.read_values(end - at)
        at = end
    return Mask.from_dense(values.reshape(*shape, CHANNELS)[..., CHANNELS - 1])


class _Bits:
    """Reads numbers from bytes; ``MaskError`` when they are at an end."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def read(self, bits: int) -> int:
        first, self._at = self._at, self._at + bits
        if self._at > 8 * len(self._content):
            raise MaskError("the run lengths of the brush are cut off")
        window = int.from_bytes(self._content[first >> 3 : (self._at + 7) >> 3])
        return window >> (-self._at % 8) & ((1 << bits) - 1)

    def read_values(self, count: int) -> NDArray[np.uint8]:
        """So many values of ``VALUE_BITS``, wherever in a byte they begin."""
        first, self._at = self._at, self._at + count * VALUE_BITS
        if self._at > 8 * len(self._content):
            raise MaskError("the run lengths of the brush are cut off")
        window = np.frombuffer(self._content[first >> 3 : (self._at + 7) >> 3], dtype=np.uint8)
        bits = np.unpackbits(window)[first % 8 : first % 8 + count * VALUE_BITS]
        return np.packbits(bits)


def _bytes(packed: object) -> bytes:
    if not isinstance(packed, list) or not all(type(one) is int and 0 <= one <= 255 for one in packed):
        raise MaskError("the run lengths of a brush are a list of bytes, whole numbers from 0 to 255")
    return bytes(packed)


def _header(count: int) -> NDArray[np.uint8]:
    text = f"{count:032b}{VALUE_BITS - 1:05b}" + "".join(f"{bits - 1:04b}" for bits in LENGTH_BITS)
    return np.array(list(text), dtype=np.uint8)


def _pieces(lengths: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The bits of pieces that repeat one value, each with the shortest of the four kinds of lengths that holds it."""
    kind = np.searchsorted(1 << np.array(LENGTH_BITS), lengths)
    longest = LENGTH_BITS[-1]
    whole = (1 << 2 | kind) << longest | (lengths - 1)
    whole = whole << VALUE_BITS | values
    width = 3 + longest + VALUE_BITS
    bits = (whole[:, None] >> np.arange(width - 1, -1, -1)) & 1
    # Of the length only its lowest bits are written.
    place = np.arange(width) - 3
    written = (place < 0) | (place >= longest - np.array(LENGTH_BITS)[kind][:, None])
    chosen: NDArray[np.uint8] = bits[written].astype(np.uint8)
    return chosen
