"""A store as one file: a ZIP archive of its database and a manifest that says what the database must be.

The manifest is JSON: ``format``, ``schema``, and in ``files`` the size and SHA-256 of ``store.db``. Both are kept as
they are, not compressed: a file of so many bytes unpacks to no more.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from pathlib import Path
from typing import IO, Any

from knnclip.errors import StoreError
from knnclip.store.schema import DATABASE_NAME, SCHEMA_VERSION

FORMAT = "knnclip store"
MANIFEST_NAME = "manifest.json"

MAX_MANIFEST_BYTES = 65_536
"""A manifest has some 200; one that says to have more is none."""

COPY_BYTES = 2**20
"""Read and hashed at a time: fewer cost calls, more save nothing."""

WRITTEN_AT = (1980, 1, 1, 0, 0, 0)
"""The time of both entries: a store exported twice gives manifests and archives that differ in their database alone."""


def pack(database: Path, file: Path) -> None:
    """Writes an archive of a database file, and forces it to the disk."""
    with database.open("rb") as source:
        digest = hashlib.file_digest(source, "sha256").hexdigest()
    size = database.stat().st_size
    manifest = {"format": FORMAT, "schema": SCHEMA_VERSION, "files": {DATABASE_NAME: {"bytes": size, "sha256": digest}}}
    with file.open("xb") as target:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(zipfile.ZipInfo(MANIFEST_NAME, WRITTEN_AT), json.dumps(manifest, indent=1))
            described = zipfile.ZipInfo(DATABASE_NAME, WRITTEN_AT)
            described.file_size = size
            with database.open("rb") as source, archive.open(described, "w") as packed:
                while piece := source.read(COPY_BYTES):
                    packed.write(piece)
        target.flush()
        os.fsync(target.fileno())


def unpack(file: Path, database: Path) -> None:
    """Writes the database of an archive to a new file; ``StoreError`` unless it is, bit for bit, what was packed."""
    if not file.is_file():
        raise StoreError(f"{file} does not exist or is not a file; `knnclip store export` makes one")
    try:
        with zipfile.ZipFile(file) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
            if len(archive.infolist()) != 2 or entries.keys() != {MANIFEST_NAME, DATABASE_NAME}:
                raise _not_ours(file, f"it does not hold {MANIFEST_NAME} and {DATABASE_NAME} alone")
            for entry in entries.values():
                if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > file.stat().st_size:
                    raise _not_ours(file, f"{entry.filename} is compressed, or larger than the file")
            if entries[MANIFEST_NAME].file_size > MAX_MANIFEST_BYTES:
                raise _not_ours(file, f"its {MANIFEST_NAME} has {entries[MANIFEST_NAME].file_size:,} bytes")
            expected = _described(file, json.loads(archive.read(MANIFEST_NAME)))
            with archive.open(DATABASE_NAME) as packed:
                found = _copied(packed, database)
    except zipfile.BadZipFile as error:
        raise _not_ours(file, f"{error}") from None
    except (OSError, EOFError, ValueError, NotImplementedError, RuntimeError, RecursionError) as error:
        raise StoreError(f"{file} cannot be unpacked ({error}); export the store again, or make room") from error
    if found != expected:
        raise StoreError(f"{file} is damaged: its {DATABASE_NAME} is not what {MANIFEST_NAME} says; export it again")


def _described(file: Path, manifest: Any) -> tuple[int, str]:  # noqa: ANN401 - JSON has no type
    """The size and digest of the database by the manifest."""
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise _not_ours(file, f"its {MANIFEST_NAME} says nothing of a store")
    if manifest.get("schema") != SCHEMA_VERSION:
        raise StoreError(
            f"{file} has schema version {manifest.get('schema')!r}, this knnclip reads {SCHEMA_VERSION}; export it "
            f"again with the same version of knnclip"
        )
    match manifest.get("files"):
        case {"store.db": {"bytes": int(size), "sha256": str(digest)}}:
            return size, digest
    raise _not_ours(file, f"its {MANIFEST_NAME} does not give bytes and sha256 of {DATABASE_NAME}")


def _copied(packed: IO[bytes], database: Path) -> tuple[int, str]:
    """Copies to a new file; returns how many bytes and their digest."""
    digest, size = hashlib.sha256(), 0
    with database.open("xb") as target:
        while piece := packed.read(COPY_BYTES):
            digest.update(piece)
            size += target.write(piece)
        target.flush()
        os.fsync(target.fileno())
    return size, digest.hexdigest()


def _not_ours(file: Path, reason: str) -> StoreError:
    return StoreError(f"{file} is not a knnclip store as `knnclip store export` writes it: {reason}; export it again")
