"""Answers of a project's pictures: made, kept, compared with what stands, and corrected by hand."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import numpy as np

from knnclip.analysis import Analysis
from knnclip.datasets import Dataset, Sample
from knnclip.errors import InputError, UsageError
from knnclip.images import reduce_image
from knnclip.projects.kept import KeptAnalyses
from knnclip.projects.maps import (
    MIN_GAIN,
    differing,
    gains,
    kept,
    kept_labels,
    laid_over,
    restored,
    semantic_of,
)
from knnclip.projects.pictures import Content, Pictures
from knnclip.projects.records import Correction, Maker, Summary
from knnclip.projects.review import descriptor, novelty
from knnclip.projects.rows import (
    AnswerRow,
    mark_changed,
    read_answer,
    read_corrections,
    read_picture,
    write_answer,
    write_opinion,
    write_summary,
)
from knnclip.segmenter import Segmenter
from knnclip.store.database import Database
from knnclip.structures import UNKNOWN, Mask, Segmentation

LONGEST_PX = 1600
"""Pictures are reduced to this before they are analysed: what is larger is answered no better, only later. Answers come
back in the picture's own pixels."""


class Labelling:
    """The answers of the pictures of a project. Several threads may use it."""

    def __init__(self, database: Database, segmenter: Segmenter, pictures: Pictures, dataset: Dataset | None) -> None:
        """``dataset``: the labels of the pictures, which are their answers until a person has checked them."""
        self._database = database
        self._segmenter = segmenter
        self._pictures = pictures
        self._dataset = dataset
        self._samples: Mapping[str, Sample] = {}
        if dataset is not None:
            self._samples = {str(sample.image_path): sample for sample in dataset.samples}
        self._analyses = KeptAnalyses()

    def analysis(self, picture_id: int, *, by_hand: bool) -> Analysis:
        """What the parts make of a picture, kept in memory while there is room; see ``KeptAnalyses.put``."""
        content = self._pictures.content(picture_id)
        found = self._analyses.get(content.content_id)
        if found is None:
            content, image = self._pictures.image(picture_id)
            with self._database.read() as connection:
                ref = self._pictures.ref(read_picture(connection, picture_id))
            found = self._segmenter.analyse(reduce_image(image, LONGEST_PX), ref=ref)
            self._analyses.put(content.content_id, found, by_hand=by_hand)
        return found

    def label(self, picture_id: int, *, by_hand: bool, full_size: bool = False) -> Segmentation:
        """The answer by the store as it is now, kept; the one that stands where it was checked or labelled.

        Corrections lie over it; it is of the size of the analysis, or with ``full_size`` of the picture's own.
        """
        analysis = self.analysis(picture_id, by_hand=by_hand)
        content = self._pictures.content(picture_id)
        with self._segmenter.store.view() as view:
            fresh = self._segmenter.label(analysis, view)
            generation = view.generation
        self._describe(content, analysis, fresh)
        row = self._row(picture_id, content)
        stands = row is not None and (row.made_by == "labels" or self._is_checked(content))
        if row is not None and stands:
            return self._compared(content, row, fresh, generation, full_size=full_size)
        corrections = self._corrections(content)
        gained = {} if row is None else gains(semantic_of(row.answer, fresh.vocabulary), fresh)
        shown = laid_over(fresh, fresh.shape, corrections)
        with self._database.write() as connection:
            if not self._is_checked(content, connection):  # by somebody else, meanwhile
                number = mark_changed(connection, content.content_id)
                summary = summarise(shown, generation, "store")
                write_answer(connection, content.content_id, kept(fresh), summary, gained, number)
        return laid_over(fresh, content.size_px, corrections) if full_size else shown

    def answer(self, picture_id: int, *, full_size: bool) -> Segmentation | None:
        """The answer that is kept, corrections over it, in the picture's own pixels or as it was made."""
        content = self._pictures.content(picture_id)
        with self._database.read() as connection:
            row = read_answer(connection, content.content_id)
        if row is None:
            return None
        answer = self._restored(row, with_evidence=True)
        return laid_over(answer, content.size_px if full_size else answer.shape, self._corrections(content))

    def corrections(self, picture_id: int) -> list[Correction]:
        """What was drawn over a picture, by rising id."""
        return self._corrections(self._pictures.content(picture_id))

    def correct(self, picture_id: int, mask: Mask, class_name: str | None) -> int:
        """Keeps a mask as it was drawn; see ``Project.correct``."""
        content = self._pictures.content(picture_id)
        if mask.shape != content.size_px:
            raise UsageError(
                f"the mask is for {mask.shape[1]}x{mask.shape[0]} px, the picture has "
                f"{content.size_px[1]}x{content.size_px[0]} px; draw it in the picture's own pixels"
            )
        store = self._segmenter.store
        if class_name is not None and store.vocabulary().find(class_name) is None:
            store.add_class(class_name)
        with self._database.write() as connection:
            self._check_open(content, connection)
            (number,) = connection.execute(
                "INSERT INTO corrections (content_id, class_name, x0, y0, x1, y1, rle) VALUES (?, ?, ?, ?, ?, ?, ?) "
                "RETURNING correction_id",
                (content.content_id, class_name, *mask.box_xyxy, mask.encode()),
            ).fetchone()
            self._count_again(content, connection)
        return int(number)

    def withdraw(self, picture_id: int, correction_id: int) -> None:
        """Takes a correction of a picture away; ``UsageError`` if it has none of this id."""
        content = self._pictures.content(picture_id)
        with self._database.write() as connection:
            self._check_open(content, connection)
            done = connection.execute(
                "DELETE FROM corrections WHERE correction_id = ? AND content_id = ?",
                (correction_id, content.content_id),
            )
            if not done.rowcount:
                raise UsageError(f"picture {picture_id} has no correction {correction_id}; ask for its corrections")
            self._count_again(content, connection)

    def _compared(
        self, content: Content, row: AnswerRow, fresh: Segmentation, generation: int, *, full_size: bool
    ) -> Segmentation:
        """The answer that stands, with what the store says against it noted."""
        bare, corrections = self._restored(row, with_evidence=True), self._corrections(content)
        standing = laid_over(bare, bare.shape, corrections)
        against = gains(standing.semantic, fresh)
        gained = {
            name: share - row.against.get(name, 0.0)
            for name, share in against.items()
            # Labels that were never compared: what the store says of them was not brought by a teaching.
            if row.generation and share - row.against.get(name, 0.0) >= MIN_GAIN
        }
        with self._database.write() as connection:
            number = mark_changed(connection, content.content_id)
            differs = differing(standing, fresh)
            write_opinion(connection, content.content_id, generation, differs, against, gained, number)
        return laid_over(bare, content.size_px, corrections) if full_size else standing

    def _row(self, picture_id: int, content: Content) -> AnswerRow | None:
        """The answer that is kept; labels that were not read yet become it."""
        with self._database.read() as connection:
            row = read_answer(connection, content.content_id)
            path = str(self._pictures.file(read_picture(connection, picture_id)))
        if row is not None or self._dataset is None or path not in self._samples:
            return row
        try:
            labels = kept_labels(self._dataset.load(self._samples[path]))
        except InputError as error:
            note = f"its labels cannot be used: {error}"
            with self._database.write() as connection:
                connection.execute("UPDATE pictures SET note = ? WHERE picture_id = ?", (note, picture_id))
            return None
        shown = restored(labels, self._segmenter.store.vocabulary(), {})
        with self._database.write() as connection:
            number = mark_changed(connection, content.content_id)
            write_answer(connection, content.content_id, labels, summarise(shown, 0, "labels"), {}, number)
        return AnswerRow(labels, "labels", 0, {})

    def _restored(self, row: AnswerRow, *, with_evidence: bool) -> Segmentation:
        store = self._segmenter.store
        ids = [item.nearest[0] for item in row.answer.segments if item.nearest is not None]
        return restored(row.answer, store.vocabulary(), store.evidence(ids) if with_evidence else {})

    def _corrections(self, content: Content) -> list[Correction]:
        with self._database.read() as connection:
            return read_corrections(connection, content.content_id, content.size_px)

    def _describe(self, content: Content, analysis: Analysis, answer: Segmentation) -> None:
        areas = np.array([mask.area for mask in analysis.proposals.masks], dtype=np.int64)
        vector = descriptor(analysis.embeddings, areas).astype(np.float16).tobytes()
        with self._database.write() as connection:
            connection.execute(
                "UPDATE contents SET descriptor = ?, novelty = ? WHERE content_id = ?",
                (vector, novelty(answer), content.content_id),
            )

    def _count_again(self, content: Content, connection: sqlite3.Connection) -> None:
        """The numbers of an answer whose corrections changed."""
        mark_changed(connection, content.content_id)
        row = read_answer(connection, content.content_id)
        if row is None:
            return
        answer = self._restored(row, with_evidence=False)
        corrections = read_corrections(connection, content.content_id, content.size_px)
        summary = summarise(laid_over(answer, answer.shape, corrections), 0, row.made_by)
        write_summary(connection, content.content_id, summary)

    def _is_checked(self, content: Content, connection: sqlite3.Connection | None = None) -> bool:
        if connection is None:
            with self._database.read() as connection:
                return self._is_checked(content, connection)
        query = "SELECT 1 FROM accepted WHERE content_id = ?"
        return connection.execute(query, (content.content_id,)).fetchone() is not None

    def _check_open(self, content: Content, connection: sqlite3.Connection) -> None:
        if self._is_checked(content, connection):
            raise UsageError("the picture is checked; take that back before you draw in it")


def summarise(answer: Segmentation, generation: int, made_by: Maker, differs: float = 0.0) -> Summary:
    """An answer in numbers."""
    named = [segment for segment in answer.segments if segment.class_id != UNKNOWN]
    ids, counts = np.unique(answer.semantic, return_counts=True)
    shares = dict(zip(ids.tolist(), (counts / answer.semantic.size).tolist(), strict=True))
    return Summary(
        generation=generation,
        made_by=made_by,
        unknown=shares.pop(UNKNOWN, 0.0),
        confidence=float(answer.confidence.mean()),
        least_confidence=min((segment.confidence for segment in named), default=1.0),
        areas={answer.vocabulary.by_id(class_id).name: share for class_id, share in shares.items()},
        differs=differs,
    )
