"""One matrix of a MATLAB file, read within limits.

A label map of Pascal Context is one matrix of whole numbers in a MAT-file of level 5 ("MAT-File Format", MathWorks,
chapter 1). SciPy reads all of the format, and a damaged file can end the process in its compiled code; this reads what
a label map needs, checks each size before it believes it, and never decodes more than an image may have.

A file is a header of 128 bytes and data elements: a tag (type and number of bytes), then the data, padded to a multiple
of 8 bytes. A matrix is an element of elements: flags, dimensions, name, and the values column by column.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knnclip.errors import DatasetError

HEADER_BYTES = 128
TAG_BYTES = 8
MATRIX, COMPRESSED = 14, 15
"""Types of the elements that a file consists of."""

NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""Types of the elements that hold values, as NumPy calls them."""

NUMERIC_CLASSES = range(6, 16)
"""MATLAB's classes of matrices of numbers, from double to uint64; those before are cells, structures, text, sparse."""

OVERHEAD_BYTES = 4096
"""What a matrix takes besides its values: flags, dimensions and a name, all of them far smaller."""


class _DamagedError(Exception):
    """The file is not what it says it is."""


def read_matrix(file: Path, name: str, max_values: int) -> NDArray[np.generic]:
    """The matrix ``name`` of a MATLAB file, ``(H, W)`` as MATLAB shows it, in the type in which it was saved.

    ``max_values``: the most values that are decoded; a matrix that claims more is refused before it costs memory.
    ``DatasetError`` names the file if it cannot be read, is of another format (MATLAB's v7.3 is HDF5), is damaged, or
    has no two-dimensional matrix of numbers of this name.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read ({error.strerror}); check the path") from None
    try:
        order = _byte_order(content)
        for kind, data in _elements(content[HEADER_BYTES:], order):
            matrix = _named(kind, data, order, name, max_values)
            if matrix is not None:
                return matrix
    except (_DamagedError, struct.error, zlib.error) as error:
        raise DatasetError(f"{file}: is no MATLAB file that can be read ({error}); fetch the file again") from None
    raise DatasetError(f"{file}: has no matrix {name!r} of numbers; expected a label map of Pascal Context")


def _byte_order(content: bytes) -> str:
    """``<`` or ``>``, as the header says."""
    if content[:8] == b"\x89HDF\r\n\x1a\n" or content[512:520] == b"\x89HDF\r\n\x1a\n":
        raise _DamagedError("it is of MATLAB's format v7.3; save it with -v7")
    orders = {b"IM": "<", b"MI": ">"}
    if len(content) < HEADER_BYTES or content[126:128] not in orders:
        raise _DamagedError("it does not begin as one")
    return orders[content[126:128]]


def _elements(content: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """The type and the data of each element; a compressed one is as it stands in the file."""
    at = 0
    while at + TAG_BYTES <= len(content):
        kind, size = struct.unpack_from(f"{order}II", content, at)
        if kind >> 16:  # a small element: type, size and up to 4 bytes of data share the 8 bytes of a tag
            kind, size, start, end = kind & 0xFFFF, kind >> 16, at + 4, at + TAG_BYTES
            if size > 4:
                raise _DamagedError(f"a small element claims {size} bytes")
        else:
            start = at + TAG_BYTES
            end = start + size + (0 if kind == COMPRESSED else -size % 8)
        if start + size > len(content):
            raise _DamagedError(f"an element claims {size:,} bytes, {max(len(content) - start, 0):,} are left")
        yield kind, content[start : start + size]
        at = end


def _named(kind: int, data: bytes, order: str, name: str, max_values: int) -> NDArray[np.generic] | None:
    """The matrix of an element if it has this name."""
    if kind == COMPRESSED:
        inflate = zlib.decompressobj()
        limit = max_values * 8 + OVERHEAD_BYTES
        data = inflate.decompress(data, limit)
        if inflate.unconsumed_tail:
            raise _DamagedError(f"an element unpacks to more than {limit:,} bytes")
        (kind, data), *_ = [*_elements(data, order), (0, b"")]
    if kind != MATRIX:
        return None
    parts = _elements(data, order)
    (_, flags), (_, sizes), (_, own_name) = (next(parts, (0, b"")) for _ in range(3))
    if own_name.rstrip(b"\0") != name.encode():
        return None
    if len(flags) != 8 or struct.unpack(f"{order}II", flags)[0] & 0xFF not in NUMERIC_CLASSES:
        raise _DamagedError(f"{name!r} is no matrix of numbers")
    shape = np.frombuffer(sizes[: len(sizes) // 4 * 4], dtype=f"{order}i4").tolist()
    if len(shape) != 2 or min(shape) < 1 or shape[0] * shape[1] > max_values:
        expected = f"two sides of {max_values:,} values at most"
        raise _DamagedError(f"matrix {name!r} has shape {tuple(shape)}, expected {expected}")
    stored, values = next(parts, (0, b""))
    if stored not in NUMBERS:
        raise _DamagedError(f"matrix {name!r} holds no numbers")
    dtype = np.dtype(order + NUMBERS[stored])
    if len(values) != shape[0] * shape[1] * dtype.itemsize:
        raise _DamagedError(f"matrix {name!r} has {len(values):,} bytes, not those of {shape[0]} x {shape[1]} values")
    return np.frombuffer(values, dtype).reshape(shape, order="F")
