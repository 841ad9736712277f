"""The record of every image as soon as it is scored: what an interrupted evaluation continues from.

A folder has one file, or one for each shard; a file is a line of JSON for the protocol and one for each image. All
files of a folder are of one evaluation. Whatever the shards, an image that is in any of them is not scored again, and
a torn last line, as a machine that went down leaves it, is an image that was not scored. What could not be read is
noted too, and tried again by the next run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from knnclip.errors import OutputError, UsageError
from knnclip.evaluation.record import ImageRecord

PATTERN = "images*.jsonl"

Refusal = tuple[str, str | None, str]
"""A file, the row in it, and why it could not be used."""


class Journal:
    """One file of a folder, open to be appended to.

    >>> with Journal(folder, protocol) as journal:
    ...     todo = [sample for sample in samples if sample.ref not in journal.finished]
    """

    def __init__(self, folder: Path, protocol: Mapping[str, Any], shard: str = "") -> None:
        """Opens or begins the file of a shard.

        ``protocol`` says what was asked, of what and how. ``UsageError`` if the folder has an evaluation by another.
        """
        self.folder, self.path = folder, folder / (f"images.{shard}.jsonl" if shard else "images.jsonl")
        self.protocol = json.loads(json.dumps(protocol))
        for file in files_of(folder):
            _check(file, self.protocol)
        self.finished = {ref for file in files_of(folder) for ref in _refs(file)}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = self.path.open("ab+")
            self._file.truncate(_whole_lines(self.path))
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written ({error.strerror}); choose another folder") from error
        if self._file.seek(0, os.SEEK_END) == 0:
            self._write({"protocol": self.protocol})

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, ref: str, record: ImageRecord | None, rejected: Sequence[Refusal] = ()) -> None:
        """Writes what became of an image, None if it could not be read; it is on the disk when this returns."""
        self._write({"ref": ref, "rejected": list(rejected), **({} if record is None else record.to_json())})
        if record is not None:
            self.finished.add(ref)

    def _write(self, content: Mapping[str, Any]) -> None:
        try:
            self._file.write(json.dumps(content).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written ({error.strerror}); make room and continue") from error


def records(folder: Path, classes: int) -> Iterator[ImageRecord]:
    """The records of a folder, one at a time and each image once; ``UsageError`` for a damaged file."""
    seen: set[str] = set()
    for file in files_of(folder):
        for number, content in enumerate(_lines(file)):
            if number == 0 or "confusion" not in content or content["ref"] in seen:
                continue
            seen.add(content["ref"])
            try:
                yield ImageRecord.from_json(content, classes)
            except (KeyError, ValueError, IndexError, TypeError) as error:
                raise UsageError(f"{file} line {number + 1} is no record of an image ({error!r}); remove it") from error


def refusals(folder: Path) -> dict[str, list[Refusal]]:
    """What could not be read of each image that was tried, empty where nothing was wrong; the last try counts."""
    found: dict[str, list[Refusal]] = {}
    for file in files_of(folder):
        for number, content in enumerate(_lines(file)):
            if number:
                found[content["ref"]] = [(item[0], item[1], item[2]) for item in content["rejected"]]
    return found


def check_protocol(folder: Path, protocol: Mapping[str, Any]) -> None:
    """``UsageError`` if nothing was evaluated in a folder, or by another protocol."""
    files = files_of(folder)
    if not files:
        raise UsageError(f"{folder} holds no evaluation: no {PATTERN}; evaluate into it first")
    for file in files:
        _check(file, json.loads(json.dumps(protocol)))


def files_of(folder: Path) -> list[Path]:
    """The files of a folder's evaluation."""
    return sorted(folder.glob(PATTERN))


def _check(file: Path, protocol: Mapping[str, Any]) -> None:
    head = next(_lines(file), None)  # none in a file that was only just begun
    if head is not None and head.get("protocol") != protocol:
        known = head.get("protocol") or {}
        names = [key for key in {**known, **protocol} if known.get(key) != protocol.get(key)]
        raise UsageError(
            f"{file.parent} holds an evaluation of another {' and '.join(names)}; choose another folder for this one, "
            "or let it begin anew with --restart"
        )


def _refs(file: Path) -> Iterator[str]:
    """The images of a file that were scored."""
    return (content["ref"] for content in islice(_lines(file), 1, None) if "confusion" in content)


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    """What the file's whole lines hold."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                yield json.loads(line)
            except ValueError as error:
                raise UsageError(f"{file} line {number} is damaged ({error}); remove the line to continue") from None


def _whole_lines(file: Path) -> int:
    """The bytes of the file up to its last line break."""
    with file.open("rb") as content:
        content.seek(0, os.SEEK_END)
        end = content.tell()
        while end > 0:
            start = max(0, end - 65536)
            content.seek(start)
            found = content.read(end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
    return 0
