"""A folder of results that is there as a whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from knnclip.errors import OutputError


class DraftFolder:
    """A folder that is written beside its place, under a hidden name, and takes its place when it is complete.

    Whoever is killed meanwhile leaves ``.knnclip-*.part`` and nothing under the name itself. Files are named by their
    path within the folder. All methods raise ``OutputError``, which names the file as it would have been called.
    """

    def __init__(self, target: Path) -> None:
        """``OutputError`` if something is at ``target`` already: what is there may be somebody's work."""
        self.target = target
        self._draft = target.parent / f".knnclip-{secrets.token_hex(8)}.part"
        self._streams: list[IO[str]] = []
        if target.exists() or target.is_symlink():
            raise OutputError(f"{target} is there already; remove it or choose another folder")
        with self._told(target):
            self._draft.mkdir(parents=True)

    def write(self, name: str, content: bytes) -> None:
        """Writes a file and forces it to the disk; makes its folder."""
        with self._told(self.target / name):
            (self._draft / name).parent.mkdir(parents=True, exist_ok=True)
            with (self._draft / name).open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())

    def stream(self, name: str) -> Stream:
        """A text file in UTF-8 that grows until the folder is committed."""
        path = self.target / name
        with self._told(path):
            (self._draft / name).parent.mkdir(parents=True, exist_ok=True)
            file = (self._draft / name).open("x+", encoding="utf-8", newline="\n")
            self._streams.append(file)
        return Stream(self, path, file)

    def gather(self, name: str, head: str, body: Stream, tail: str) -> None:
        """Writes a text file of a head, what has been streamed into ``body``, whose own file goes, and a tail."""
        with self._told(self.target / name), (self._draft / name).open("x", encoding="utf-8", newline="\n") as file:
            body.file.seek(0)
            file.write(head)
            shutil.copyfileobj(body.file, file)
            file.write(tail)
            file.flush()
            os.fsync(file.fileno())
            self._streams.remove(body.file)
            body.file.close()
            Path(body.file.name).unlink()

    def commit(self) -> None:
        """Gives the folder its name; from now on it is there."""
        with self._told(self.target):
            for file in self._streams:
                file.flush()
                os.fsync(file.fileno())
                file.close()
            self._draft.rename(self.target)

    def discard(self) -> None:
        """Removes what was written; to be called after an error too, hence without one of its own."""
        for file in self._streams:
            try:
                file.close()
            except OSError:  # what it still held does not fit on the disk, and is not wanted
                continue
        shutil.rmtree(self._draft, ignore_errors=True)

    @contextmanager
    def _told(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(f"{path} cannot be written ({reason}); make room or choose another folder") from error


class Stream:
    """A growing text file of a ``DraftFolder``."""

    def __init__(self, folder: DraftFolder, path: Path, file: IO[str]) -> None:
        """``DraftFolder.stream`` makes one."""
        self._folder, self._path, self.file = folder, path, file

    def write(self, text: str) -> None:
        """Appends a text. ``OutputError`` if it cannot."""
        with self._folder._told(self._path):
            self.file.write(text)
