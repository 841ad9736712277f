"""Where projects lie: each in a folder of its own beside the store, ``STORE.projects/ID/project.sqlite``.

The store's own folder holds nothing but the store. Pictures that belong to a project lie in the project's folder.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from knnclip.datasets.archive import extract_zip
from knnclip.errors import OutputError, StoreError, UsageError
from knnclip.files import path_text
from knnclip.projects.records import ProjectInfo
from knnclip.projects.schema import FILE_NAME, make_database, open_database
from knnclip.store.drafts import draft_folder, sync_folder

PICTURES = "pictures"


def projects_of(store: Path) -> Path:
    """The folder of all projects with a store."""
    return store.with_name(f"{store.name}.projects")


def project_of(store: Path, folder: Path) -> Path:
    """Where the project of a folder lies, or would lie."""
    digest = hashlib.blake2b(os.fsencode(folder), digest_size=8).hexdigest()
    return projects_of(store) / digest


def known_projects(store: Path) -> list[ProjectInfo]:
    """The projects beside a store, the last used first; those that cannot be read are left out."""
    found = []
    for file in projects_of(store).glob(f"[!.]*/{FILE_NAME}"):
        try:
            with closing(open_database(file, read_only=True)) as database, database.read() as connection:
                folder, name, is_own, used = connection.execute(
                    "SELECT folder, name, is_own, used FROM project"
                ).fetchone()
        except StoreError:
            continue
        where = file.parent / PICTURES if is_own else Path(os.fsdecode(folder))
        found.append(ProjectInfo(file, where, name, bool(is_own), used))
    return sorted(found, key=lambda info: (info.used, str(info.file)), reverse=True)


def make_for(store: Path, folder: Path) -> Path:
    """The project's folder of a folder of pictures that is not its own; made where there is none."""
    place = project_of(store, folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"project {place} cannot be made ({error.strerror}); make room there") from error
    make_database(place / FILE_NAME, folder, path_text(folder.name), is_own=False)
    return place


def make_own(store: Path, name: str, files: Sequence[tuple[str, Path]]) -> Path:
    """A project's folder with pictures of its own: files, each with its name, and what zips hold.

    It is there as a whole or not at all. Two files of one name both come, the second numbered. ``InputError`` for a zip
    that cannot be unpacked, ``OutputError`` if there is no room.
    """
    if not files:
        raise UsageError("a project needs at least one file; choose pictures, or a zip of them")
    parent = projects_of(store)
    place = parent / secrets.token_hex(8)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with draft_folder(parent) as draft:
            made = draft / "project"
            pictures = made / PICTURES
            pictures.mkdir(parents=True)
            for given, file in files:
                _take(given, file, pictures, draft)
            make_database(made / FILE_NAME, place / PICTURES, name, is_own=True)
            made.rename(place)
            sync_folder(parent)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"the pictures cannot be copied to {parent} ({reason}); make room there") from error
    return place


def _take(given: str, file: Path, pictures: Path, draft: Path) -> None:
    name = Path(given.replace("\\", "/")).name
    if Path(name).suffix.lower() != ".zip":
        shutil.copyfile(file, _free(pictures / name))
        return
    unpacked = draft / "unpacked"
    unpacked.mkdir()
    extract_zip(file, unpacked).rename(_free(pictures / Path(name).stem))
    shutil.rmtree(unpacked, ignore_errors=True)


def _free(path: Path) -> Path:
    """The path itself, or numbered (``~2``) where something is there."""
    number, tried = 1, path
    while tried.exists():
        number += 1
        tried = path.with_name(f"{path.stem}~{number}{path.suffix}")
    return tried
