"""Accepting a picture: what its answer shows becomes instances of the store, and can be taken back as a whole.

Two databases have a part in it, and a process may be killed between them. An acceptance is noted in the project, then
done in the store in one transaction, then finished in the project; whether one that was left half-way was done, the
store says. Both it and taking it back may be done twice with the same result as once.
"""

from __future__ import annotations

import sqlite3

import numpy as np

from knnclip.analysis import Analysis, LabelledMask
from knnclip.datasets import MIN_AREA_PX, AnnotatedMask, LabelledImage
from knnclip.errors import UsageError
from knnclip.ingest import MAX_INSTANCES_PER_IMAGE, majority, take_turns
from knnclip.projects.labelling import Labelling
from knnclip.projects.maps import laid_over
from knnclip.projects.pictures import Pictures
from knnclip.projects.rows import mark_changed
from knnclip.segmenter import MIN_PURITY, Segmenter
from knnclip.store.database import Database
from knnclip.structures import Segmentation

FORGOTTEN = "it was checked, but somebody has made the store forget what it had learned from it; check it again"


class Acceptance:
    """Checks pictures and takes that back. Several threads may use it."""

    def __init__(
        self, database: Database, segmenter: Segmenter, pictures: Pictures, labelling: Labelling, project: str
    ) -> None:
        """``project`` is a name that tells this project's acts in the store from those of others."""
        self._database = database
        self._segmenter = segmenter
        self._pictures = pictures
        self._labelling = labelling
        self._project = project

    def accept(self, picture_id: int) -> int:
        """See ``Project.accept``."""
        answer = self._labelling.answer(picture_id, full_size=False)
        if answer is None:
            raise UsageError(f"picture {picture_id} has no answer yet; label it before you accept it")
        analysis = self._labelling.analysis(picture_id, by_hand=True)
        content = self._pictures.content(picture_id)
        store, ref = self._segmenter.store, analysis.reference.ref
        instances = self._segmenter.instances_of(analysis, _taught(analysis, answer))
        with self._database.write() as connection:
            if (done := _source_of(connection, content.content_id)) is not None:
                return done
            (digest,) = connection.execute(
                "SELECT digest FROM contents WHERE content_id = ?", (content.content_id,)
            ).fetchone()
            key = f"accept {self._project} {digest.hex()}"
            connection.execute("INSERT OR REPLACE INTO accepting VALUES (?, ?)", (content.content_id, key))
        source = store.begin_source("teach", f"accepted {ref}", key=key)
        if store.finished_images(source):  # of an acceptance that nobody finished: the answer may be another one by now
            store.forget(source_id=source, reason="accepted anew")
            source = store.begin_source("teach", f"accepted {ref}", key=key)
        store.add(instances, source, finished_images=[ref])
        self._finish(content.content_id, source)
        return source

    def unaccept(self, picture_id: int) -> None:
        """See ``Project.unaccept``."""
        content = self._pictures.content(picture_id)
        with self._database.read() as connection:
            source = _source_of(connection, content.content_id)
        if source is None:
            raise UsageError(f"picture {picture_id} is not checked; there is nothing to take back")
        if source in {info.source_id for info in self._segmenter.store.sources()}:
            self._segmenter.store.forget(source_id=source, reason="no longer accepted")
        with self._database.write() as connection:
            connection.execute("DELETE FROM accepted WHERE content_id = ?", (content.content_id,))
            mark_changed(connection, content.content_id)

    def recover(self) -> None:
        """Finishes what a killed process left half-way, and takes back what the store has forgotten since."""
        sources = {info.source_id: info for info in self._segmenter.store.sources()}
        by_key = {info.key: info for info in sources.values()}
        with self._database.read() as connection:
            begun = connection.execute("SELECT content_id, key FROM accepting").fetchall()
            accepted = connection.execute("SELECT content_id, source_id FROM accepted").fetchall()
        for content_id, key in begun:
            if (info := by_key.get(key)) is not None and info.finished_images:
                self._finish(content_id, info.source_id)
            else:
                with self._database.write() as connection:
                    connection.execute("DELETE FROM accepting WHERE content_id = ?", (content_id,))
        for content_id, source_id in accepted:
            if source_id not in sources:
                with self._database.write() as connection:
                    connection.execute("DELETE FROM accepted WHERE content_id = ?", (content_id,))
                    connection.execute("UPDATE pictures SET note = ? WHERE content_id = ?", (FORGOTTEN, content_id))
                    mark_changed(connection, content_id)

    def _finish(self, content_id: int, source_id: int) -> None:
        with self._database.write() as connection:
            connection.execute("INSERT OR REPLACE INTO accepted VALUES (?, ?)", (content_id, source_id))
            connection.execute("DELETE FROM accepting WHERE content_id = ?", (content_id,))
            connection.execute("UPDATE answers SET differs = 0, against = '{}' WHERE content_id = ?", (content_id,))
            connection.execute("UPDATE pictures SET note = NULL WHERE content_id = ?", (content_id,))
            mark_changed(connection, content_id)


def _source_of(connection: sqlite3.Connection, content_id: int) -> int | None:
    found = connection.execute("SELECT source_id FROM accepted WHERE content_id = ?", (content_id,)).fetchone()
    return None if found is None else int(found[0])


def _taught(analysis: Analysis, answer: Segmentation) -> list[LabelledMask]:
    """The named segments of an answer, and the generator's own masks inside them, as an ingest takes them."""
    shown = laid_over(answer, analysis.proposals.shape, ())
    named = [
        AnnotatedMask(segment.mask, segment.class_name)
        for segment in shown.segments
        if segment.class_name is not None and segment.mask.area >= MIN_AREA_PX
    ]
    names = tuple(info.name for info in shown.vocabulary)
    columns = shown.vocabulary.columns(shown.semantic.astype(np.int64)).astype(np.int32)
    labelled = LabelledImage(analysis.image, columns, names, tuple(named))
    masks = [LabelledMask(item.mask, item.class_name) for item in named]
    for mask in analysis.proposals.masks:
        name, purity = majority(mask, labelled)
        if name is not None and purity >= MIN_PURITY:
            masks.append(LabelledMask(mask, name, purity, "proposal"))
    return take_turns(masks, MAX_INSTANCES_PER_IMAGE)
