"""The index on disk: a file beside the database that saves reading every instance of it, and never the truth.

Layout, all numbers little-endian: ``MAGIC``, the length of the header (uint32), the header (JSON), the rows (dtype
``ROW``), then the vectors of one block after the other (float16), then the moments: the products of each fold, and
as many records as the header says of class id, fold and sums; each part is followed by its CRC-32 (uint32).
Whatever is wrong with the file (missing, cut, changed, of another history) makes it count as absent.
"""

from __future__ import annotations

import json
import math
import os
import zlib
from dataclasses import dataclass
from io import BufferedReader, BufferedWriter
from pathlib import Path

import numpy as np

from knnclip.store.index import BLOCK_ROWS, ROW, Index
from knnclip.store.moments import FOLDS, Moments, product_shape

MAGIC = b"knnclip index 3\n"
"""How the file begins; another layout gets another number, and older files then count as absent."""

FILE_NAME = "index.cache"

Buffer = bytearray | memoryview


@dataclass(frozen=True)
class Stamp:
    """The state of the store that an index was equal to."""

    generation: int
    token: str  # hex of the event's token: which history that generation belongs to
    last_instance_id: int  # instances with higher ids came later


class CacheError(Exception):
    """The file is damaged or not a cache. Never leaves the store: a cache that cannot be read is built again."""


def write_cache(path: Path, index: Index, stamp: Stamp) -> None:
    """Writes the index to a new file and forces it to the disk; the caller moves it into place."""
    header = {
        "generation": stamp.generation,
        "token": stamp.token,
        "last_instance_id": stamp.last_instance_id,
        "size": index.size,
        "dim": index.dim,
        "sums": len(index.moments.sums),
    }
    with path.open("xb") as file:
        text = json.dumps(header).encode()
        file.write(MAGIC + len(text).to_bytes(4, "little"))
        _write_part(file, text)
        _write_part(file, np.ascontiguousarray(index.rows).tobytes())
        for block in index.blocks():
            _write_part(file, block.astype("<f2").tobytes())
        for product in index.moments.products:
            _write_part(file, product.astype("<f8").tobytes())
        records = np.zeros(len(index.moments.sums), dtype=_record(index.dim))
        for record, ((class_id, fold), total) in zip(records, index.moments.sums.items(), strict=True):
            record["class_id"], record["fold"], record["sum"] = class_id, fold, total
        _write_part(file, records.tobytes())
        file.flush()
        os.fsync(file.fileno())


def read_cache(path: Path, dim: int) -> tuple[Index, Stamp]:
    """The index that ``write_cache`` wrote; ``CacheError`` if the file is missing or not exactly that."""
    try:
        with path.open("rb") as file:
            return _read(file, dim)
    except OSError as error:
        raise CacheError(f"cannot be read: {error}") from error


def _read(file: BufferedReader, dim: int) -> tuple[Index, Stamp]:
    start = file.read(len(MAGIC) + 4)
    length = int.from_bytes(start[len(MAGIC) :], "little")
    total = os.fstat(file.fileno()).st_size
    if start[: len(MAGIC)] != MAGIC or length > total:
        raise CacheError("does not begin as an index cache")
    header = json.loads(bytes(_read_part(file, bytearray(length))))
    size = int(header["size"])
    blocks = [min(BLOCK_ROWS, size - first) for first in range(0, size, BLOCK_ROWS)]
    record = _record(dim)
    shape = product_shape(dim)
    moments = FOLDS * (math.prod(shape) * 8 + 4) + int(header["sums"]) * record.itemsize + 4
    rest = size * ROW.itemsize + 4 + size * dim * 2 + 4 * len(blocks) + moments
    if min(size, int(header["sums"])) < 0 or header["dim"] != dim or total != file.tell() + rest:
        raise CacheError(f"has {total} bytes, not those of {size} rows of {dim} numbers")
    rows = np.frombuffer(_read_part(file, bytearray(size * ROW.itemsize)), dtype=ROW)
    index = Index(dim)
    buffer = memoryview(
        bytearray(max(blocks, default=0) * dim * 2)
    )  # one for all: fresh memory costs more than reading
    for number, count in enumerate(blocks):
        vectors = np.frombuffer(_read_part(file, buffer[: count * dim * 2]), dtype="<f2").reshape(count, dim)
        index.put_back(rows[number * BLOCK_ROWS :][:count], vectors)
    products = [_read_part(file, bytearray(math.prod(shape) * 8)) for _ in range(FOLDS)]
    records = np.frombuffer(_read_part(file, bytearray(int(header["sums"]) * record.itemsize)), dtype=record)
    index.moments = Moments(
        tuple(np.frombuffer(product, dtype="<f8").reshape(shape) for product in products),
        {(int(entry["class_id"]), int(entry["fold"])): entry["sum"] for entry in records},
    )
    return index, Stamp(int(header["generation"]), str(header["token"]), int(header["last_instance_id"]))


def _record(dim: int) -> np.dtype[np.void]:
    """Of the sums of a class in a fold."""
    return np.dtype([("class_id", "<i8"), ("fold", "<i8"), ("sum", "<f8", (dim + 1,))])


def _write_part(file: BufferedWriter, part: bytes) -> None:
    file.write(part)
    file.write(zlib.crc32(part).to_bytes(4, "little"))


def _read_part(file: BufferedReader, part: Buffer) -> Buffer:
    if file.readinto(part) != len(part) or zlib.crc32(part).to_bytes(4, "little") != file.read(4):
        raise CacheError(f"fails its checksum before byte {file.tell()}")
    return part
