"""What clients have uploaded: whose it is, how much it may be, and the one place where a path of theirs is opened."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gradio.utils import get_upload_folder

from knnclip.errors import KnnclipError, UsageError

MAX_UPLOAD_BYTES = 2 * 2**30
"""Of one request, a zip file of a labelled data set: room for those that people share, an end to what fills a disk."""

MAX_CLIENT_BYTES = 2 * MAX_UPLOAD_BYTES
"""Of one client, as long as its files are kept: one data set to learn from, one to be asked."""

MAX_SERVER_BYTES = 4 * MAX_CLIENT_BYTES
"""Of all clients, who can call themselves many: what a small server's disk has room for beside its stores."""

MAX_CLIENT_FILES = 1000
"""Of one client, as long as they are kept: more pictures than anybody opens in six hours."""

MAX_SERVER_FILES = 10_000
"""Of all clients: files without content take room on a disk, too."""


@dataclass
class _Upload:
    client: str
    folder: Path  # of its own, removed with it
    size_bytes: int
    paths: tuple[str, ...] = ()  # none while it is under way
    session: str | None = None  # that opened it first


class Uploads:
    """The uploads of all clients: counted while they come in, and each for the client and session that made it.

    Uploads name no session, so one belongs to the client (a browser or a script, by its cookie) that sent it, and from
    the first time that it is opened to the session that did so. Its path is not to be guessed, which alone protects
    the uploads of clients that take no cookies.
    """

    def __init__(self) -> None:
        """Without any."""
        self._lock = threading.Lock()
        self._uploads: dict[Path, _Upload] = {}

    @contextmanager
    def receiving(self, client: str, size_bytes: int) -> Iterator[Path]:
        """A folder for an upload of ``client``; what lies in it at the end of the block is an upload then.

        ``UsageError`` if ``size_bytes``, which the request has at most, are more than there is room for. If the block
        raises, the folder is removed.
        """
        folder = uploads_folder() / secrets.token_urlsafe(16)
        upload = _Upload(client, folder, size_bytes)
        with self._lock:
            self._forget_deleted()
            self._check_room(upload)
            self._uploads[folder] = upload
        try:
            folder.mkdir(parents=True)
            yield folder
            upload.paths = tuple(str(path) for path in folder.rglob("*") if path.is_file())
        finally:
            if not upload.paths:
                self._remove([upload])

    def belongs(self, path: str, client: str) -> bool:
        """Whether a path is that of a file that this client has uploaded."""
        with self._lock:
            return self._find(path, client) is not None

    def claim(self, path: object, client: str, session: str | None) -> None:
        """Makes an upload of a client one of a session of it; ``UsageError`` if it is none, or another session's."""
        with self._lock:
            upload = self._find(path, client)
            if upload is None or upload.session not in (None, session):
                raise not_uploaded()
            upload.session = session

    def drop(self, session: str) -> None:
        """Removes what a session has opened."""
        with self._lock:
            opened = [upload for upload in self._uploads.values() if upload.session == session]
        self._remove(opened)

    def _find(self, path: object, client: str) -> _Upload | None:
        mine = (upload for upload in self._uploads.values() if upload.client == client)
        return next((upload for upload in mine if path in upload.paths), None)

    def _remove(self, uploads: Iterable[_Upload]) -> None:
        for upload in uploads:
            shutil.rmtree(upload.folder, ignore_errors=True)
            with self._lock:
                self._uploads.pop(upload.folder, None)

    def _forget_deleted(self) -> None:
        """Gradio deletes files by their age; their folders go here."""
        for folder, upload in list(self._uploads.items()):
            if upload.paths and not any(Path(path).exists() for path in upload.paths):
                shutil.rmtree(folder, ignore_errors=True)
                del self._uploads[folder]

    def _check_room(self, upload: _Upload) -> None:
        if upload.size_bytes > MAX_UPLOAD_BYTES:
            raise UsageError(f"an upload has at most {_gigabytes(MAX_UPLOAD_BYTES)}; send less")
        mine = [other for other in self._uploads.values() if other.client == upload.client]
        for who, others, most_bytes, most_files in (
            ("you have", mine, MAX_CLIENT_BYTES, MAX_CLIENT_FILES),
            ("this server has", list(self._uploads.values()), MAX_SERVER_BYTES, MAX_SERVER_FILES),
        ):
            if sum(other.size_bytes for other in others) + upload.size_bytes > most_bytes or len(others) >= most_files:
                raise UsageError(
                    f"{who} no room for this upload ({_gigabytes(most_bytes)} and {most_files:,} uploads are kept); "
                    "close pages that are done with, or try again in some hours"
                )


def uploads_folder() -> Path:
    """The folder that all uploads lie in, under the one that Gradio keeps its files in."""
    return Path(get_upload_folder()) / "uploads"


def named_paths(data: object) -> Iterator[object]:
    """The paths of all files that data from a client names, however deep: whatever stands under ``path``."""
    # A list instead of recursion: nesting is the client's to choose.
    waiting = [data]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Mapping):
            if "path" in item:
                yield item["path"]
            waiting.extend(item.values())
        elif isinstance(item, list | tuple):
            waiting.extend(item)


def uploaded(path: object) -> Path:
    """The file behind a path that a client sent; ``UsageError`` unless it is one that was uploaded to this server."""
    if isinstance(path, str) and "\0" not in path:
        file = Path(path).resolve()
        if file.is_relative_to(uploads_folder().resolve()) and file.is_file():
            return file
    raise not_uploaded()


def not_uploaded() -> UsageError:
    """The error for a path that is none of the client's uploads; it does not say whether there is such a file."""
    return UsageError("the file was not uploaded to this server by this session; choose it again")


def uploaded_file(file: object) -> tuple[Path, str]:
    """The path and the name of a file as Gradio hands it to an endpoint; ``UsageError`` if it is no such file."""
    if not isinstance(file, Mapping):
        raise UsageError("no file was given; choose one")
    path = uploaded(file.get("path"))
    name = file.get("orig_name")
    return path, Path(name).name if isinstance(name, str) and name else path.name


@contextmanager
def errors_naming(path: Path, name: str) -> Iterator[None]:
    """Errors within speak of a file by the name that its owner knows, not by where the server keeps it."""
    try:
        yield
    except KnnclipError as error:
        raise type(error)(str(error).replace(f"{path}/", "").replace(str(path), name)) from error


def _gigabytes(size_bytes: int) -> str:
    return f"{size_bytes / 2**30:.0f} GB"
