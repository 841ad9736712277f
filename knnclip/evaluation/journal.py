"""The record of every image as soon as it is scored: what an interrupted evaluation continues from.

A folder has one file, or one for each shard; a file is a line of JSON for the protocol and one for each image. All
files of a folder are of one evaluation. Whatever the shards, an image that is in any of them is not scored again, and
a torn last line, as a machine that went down leaves it, is an image that was not scored. What could not be read is
noted too, and tried again by the next run. A line carries a stamp of the files that were read for it, so that labels
which changed since are noticed.

Whoever writes a file holds a lock beside it, hidden, which the system releases with the process, however it ends.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from filelock import BaseFileLock, FileLock, Timeout

from knnclip.errors import InputError, OutputError, UsageError
from knnclip.evaluation.record import ImageRecord

Refusal = tuple[str, str | None, str]
"""A file, the place in it, and why it could not be used."""

WITHOUT_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
"""What systems say where a file cannot be locked at all, which is not that somebody else has it."""

BLOCK_BYTES = 1 << 16
"""Read at once from the end of a file in search of its last line break; a line is mostly shorter."""


class Journal:
    """One file of a folder, open to be appended to.

    >>> from pathlib import Path
    >>> with Journal(Path("report"), {"data": "street"}) as journal:
    ...     journal.add("street.jpg", "0123", None, [("street.jpg", None, "is no image")])
    ...     "street.jpg" in journal.finished  # it was tried, not scored
    False
    >>> refusals(Path("report"))
    {'street.jpg': [('street.jpg', None, 'is no image')]}
    """

    def __init__(self, folder: Path, protocol: Mapping[str, Any], shard: str = "", *, restart: bool = False) -> None:
        """Opens or begins the file of a shard.

        ``protocol`` says what is evaluated, on what and how. ``restart`` throws away what the folder has.
        ``UsageError`` if the folder has an evaluation by another protocol, if somebody is writing the same shard, or
        with ``restart`` any shard; ``OutputError`` if nothing can be written there.
        """
        self.folder, self.path = folder, folder / (f"images.{shard}.jsonl" if shard else "images.jsonl")
        self.protocol = json.loads(json.dumps(protocol))
        self.finished: dict[str, str] = {}  # the stamp of each image that was scored
        self._lock = _lock_of(self.path)
        self._take(self._lock)
        try:
            if restart:
                self._throw_away()
            for file in files_of(folder):
                _check(file, self.protocol)
                self.finished.update((line["ref"], line["stamp"]) for line in _images(file) if "confusion" in line)
            self._file: IO[bytes] = self.path.open("ab+")
            begun = next(_lines(self.path), None) is not None
            self._file.truncate(_whole_lines(self.path) if begun and self._is_mine() else 0)
            if self._file.seek(0, os.SEEK_END) == 0:
                self._write({"protocol": self.protocol})
        except OSError as error:
            self._unlock()
            raise self._unwritable(error) from error
        except BaseException:
            self._unlock()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
        self._unlock()

    def add(self, ref: str, stamp: str, record: ImageRecord | None, rejected: Sequence[Refusal] = ()) -> None:
        """Writes what became of an image, None if it could not be read; it is on the disk when this returns."""
        content = {} if record is None else record.to_json()
        self._write({"ref": ref, "stamp": stamp, "rejected": list(rejected), **content})
        if record is not None:
            self.finished[ref] = stamp

    def _take(self, lock: BaseFileLock) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            raise UsageError(
                f"{self.path} is being written by another evaluation; wait for it, or use shards"
            ) from None
        except (OSError, NotImplementedError) as error:
            if isinstance(error, NotImplementedError) or error.errno in WITHOUT_LOCKS:
                raise OutputError(
                    f"{self.path}: the file system of its folder has no locks ({error}); choose a folder on another"
                ) from error
            raise self._unwritable(error) from error

    def _throw_away(self) -> None:
        """Removes what the folder has, unless somebody is writing any of it."""
        held = [self._lock]
        try:
            for file in files_of(self.folder):
                if file != self.path:
                    lock = _lock_of(file)
                    self._take(lock)
                    held.append(lock)
            for file in files_of(self.folder):
                file.unlink()
        finally:
            for lock in held[1:]:
                _release(lock)

    def _is_mine(self) -> bool:
        """Whether the file is of this protocol: it is not where another one was begun and never got to an image."""
        return bool(next(_lines(self.path))["protocol"] == self.protocol)

    def _unlock(self) -> None:
        _release(self._lock)

    def _unwritable(self, error: OSError) -> OutputError:
        return OutputError(f"{self.path} cannot be written ({error.strerror or error}); choose another folder")

    def _write(self, content: Mapping[str, Any]) -> None:
        try:
            self._file.write(json.dumps(content).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written ({error.strerror}); make room and continue") from error


def _lock_of(file: Path) -> BaseFileLock:
    return FileLock(file.with_name(f".{file.name}.lock"), timeout=0, thread_local=False)


def _release(lock: BaseFileLock) -> None:
    # The file goes while it is held, so that nobody's lock is removed: who opened it meanwhile sees that it is gone and
    # makes a new one. Windows does not remove an open file; there an empty one stays, which the next takes.
    with suppress(OSError):
        Path(lock.lock_file).unlink()
    lock.release()


def records(folder: Path, classes: int) -> Iterator[ImageRecord]:
    """The records of a folder, one at a time and each image once; ``UsageError`` for a damaged file."""
    seen: set[str] = set()
    for file in files_of(folder):
        for number, content in enumerate(_images(file), start=2):
            if "confusion" not in content or content["ref"] in seen:
                continue
            seen.add(content["ref"])
            try:
                yield ImageRecord.from_json(content, classes)
            except InputError as error:
                raise UsageError(f"{file} line {number} is no record of an image ({error}); remove it") from None


def refusals(folder: Path) -> dict[str, list[Refusal]]:
    """What could not be read of each image that was tried, empty where nothing was wrong.

    What the line of its score says counts, whatever other tries came to, else the last try.
    """
    found: dict[str, list[Refusal]] = {}
    scored: set[str] = set()
    for file in files_of(folder):
        for content in _images(file):
            ref = content["ref"]
            if "confusion" in content or ref not in scored:
                found[ref] = [(item[0], item[1], item[2]) for item in content["rejected"]]
            if "confusion" in content:
                scored.add(ref)
    return found


def check_protocol(folder: Path, protocol: Mapping[str, Any]) -> None:
    """``UsageError`` if nothing was evaluated in a folder, or by another protocol."""
    files = files_of(folder)
    if not files:
        raise UsageError(f"{folder} holds no evaluation, no images.jsonl; evaluate into it first")
    for file in files:
        _check(file, json.loads(json.dumps(protocol)))


def files_of(folder: Path) -> list[Path]:
    """The files of a folder's evaluation."""
    return sorted([*folder.glob("images.jsonl"), *folder.glob("images.*-of-*.jsonl")])


def _check(file: Path, protocol: Mapping[str, Any]) -> None:
    """``UsageError`` if images were scored by another protocol; one that never got to an image says nothing."""
    head = next(_lines(file), None)
    if head is None or next(_images(file), None) is None:
        return
    if head["protocol"] != protocol:
        known = head["protocol"]
        names = [key for key in {**known, **protocol} if known.get(key) != protocol.get(key)]
        raise UsageError(
            f"{file.parent} holds an evaluation of another {' and '.join(names)}; choose another folder for this one, "
            "or let it begin anew with --restart"
        )


def _images(file: Path) -> Iterator[dict[str, Any]]:
    """What was written of each image."""
    return islice(_lines(file), 1, None)


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    """What the file's whole lines hold: the protocol, then the images. ``UsageError`` names a line that is damaged."""
    try:
        lines = file.open("rb")
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror}); check its permissions") from None
    with lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                content = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UsageError(f"{file} line {number} is damaged ({error}); remove the line to continue") from None
            if not (_is_head(content) if number == 1 else _is_image(content)):
                wanted = "protocol of an evaluation" if number == 1 else "record of an image"
                raise UsageError(f"{file} line {number} is no {wanted}; remove it, or begin anew with --restart")
            yield content


def _is_head(content: object) -> bool:
    return isinstance(content, dict) and isinstance(content.get("protocol"), dict)


def _is_image(content: object) -> bool:
    """Whether a line has an image, its stamp, and of everything that was refused a file, a place and a reason."""
    return (
        isinstance(content, dict)
        and all(isinstance(content.get(key), str) for key in ("ref", "stamp"))
        and isinstance(content.get("rejected"), list)
        and all(
            isinstance(item, list)
            and len(item) == 3
            and isinstance(item[0], str)
            and isinstance(item[1], str | None)
            and isinstance(item[2], str)
            for item in content["rejected"]
        )
    )


def _whole_lines(file: Path) -> int:
    """The bytes of the file up to its last line break."""
    with file.open("rb") as content:
        content.seek(0, os.SEEK_END)
        end = content.tell()
        while end > 0:
            start = max(0, end - BLOCK_BYTES)
            content.seek(start)
            found = content.read(end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
    return 0
