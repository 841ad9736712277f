"""A zip file from somebody else -> a folder, within limits that are checked before and while anything is written."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from knnclip.errors import DatasetError

MAX_FILES = 100_000
"""Images and labels of 50,000 pictures. A zip of millions of empty files would fill a folder, and is told before."""

MAX_BYTES = 8 * 2**30
"""A larger limit lets one upload take more of a server's disk, a smaller one refuses sets that people have."""

MAX_RATIO = 200
"""Photographs and label images hardly shrink in a zip; what grows by more is made to fill the disk."""

CHUNK_BYTES = 2**20
"""Read and counted at once: small against any limit, large against the cost of a call."""


def extract_zip(file: str | Path, folder: str | Path, *, max_bytes: int = MAX_BYTES) -> Path:
    """Unpacks the archive ``file`` into ``folder``, which is empty, and returns the folder that holds the data.

    That is ``folder``, or the one folder that everything in the archive lies in. Raises ``DatasetError`` if the file is
    no zip, is damaged or encrypted, names a place outside the folder, or unpacks to more than ``max_bytes``, to more
    than ``MAX_FILES`` files or to more than ``MAX_RATIO`` times its size.
    """
    file, folder = Path(file), Path(folder)
    name = file.name
    try:
        with zipfile.ZipFile(file) as archive:
            members = [member for member in archive.infolist() if not member.filename.endswith("/")]
            if len(members) > MAX_FILES:
                raise DatasetError(f"{name} holds {len(members):,} files; at most {MAX_FILES:,} are unpacked")
            targets = [_target(member, folder, name) for member in members]
            _check_distinct(targets, folder, name)
            room = min(max_bytes, MAX_RATIO * file.stat().st_size)
            for member, target in zip(members, targets, strict=True):
                room -= _unpack(archive, member, target, room, name)
    except DatasetError:
        raise
    except Exception as error:  # damaged archives raise errors of many kinds, and those of each compression
        raise DatasetError(
            f"{name} cannot be unpacked ({error}); make a plain zip file of the data's folder"
        ) from error
    inside = [path for path in folder.iterdir() if path.name != "__MACOSX"]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def _target(member: zipfile.ZipInfo, folder: Path, name: str) -> Path:
    parts = PurePosixPath(member.filename.replace("\\", "/")).parts
    # On Windows a colon names a drive or a stream of a file, and blanks and dots at the end of a name are dropped.
    if not parts or parts[0].startswith("/") or any(":" in part or not part.strip(" .") for part in parts):
        raise DatasetError(f"{name} names a file outside its folder ({member.filename!r}); nothing was unpacked")
    return folder.joinpath(*parts)


def _check_distinct(targets: Sequence[Path], folder: Path, name: str) -> None:
    taken = Counter(targets)
    twice = next((target for target in targets if taken[target] > 1), None)
    if twice is not None:
        inside = twice.relative_to(folder).as_posix()
        raise DatasetError(
            f"{name} holds two files named {inside!r}; rename one and pack it again, nothing was unpacked"
        )


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, room: int, name: str) -> int:
    """Writes one file of at most ``room`` bytes, whatever its entry claims, and returns how many there were."""
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with archive.open(member) as source, target.open("xb") as sink:
        while chunk := source.read(CHUNK_BYTES):
            written += len(chunk)
            if written > room:
                raise DatasetError(
                    f"{name} unpacks to far more than its size; unpack it yourself and ingest the folder"
                )
            sink.write(chunk)
    return written
