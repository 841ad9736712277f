"""A folder of pictures that is worked on with a store: what is known of each, and every act on one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from knnclip.analysis import Analysis
from knnclip.datasets import open_dataset
from knnclip.errors import ImageError, StoreError, UsageError
from knnclip.ingest import IngestSettings, add_classes
from knnclip.progress import SILENT, Progress
from knnclip.projects.acceptance import Acceptance
from knnclip.projects.labelling import Labelling
from knnclip.projects.listing import gone, natural
from knnclip.projects.orders import Order, arranged
from knnclip.projects.people import People
from knnclip.projects.pictures import Pictures
from knnclip.projects.places import PICTURES, known_projects, make_for, make_own, project_of
from knnclip.projects.records import (
    STATES,
    Answered,
    Applying,
    Changes,
    Correction,
    Effect,
    Picture,
    ProjectInfo,
    Standing,
    State,
)
from knnclip.projects.rows import read_descriptors, read_gains, read_picture, read_pictures
from knnclip.projects.schema import FILE_NAME, open_database
from knnclip.projects.worker import Worker
from knnclip.segmenter import Segmenter
from knnclip.structures import Image, Mask, Segmentation


class Project:
    """A folder of pictures and how far each is. Several threads may use one; several processes may open the same.

    Every act is one transaction in a database beside the store, ``STORE.projects/ID/project.sqlite``: on the disk when
    the method returns, or not there at all. ``StoreError`` says what could not be done, and that the folder is not
    there. With a segmenter that has a ``cache`` no picture is encoded twice.

    >>> from knnclip import Segmenter
    >>> from knnclip.projects import Project
    >>> segmenter = Segmenter.open("my-store")
    >>> project = Project.open(segmenter, ".")  # at once, whatever the folder's size: only names are read
    >>> next_street, street = project.pictures()  # the filmstrip
    >>> project.start()  # the background answers all; changed_since() tells the filmstrip what is new
    >>> project.wait()
    >>> others = project.visit(street.picture_id, "Ann")  # who else is there
    >>> source = segmenter.teach(project.analysis(street.picture_id), (114, 165, 190, 225), "traffic cone")
    >>> answer = project.label(street.picture_id)  # the picture under work, by the store as it is now
    >>> project.start()  # apply to all, and what that did elsewhere
    >>> project.wait()
    >>> [effect.class_name for effect in project.effects(project.applying.since)]
    ['traffic cone']
    >>> source = project.accept(street.picture_id)  # checked: its answer is stored as instances
    >>> project.standing.checked, project.standing.pictures
    (1, 2)
    >>> project.following(street.picture_id, "review").path  # where most is to be learned
    'next-street.jpg'
    >>> project.unaccept(street.picture_id)
    >>> project.close()
    >>> segmenter.close()
    """

    def __init__(self, segmenter: Segmenter, place: Path, *, read_only: bool = False) -> None:
        """Use ``Project.open``, ``Project.of_files`` or ``Project.again``."""
        self.segmenter = segmenter
        self.is_read_only = read_only
        self.file = place / FILE_NAME
        self._database = open_database(self.file, read_only=read_only)
        try:
            with self._database.read() as connection:
                folder, is_own, self.name, labels = connection.execute(
                    "SELECT folder, is_own, name, labels FROM project"
                ).fetchone()
            self.folder = place / PICTURES if is_own else Path(os.fsdecode(folder))
            if not self.folder.is_dir():
                raise gone(self.folder, "it is not there")
            self.dataset = None if labels is None else open_dataset(self.folder, labels)
            named = None if self.dataset is None else [sample.image_path for sample in self.dataset.samples]
            self._pictures = Pictures(self._database, self.folder, named)
            self._labelling = Labelling(self._database, segmenter, self._pictures, self.dataset)
            self._acceptance = Acceptance(self._database, segmenter, self._pictures, self._labelling, place.name)
            self._people = People(self._database, segmenter.store)
            self._worker = Worker(self._answer_in_background)
            if not read_only:
                self._acceptance.recover()
                self._pictures.refresh()
                self._people.note_use()
        except BaseException:
            self._database.close()
            raise

    @classmethod
    def open(
        cls, segmenter: Segmenter, folder: str | Path, *, labels: str | None = None, read_only: bool = False
    ) -> Project:
        """The project of a folder with a segmenter's store; it is made if there is none. Only names are read.

        ``labels`` is the format of a labelled folder, as ``open_dataset`` takes it, or ``auto``: the labels are then
        the pictures' answers until a person has checked them, and the store gets its classes. It is remembered.
        ``read_only`` changes nothing, and opens what is there.
        """
        folder = Path(folder).resolve()
        if read_only:
            return cls(segmenter, project_of(segmenter.store.path, folder), read_only=True)
        if not folder.is_dir():
            raise gone(folder, "it is no folder")
        if labels is not None:
            dataset = open_dataset(folder, labels)
            add_classes(segmenter, dataset, IngestSettings())
            labels = dataset.format
        place = make_for(segmenter.store.path, folder)
        if labels is not None:
            database = open_database(place / FILE_NAME, read_only=False)
            try:
                with database.write() as connection:
                    connection.execute("UPDATE project SET labels = ?", (labels,))
            finally:
                database.close()
        return cls(segmenter, place)

    @classmethod
    def of_files(cls, segmenter: Segmenter, name: str, files: Sequence[tuple[str, Path]]) -> Project:
        """A new project with pictures of its own: files, each with its name, are copied and zips unpacked."""
        return cls(segmenter, make_own(segmenter.store.path, name, files))

    @classmethod
    def again(cls, segmenter: Segmenter, info: ProjectInfo, *, read_only: bool = False) -> Project:
        """Opens a project that ``known`` listed."""
        return cls(segmenter, info.file.parent, read_only=read_only)

    @staticmethod
    def known(store: str | Path) -> list[ProjectInfo]:
        """The projects beside a store, the last used first."""
        return known_projects(Path(store).absolute())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the background work and closes the database; the segmenter stays open."""
        self._worker.stop()
        self._database.close()

    # The filmstrip.

    def refresh(self) -> None:
        """Looks at the folder again: new pictures, those that are gone, those that changed."""
        self._pictures.refresh()

    def pictures(
        self, order: Order = "path", *, states: Sequence[State] = STATES, class_name: str | None = None
    ) -> list[Picture]:
        """The pictures in an order, only those of some ``states``, only those in whose answer a class is.

        ``review`` is where most is to be learned: far from everything stored, unknown, and unlike what is checked and
        what goes before; in a labelled folder what differs most from the store's opinion. Rejected ones come last.
        """
        with self._database.read() as connection:
            found = read_pictures(connection)
            contents = read_descriptors(connection) if order == "review" else {}
        if class_name is not None:
            found = [item for item in found if item.summary is not None and class_name in item.summary.areas]
        is_labelled = self.dataset is not None
        return arranged([item for item in found if item.state in states], order, contents, is_labelled=is_labelled)

    def picture(self, picture_id: int) -> Picture:
        """One picture; ``UsageError`` if there is none of this id."""
        with self._database.read() as connection:
            return read_picture(connection, picture_id)

    def following(self, picture_id: int | None, order: Order = "review") -> Picture | None:
        """The next picture to work on after one, that is not checked; None when all are checked.

        In the order of review that is the first but this one, since the order changes with what is checked; in others
        the next one, round the end.
        """
        ordered = [item for item in self.pictures(order) if item.is_usable]
        at = next((at for at, item in enumerate(ordered) if item.picture_id == picture_id), -1)
        turned = ordered[:at] + ordered[at + 1 :] if order == "review" else ordered[at + 1 :] + ordered[: max(at, 0)]
        return next((item for item in turned if item.state != "checked"), None)

    @property
    def standing(self) -> Standing:
        """How far the project is."""
        with self._database.read() as connection:
            found = read_pictures(connection)
        counts = Counter(item.state for item in found if item.is_usable)
        return Standing(counts.total(), {state: counts[state] for state in STATES}, len(found) - counts.total())

    @property
    def change_number(self) -> int:
        """The change counter: how many acts the project has had."""
        with self._database.read() as connection:
            (number,) = connection.execute("SELECT changes FROM project").fetchone()
        return int(number)

    def changed_since(self, number: int) -> Changes:
        """The pictures that anybody changed since a number of the change counter; begin with 0."""
        with self._database.read() as connection:
            (newest,) = connection.execute("SELECT changes FROM project").fetchone()
            found = read_pictures(connection, "p.changed > ?", number)
        return Changes(newest, tuple(sorted(found, key=lambda item: natural(item.path))))

    def thumbnail(self, picture_id: int) -> bytes:
        """A JPEG of the picture, its longest side at most 256 px; made when first asked for. ``ImageError``."""
        return self._pictures.thumbnail(picture_id)

    # The picture under work.

    def analysis(self, picture_id: int) -> Analysis:
        """What the parts make of a picture, kept: what ``Segmenter.teach`` takes.

        It is of the picture reduced to ``labelling.LONGEST_PX``; ``maps.resize_mask`` takes masks there and back.
        ``ImageError`` if it cannot be read.
        """
        return self._labelling.analysis(picture_id, by_hand=True)

    def image(self, picture_id: int) -> Image:
        """The picture itself, ``(H, W, 3)`` upright; ``ImageError`` if it cannot be read."""
        return self._pictures.image(picture_id)[1]

    def label(self, picture_id: int, *, full_size: bool = False) -> Segmentation:
        """The answer by the store as it is now, corrections over it; it is kept.

        It has the size of the analysis, or with ``full_size`` the picture's own. A checked picture, and one that shows
        its labels, keeps its answer: that one is returned, and what the store says against it is noted in
        ``Summary.differs``. A project that is ``read_only`` keeps what it has; ``UsageError`` if that is nothing.
        """
        if self.is_read_only:
            kept = self._labelling.answer(picture_id, full_size=full_size)
            if kept is None:
                raise UsageError(f"picture {picture_id} was never answered, and nothing is to be changed here")
            return kept
        return self._labelling.label(picture_id, by_hand=True, full_size=full_size)

    def answer(self, picture_id: int) -> Segmentation | None:
        """The answer that is kept, corrections over it, in the picture's own pixels; None while untouched.

        Its segments have the nearest stored instance for evidence, and no scores.
        """
        return self._labelling.answer(picture_id, full_size=True)

    def correct(self, picture_id: int, mask: Mask, class_name: str | None) -> int:
        """Lays a mask over the answer, in the picture's own pixels, and returns its id.

        It holds whatever the store says. ``class_name`` is None for what is not an object, or not known; a class that
        the store has not is made. ``UsageError`` if the picture is checked.
        """
        return self._labelling.correct(picture_id, mask, class_name)

    def withdraw(self, picture_id: int, correction_id: int) -> None:
        """Takes a correction away again; ``UsageError`` if the picture is checked or has no such correction."""
        self._labelling.withdraw(picture_id, correction_id)

    def corrections(self, picture_id: int) -> list[Correction]:
        """What was drawn in a picture, by rising id."""
        return self._labelling.corrections(picture_id)

    # Review.

    def accept(self, picture_id: int) -> int:
        """Checks a picture: its answer, as it is kept, is stored as instances; returns their source in the store.

        A picture that is checked already stays as it is. ``UsageError`` if it has no answer.
        """
        return self._acceptance.accept(picture_id)

    def unaccept(self, picture_id: int) -> None:
        """Takes back that a picture was checked, and what the store learned by it; ``UsageError`` if it is not."""
        self._acceptance.unaccept(picture_id)

    # Apply to all.

    def start(self, first: Sequence[int] = (), progress: Progress = SILENT) -> None:
        """Has the background answer every picture anew whose answer is not of the store as it is now.

        ``first`` go first, then the picture visited last, then the rest in the order of review. A run under way ends.
        """
        generation = self.segmenter.store.generation
        stale = [
            item.picture_id
            for item in self.pictures("review")
            if item.is_usable and (item.summary is None or item.summary.generation != generation)
        ]
        visited = self._people.last_visited(None)
        waiting = set(stale)
        ahead = [item for item in (*first, visited) if item is not None and item in waiting]
        self._worker.start([*ahead, *stale], self.change_number, progress)

    def ask(self, picture_id: int) -> None:
        """Has a picture go next, before all others that wait."""
        self._worker.ask(picture_id)

    def stop(self) -> None:
        """Ends the background work; returns when the picture under work is done."""
        self._worker.stop()

    def wait(self) -> None:
        """Returns when the background work is done; ``StoreError`` if it ended before its end."""
        self._worker.join()
        if (error := self.applying.error) is not None:
            raise StoreError(error)

    @property
    def applying(self) -> Applying:
        """How far the background work is."""
        return self._worker.state

    def effects(self, since: int) -> list[Effect]:
        """What relabelling since a number of the change counter did, the class that came to most pictures first.

        Of a picture that was relabelled several times since, the last time counts.
        """
        with self._database.read() as connection:
            rows = read_gains(connection, since)
        by_class: dict[str, tuple[list[int], list[int]]] = {}
        for picture_id, gained, is_checked in rows:
            for name in gained:
                everywhere, checked = by_class.setdefault(name, ([], []))
                everywhere.append(picture_id)
                if is_checked:
                    checked.append(picture_id)
        found = [Effect(name, tuple(everywhere), tuple(checked)) for name, (everywhere, checked) in by_class.items()]
        return sorted(found, key=lambda effect: (-len(effect.pictures), effect.class_name))

    # People.

    def visit(self, picture_id: int, person: str) -> tuple[str, ...]:
        """Says that somebody is at a picture, again at least every 10 s, and returns who else is there now."""
        self.picture(picture_id)
        return self._people.visit(picture_id, person)

    def leave(self, person: str) -> None:
        """Says that somebody is at no picture any more; where they were is remembered."""
        self._people.leave(person)

    def present(self) -> dict[str, int]:
        """Who is at which picture now."""
        return self._people.present()

    def last_visited(self, person: str | None = None) -> Picture | None:
        """Where somebody was last; without a name where anybody was."""
        found = self._people.last_visited(person)
        return None if found is None else self.picture(found)

    def keys(self) -> dict[int, str]:
        """Digit -> class, from 1 to 0. Digits that were not bound have the classes that have none, by their names."""
        return self._people.keys()

    def bind(self, digit: int, class_name: str | None) -> None:
        """Binds a digit key, 0 to 9, to a class of the store, or frees it; ``UsageError`` for others."""
        self._people.bind(digit, class_name)

    # Out.

    def answers(self, states: Sequence[State] = ("checked",), least_confidence: float = 0.0) -> Iterator[Answered]:
        """Pictures of some states with their answers, for exports, in the order of their paths.

        ``least_confidence``: only those whose ``Summary.least_confidence`` is at least that. What cannot be read any
        more is left out.
        """
        for picture in self.pictures(states=states):
            if not picture.is_usable or picture.summary is None:
                continue
            if picture.summary.least_confidence < least_confidence:
                continue
            with suppress(ImageError):
                if (answer := self.answer(picture.picture_id)) is not None:
                    yield Answered(self._pictures.file(picture), picture, answer)

    def _answer_in_background(self, picture_id: int) -> None:
        self._labelling.label(picture_id, by_hand=False)
