"""A digest for every row of every table: what was written is what is read, or it is known that it is not.

The column ``digest`` of each table is generated: SQLite computes it from the other columns whenever a row is inserted
or updated, by a function of this module. No writer can forget it or set it; a connection without the function cannot
write at all. Copying and compacting take it along as it is: a row that a disk has changed is still found afterwards.

It protects from accidents, not from people: who writes a file on purpose computes the digests that fit. Hence what
comes from outside is also checked for what it says, by ``knnclip.store.verification``.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from types import MappingProxyType

DIGEST_BYTES = 8
"""Changed content keeps its digest with a chance of 2**-64. With its length it takes 9 bytes a row, 19 an instance with
its embedding: 0.7 % of a store of 10,000 instances (28 MB). Writing or checking one takes some 5 microseconds a row."""

DIGESTED = MappingProxyType(
    {
        "meta": ("only_row", "encoder", "weights", "preprocessing", "dim", "complete_since"),
        "settings": ("name", "value"),
        "events": ("generation", "token", "time", "kind", "detail"),
        "classes": ("class_id", "name", "is_thing", "color", "synonyms", "declared"),
        "sources": ("source_id", "kind", "description", "key", "created"),
        "finished": ("source_id", "image_ref"),
        "images": ("image_id", "ref", "width_px", "height_px", "thumbnail"),
        "instances": (
            "instance_id", "source_id", "class_id", "image_id", "key", "copy", "given_name", "x0", "y0", "x1", "y1",
            "area_px", "rle", "purity", "origin",
        ),
        "embeddings": ("instance_id", "vector"),
        "removed": ("instance_id", "generation"),
        "merged": ("class_id", "into_class_id", "generation"),
    }
)  # fmt: skip
"""Table -> all its other columns, the first of which tells its rows apart."""

_AS_THEY_ARE = frozenset({"purity"})
"""Numbers that text of 15 digits, which a cast would make of them, does not tell apart."""


def row_digest(*values: bytes | float | None) -> bytes:
    """The digest of a row: of the name of its table and of its values, each with its length."""
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for value in values:
        part = value if isinstance(value, bytes) else repr(value).encode()
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def register(connection: sqlite3.Connection) -> None:
    """Makes the function known to a connection, which needs it to write and to check."""
    connection.create_function("row_digest", -1, row_digest, deterministic=True)


def digest_column(table: str) -> str:
    """The definition of the column ``digest`` of a table."""
    return f"digest BLOB NOT NULL GENERATED ALWAYS AS ({_expression(table)}) STORED"


def changed_rows(connection: sqlite3.Connection) -> Iterator[str]:
    """One line for each row that is not as it was written."""
    for table, (first, *_) in DIGESTED.items():
        found = connection.execute(
            f"SELECT CAST({first} AS BLOB) FROM {table} WHERE digest IS NOT {_expression(table)} ORDER BY {first}"
        )
        for (value,) in found:
            yield f"{table}: what is stored under {first} {value.decode(errors='replace')} is not what was written"


def _expression(table: str) -> str:
    # As bytes: what is no text any more could not be handed to the function as text.
    columns = (name if name in _AS_THEY_ARE else f"CAST({name} AS BLOB)" for name in DIGESTED[table])
    return f"row_digest(CAST('{table}' AS BLOB), {', '.join(columns)})"
