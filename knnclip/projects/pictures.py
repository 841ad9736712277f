"""The files of a project: which there are, what is in them, and whether they are still what they were."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from knnclip.errors import ImageError
from knnclip.files import path_text
from knnclip.images import encode_jpeg, read_image
from knnclip.projects.listing import gone, list_named, list_pictures, signature
from knnclip.projects.records import Picture
from knnclip.projects.rows import merge_listing, next_change, read_picture
from knnclip.store.database import Database
from knnclip.structures import Image

THUMBNAIL_PX = 256
"""Longest side of a picture in a filmstrip: sharp where it is shown at half the size, some 10 kB."""

MAX_FILE_BYTES = 2**30
"""Larger than any picture that is decoded; a file is read as a whole, to know it by its hash."""

CHANGED = "the file has changed on the disk; what was known of the former picture is kept, should it come back"


@dataclass(frozen=True)
class Content:
    """What a file holds: pictures of one content have all in common."""

    content_id: int
    size_px: tuple[int, int]  # (H, W)


class Pictures:
    """The pictures of a folder, read when they are first needed and again when they changed."""

    def __init__(self, database: Database, folder: Path, named: Sequence[Path] | None) -> None:
        """``named``: the only files that are meant, all pictures in the folder and below if None."""
        self._database = database
        self._named = named
        self.folder = folder

    def refresh(self) -> None:
        """Looks at the folder again; reads what was read before and has changed. ``StoreError`` if it is not there."""
        found = list_pictures(self.folder) if self._named is None else list_named(self.folder, self._named)
        with self._database.write() as connection:
            changed = merge_listing(connection, found)
        for picture_id in changed:
            try:
                self.content(picture_id)
            except ImageError:
                continue  # the picture says so

    def file(self, picture: Picture) -> Path:
        """Where a picture lies."""
        return self.folder / picture.path

    def ref(self, picture: Picture) -> str:
        """The name under which a store remembers a picture."""
        return path_text(self.file(picture))

    def content(self, picture_id: int) -> Content:
        """What a file holds now; ``ImageError`` if it cannot be read, ``StoreError`` if the folder is gone."""
        return self._current(picture_id)[0]

    def image(self, picture_id: int) -> tuple[Content, Image]:
        """The same with its pixels, ``(H, W, 3)``."""
        content, image = self._current(picture_id)
        if image is None:
            content, image = self._read(picture_id)
        return content, image

    def thumbnail(self, picture_id: int) -> bytes:
        """The JPEG of a picture; ``ImageError``."""
        content = self.content(picture_id)
        with self._database.read() as connection:
            (found,) = connection.execute(
                "SELECT thumbnail FROM contents WHERE content_id = ?", (content.content_id,)
            ).fetchone()
        return bytes(found)

    def _current(self, picture_id: int) -> tuple[Content, Image | None]:
        """The content, with its pixels where the file had to be read for it."""
        with self._database.read() as connection:
            picture = read_picture(connection, picture_id)
            known, content_id = connection.execute(
                "SELECT signature, content_id FROM pictures WHERE picture_id = ?", (picture_id,)
            ).fetchone()
        if content_id is not None and picture.size_px is not None and signature(self.file(picture)) == known:
            return Content(content_id, picture.size_px), None
        return self._read(picture_id)

    def _read(self, picture_id: int) -> tuple[Content, Image]:
        with self._database.read() as connection:
            picture = read_picture(connection, picture_id)
        file = self.file(picture)
        # Before it is read: who writes meanwhile is noticed the next time.
        sign = signature(file)
        try:
            held = _bytes_of(file)
            image = read_image(path_text(file), content=held)
        except ImageError as error:
            if not self.folder.is_dir():
                raise gone(self.folder, "it is not there") from None
            self._reject(picture_id, sign, str(error))
            raise
        return self._known(picture, sign or "", hashlib.sha256(held).digest(), image), image

    def _reject(self, picture_id: int, sign: str | None, reason: str) -> None:
        with self._database.write() as connection:
            connection.execute(
                "UPDATE pictures SET signature = ?, content_id = NULL, rejected = ?, is_gone = ?, changed = ? "
                "WHERE picture_id = ?",
                (sign or "", reason, sign is None, next_change(connection), picture_id),
            )

    def _content_of(self, digest: bytes) -> Content | None:
        with self._database.read() as connection:
            found = connection.execute(
                "SELECT content_id, height_px, width_px FROM contents WHERE digest = ?", (digest,)
            ).fetchone()
        return None if found is None else Content(found[0], (found[1], found[2]))

    def _known(self, picture: Picture, sign: str, digest: bytes, image: Image) -> Content:
        size = (int(image.shape[0]), int(image.shape[1]))
        if self._database.read_only and (known := self._content_of(digest)) is not None:
            return known
        thumbnail = encode_jpeg(image, THUMBNAIL_PX)
        with self._database.write() as connection:
            found = connection.execute("SELECT content_id FROM contents WHERE digest = ?", (digest,)).fetchone()
            if found is None:
                found = connection.execute(
                    "INSERT INTO contents (digest, height_px, width_px, thumbnail) VALUES (?, ?, ?, ?) "
                    "RETURNING content_id",
                    (digest, *size, thumbnail),
                ).fetchone()
            (content_id,) = found
            (before,) = connection.execute(
                "SELECT content_id FROM pictures WHERE picture_id = ?", (picture.picture_id,)
            ).fetchone()
            note = CHANGED if before not in (None, content_id) else picture.note
            connection.execute(
                "UPDATE pictures SET signature = ?, content_id = ?, rejected = NULL, note = ?, is_gone = 0, "
                "changed = ? WHERE picture_id = ?",
                (sign, content_id, note, next_change(connection), picture.picture_id),
            )
        return Content(content_id, size)


def _bytes_of(file: Path) -> bytes:
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise ImageError(f"{path_text(file)}: has more than {MAX_FILE_BYTES:,} bytes; save it smaller")
        return file.read_bytes()
    except OSError as error:
        raise ImageError(f"{path_text(file)}: cannot be opened ({error.strerror or error}); check the path") from None
