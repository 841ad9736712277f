"""Answers into the folders of several formats at once, picture by picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from knnclip.datasets import Rejection
from knnclip.errors import ImageError, UsageError, lookup
from knnclip.files import path_text
from knnclip.images import IMAGE_SUFFIXES, encode_png, read_image
from knnclip.output.exports.base import ClassTable, Picture
from knnclip.output.exports.draft import DraftFolder
from knnclip.output.exports.formats import EXPORTS
from knnclip.output.naming import UniqueNames, portable
from knnclip.structures import UNKNOWN, Mask, Segment, Segmentation


@dataclass(frozen=True, eq=False)
class Answered:
    """A picture and what is said of it."""

    image_path: Path  # its file
    size: tuple[int, int]  # (H, W) of the upright picture, in whose pixels the export is
    segmentation: Segmentation  # of this size, or of a reduction of the picture, which is enlarged


class Export:
    """Writes answers as ``OUT/FORMAT/...`` for each of several formats; a context that makes the folders at its end.

    Nothing is under its name before all is written: an error, Ctrl-C or a lost process leaves no half of a data set. A
    picture is in no more than one call's memory.
    """

    def __init__(
        self, out: Path, formats: Sequence[str], *, min_confidence: float = 0.0, copy_pictures: bool = True
    ) -> None:
        """``formats`` are names in ``EXPORTS``; objects of less than ``min_confidence`` in [0, 1] are left out.

        ``copy_pictures``: whether the pictures are copied as well, so that each folder is a data set by itself.
        ``UsageError`` for an unknown format, ``OutputError`` if a folder of one is there already or cannot be made.
        """
        if not 0.0 <= min_confidence <= 1.0:
            raise UsageError(f"a confidence is 0 to 1, found {min_confidence}; give one of these")
        known = {card.name: card for card in EXPORTS}
        self._min_confidence = min_confidence
        self._copy_pictures = copy_pictures
        self._classes = ClassTable()
        self._names = UniqueNames()
        self._number = 0
        self._folders: list[DraftFolder] = []
        self._writers = []
        try:
            for card in [lookup("export format", name, known) for name in dict.fromkeys(formats)]:
                self._folders.append(DraftFolder(out / card.name))
                self._writers.append((card, card.open(self._folders[-1], self._classes)))
        except BaseException:
            self._discard()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                for _, writer in self._writers:
                    writer.finish()
                for folder in self._folders:
                    folder.commit()
        finally:
            self._discard()

    def add(self, answered: Answered) -> None:
        """Writes one picture in all formats.

        ``ImageError`` if its file cannot be read; then nothing of it was written. ``OutputError`` ends the export.
        """
        path, segmentation = answered.image_path, answered.segmentation
        suffix, content = path.suffix.lower(), b""
        if self._copy_pictures:
            try:
                content = path.read_bytes()
            except OSError as error:
                raise ImageError(f"{path}: cannot be read ({error.strerror or error}); check the path") from None
        if suffix not in IMAGE_SUFFIXES:  # readers of folders would not take it for a picture
            suffix = ".png"
            content = encode_png(read_image(path, content=content)) if self._copy_pictures else b""
        self._number += 1
        self._classes.learn(segmentation.vocabulary)
        stem = self._names.of(portable(path))
        objects = tuple(self._chosen(segmentation.segments, answered.size))
        picture = Picture(self._number, stem + suffix, stem, path_text(path), answered.size, objects)
        for card, writer in self._writers:
            if card.pictures is not None and self._copy_pictures:
                writer.folder.write(f"{card.pictures}/{picture.file_name}", content)
            writer.add(picture)

    def _chosen(self, segments: Iterable[Segment], size: tuple[int, int]) -> Iterable[Segment]:
        for segment in segments:
            if segment.class_id != UNKNOWN and segment.confidence >= self._min_confidence:
                yield replace(segment, mask=enlarged(segment.mask, size))

    def _discard(self) -> None:
        for folder in self._folders:
            folder.discard()


def export(
    answers: Iterable[Answered],
    out: Path,
    formats: Sequence[str],
    *,
    min_confidence: float = 0.0,
    copy_pictures: bool = True,
) -> tuple[Rejection, ...]:
    """Writes answers as ``Export`` does, and returns the pictures whose files could not be read."""
    rejected = []
    with Export(out, formats, min_confidence=min_confidence, copy_pictures=copy_pictures) as under_work:
        for answered in answers:
            try:
                under_work.add(answered)
            except ImageError as error:
                rejected.append(Rejection(path_text(answered.image_path), None, str(error)))
    return tuple(rejected)


def enlarged(mask: Mask, size: tuple[int, int]) -> Mask:
    """The mask in a picture of ``(H, W)``: itself, or each pixel taken from where it lies in the smaller picture."""
    if mask.shape == size:
        return mask
    rows, columns = (
        np.minimum((np.arange(wanted) + 0.5) * given / wanted, given - 1).astype(np.int64)
        for wanted, given in zip(size, mask.shape, strict=True)
    )
    return Mask.from_dense(mask.to_dense()[rows][:, columns])
