"""The one place where a path that came from a browser becomes a path that may be opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gradio.utils import get_upload_folder

from knnclip.errors import KnnclipError, UsageError


def uploaded(path: object) -> Path:
    """The file behind a path that a browser sent; ``UsageError`` unless it is one that was uploaded to this server."""
    if isinstance(path, str) and "\0" not in path:
        file = Path(path).resolve()
        if file.is_relative_to(Path(get_upload_folder()).resolve()) and file.is_file():
            return file
    raise UsageError("the file was not uploaded to this server; choose it again")


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
