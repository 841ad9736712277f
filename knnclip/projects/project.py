"""A folder of pictures that is worked on with a store: what is known of each, and every act on one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from knnclip.analysis import Analysis
from knnclip.datasets import Dataset, Rejection
from knnclip.projects.records import (
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
from knnclip.segmenter import Segmenter
from knnclip.structures import Mask, Segmentation

Order = Literal["path", "review", "least-sure", "most-unknown", "newest", "differing"]


class Project:
    """A folder of pictures and how far each is. Several threads may use one; several processes may open the same.

    Every act is one transaction in a database beside the store, ``STORE.projects/ID.sqlite``: on the disk when the
    method returns, or not there at all. ``ProjectError`` (a ``StoreError``) says what could not be done.

    What a page does:

    >>> project = Project.open(segmenter, folder)          # at once, whatever the folder's size
    >>> project.start()                                    # the background answers what is not answered
    >>> for picture in project.pictures(order="path"): ...      # the filmstrip
    >>> project.thumbnail(picture.picture_id)              # JPEG
    >>> others = project.visit(picture.picture_id, "Ann")  # who else is there
    >>> answer = project.label(picture.picture_id)         # the picture under work, by the store as it is now
    >>> segmenter.teach(project.analysis(picture.picture_id), mask, "weed")
    >>> project.start(first=[picture.picture_id])          # apply to all
    >>> changes = project.changed_since(number)            # polled: the filmstrip's news
    >>> project.effects(project.applying.since)            # "weed now also in 14 pictures, 3 checked ones among them"
    >>> project.correct(picture.picture_id, mask, "soil")  # drawn by hand, holds whatever the store says
    >>> project.accept(picture.picture_id)                 # Enter
    >>> project.following(picture.picture_id, "review")    # N
    """

    @classmethod
    def open(cls, segmenter: Segmenter, folder: str | Path) -> Project:
        """The project of a folder with a segmenter's store; it is made if there is none. Nothing is read but names."""
        raise NotImplementedError

    @classmethod
    def of_files(cls, segmenter: Segmenter, name: str, files: Sequence[tuple[str, Path]]) -> Project:
        """A new project with a folder of its own, into which files, each with its name, are copied and zips unpacked."""
        raise NotImplementedError

    @staticmethod
    def known(store: str | Path) -> list[ProjectInfo]:
        """The projects beside a store, the last used first."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the background work and closes the database; the segmenter stays open."""

    # The filmstrip.

    def refresh(self) -> None:
        """Looks at the folder again: new pictures, those that are gone, those that changed. Nothing is read but names."""

    def pictures(
        self, order: Order = "path", *, states: Sequence[State] = (), class_name: str | None = None
    ) -> list[Picture]:
        """The pictures in an order; only those of some ``states``, only those in whose answer a class is.

        Rejected ones come last, in the order of their paths.
        """
        raise NotImplementedError

    def picture(self, picture_id: int) -> Picture:
        """One picture; ``UsageError`` if there is none of this id."""
        raise NotImplementedError

    def following(self, picture_id: int | None, order: Order = "review") -> Picture | None:
        """The next picture to work on after one, that is not checked, round the end; None when all are checked."""
        raise NotImplementedError

    @property
    def standing(self) -> Standing:
        """How far the project is."""
        raise NotImplementedError

    def changed_since(self, number: int) -> Changes:
        """The pictures that anybody changed since a number of the change counter; begin with 0."""
        raise NotImplementedError

    def thumbnail(self, picture_id: int) -> bytes:
        """A JPEG of the picture, at most ``THUMBNAIL_PX`` a side; made when first asked for. ``ImageError``."""
        raise NotImplementedError

    # The picture under work.

    def analysis(self, picture_id: int) -> Analysis:
        """What the parts make of a picture, kept: what ``Segmenter.teach`` and the canvas take.

        It is of the picture reduced to ``LONGEST_PX``; ``ImageError`` if it cannot be read.
        """
        raise NotImplementedError

    def label(self, picture_id: int) -> Segmentation:
        """The answer by the store as it is now, corrections laid over it, in the picture's own pixels; it is kept.

        A checked picture, and one that shows its labels, keeps its answer: that one is returned.
        """
        raise NotImplementedError

    def answer(self, picture_id: int) -> Segmentation | None:
        """The answer that is kept, corrections laid over it, in the picture's own pixels; None while untouched."""
        raise NotImplementedError

    def correct(self, picture_id: int, mask: Mask, class_name: str | None) -> int:
        """Lays a mask over the answer, in the picture's own pixels, and returns its id. None: not an object."""
        raise NotImplementedError

    def withdraw(self, correction_id: int) -> None:
        """Takes a correction away again."""

    def corrections(self, picture_id: int) -> list[Correction]:
        """What was drawn in a picture, by rising id."""
        raise NotImplementedError

    # Review.

    def accept(self, picture_id: int) -> int:
        """Checks a picture: its answer, as it is kept, is stored as instances; returns their source in the store.

        A picture that is checked already stays as it is. ``unaccept`` takes all of it back.
        """
        raise NotImplementedError

    def unaccept(self, picture_id: int) -> None:
        """Takes back that a picture was checked, and what the store learned by it."""

    # Apply to all.

    def start(self, first: Sequence[int] = ()) -> None:
        """Has the background relabel every picture whose answer is not of the store as it is now.

        ``first`` go first, then the picture visited last, then the order of review. Runs until all are done or ``stop``.
        """

    def ask(self, picture_id: int) -> None:
        """Has a picture go next, before all others that wait."""

    def stop(self) -> None:
        """Ends the background work after the picture under work."""

    @property
    def applying(self) -> Applying:
        """How far the background work is."""
        raise NotImplementedError

    def effects(self, since: int) -> list[Effect]:
        """What relabelling since a number of the change counter has done, the class that gained most pictures first."""
        raise NotImplementedError

    # People.

    def visit(self, picture_id: int, person: str) -> tuple[str, ...]:
        """Says that somebody is at a picture, again every few seconds, and returns who else is there now."""
        raise NotImplementedError

    def leave(self, person: str) -> None:
        """Says that somebody is at no picture any more; where they were is remembered."""

    def present(self) -> dict[str, int]:
        """Who is at which picture now."""
        raise NotImplementedError

    def last_visited(self, person: str | None = None) -> Picture | None:
        """Where somebody was last; without a name where anybody was."""
        raise NotImplementedError

    def keys(self) -> dict[int, str]:
        """Digit -> class. Digits that were not bound have the classes of the store that have none, by their names."""
        raise NotImplementedError

    def bind(self, digit: int, class_name: str | None) -> None:
        """Binds a digit key, 0 to 9, to a class, or frees it."""

    # In and out.

    def adopt(self, dataset: Dataset) -> tuple[Rejection, ...]:
        """Takes a data set's labels of these pictures for their answers, to be checked; returns what cannot be read."""
        raise NotImplementedError

    def answers(self, states: Sequence[State] = ("checked",), least_confidence: float = 0.0) -> Iterator[Answered]:
        """Pictures of some states with their answers, for exports, in the order of their paths.

        ``least_confidence``: only those whose ``Summary.least_confidence`` is at least that.
        """
        raise NotImplementedError
