"""What other programs may ask of a store, whatever they speak: the acts, and the rules that hold for all of them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path

from knnclip.analysis import Analysis
from knnclip.history import History
from knnclip.images import read_image
from knnclip.segmenter import Segmenter
from knnclip.service.limits import Limits, Places
from knnclip.service.pictures import DEFAULT_NAME, KeptPicture, Pictures
from knnclip.service.refusals import RefusedError, refused_as
from knnclip.store import SourceInfo
from knnclip.structures import Box, Image, Mask, Segmentation
from knnclip.vocabulary import ClassInfo, check_name

MAX_HISTORIES = 1000
"""Clients whose acts can be undone; of the one that was here longest ago they cannot any more. One has some kB, or what
was superseded by its teachings."""


class Engine:
    """A segmenter for many clients at once: the acts that read go side by side, those that write one by one."""

    def __init__(self, segmenter: Segmenter, *, limits: Limits, read_only: str | None = None) -> None:
        """Over a segmenter that stays the caller's; ``read_only`` is why nothing may be written, if that is so."""
        self.segmenter = segmenter
        self.limits = limits
        self.read_only = read_only
        self.pictures = Pictures()
        self._places = Places(limits.at_once)
        self._writing = threading.RLock()
        self._histories: OrderedDict[str, History] = OrderedDict()
        self._closing = ExitStack()

    def before_close(self, act: Callable[[], None]) -> None:
        """Has something done when the engine is closed."""
        self._closing.callback(act)

    def close(self) -> None:
        """Ends what works for it, before its segmenter is closed."""
        self._closing.close()

    def take(self, content: bytes, name: str) -> KeptPicture:
        """The picture in a file's bytes, cut and encoded; ``ImageError`` if it is none or too large."""
        image = read_image(name or DEFAULT_NAME, max_pixels=self.limits.picture_px, content=content)
        return self.pictures.take(image, name, self._analyse)

    def answer(self, picture: KeptPicture) -> tuple[int, Segmentation]:
        """The answer by the store as it is now, and the generation that it is of."""
        with self.working(), self.segmenter.store.view() as view:
            return view.generation, self.segmenter.label(picture.analysis, view)

    def teach(self, picture: KeptPicture, mask: Mask | Box, class_name: str, client: str) -> int:
        """Teaches a mask of a picture, to be undone by this client, and returns the source."""
        check_name(class_name)
        with self.working(), self.writing():
            return self._history(client).teach(self.segmenter, picture.analysis, mask, class_name.strip())

    def undo(self, client: str) -> str:
        """Takes back what a client taught last, and returns what that was."""
        with self.writing(), refused_as(HTTPStatus.CONFLICT):
            return self._history(client).undo()

    def redo(self, client: str) -> str:
        """Does again what a client took back last, and returns what that was."""
        with self.writing(), refused_as(HTTPStatus.CONFLICT):
            return self._history(client).redo()

    def add_class(self, name: str, is_thing: bool, synonyms: Sequence[str]) -> ClassInfo:
        """Makes a class without instances."""
        for given in (name, *synonyms):
            check_name(given)
        with self.writing(), refused_as(HTTPStatus.CONFLICT):
            return self.segmenter.store.add_class(name.strip(), is_thing, [synonym.strip() for synonym in synonyms])

    def rename(self, name: str, new_name: str) -> None:
        """Gives a class another name; the old one stays a synonym."""
        check_name(new_name)
        with self.writing():
            self._check_known(name)
            with refused_as(HTTPStatus.CONFLICT):
                self.segmenter.store.rename(name, new_name.strip())

    def merge(self, names: Sequence[str], into: str) -> int:
        """Makes classes part of another and returns how many instances moved."""
        with self.writing():
            for name in (*names, into):
                self._check_known(name)
            return self.segmenter.store.merge(names, into)

    def forget_class(self, name: str, reason: str) -> int:
        """Removes a class for good and returns how many instances that were."""
        with self.writing():
            self._check_known(name)
            return self.segmenter.store.forget(class_name=name, reason=reason)

    def forget_source(self, source_id: int, reason: str) -> int:
        """Removes what one act of adding stored, for good, and returns how many instances that were."""
        with self.writing():
            if all(source.source_id != source_id for source in self.sources()):
                reason = f"the store has no source {source_id}; GET /v1/sources lists them"
                raise RefusedError(HTTPStatus.NOT_FOUND, reason)
            return self.segmenter.store.forget(source_id=source_id, reason=reason)

    def forget_instances(self, instance_ids: Sequence[int], reason: str) -> int:
        """Removes single instances for good and returns how many that were."""
        with self.writing():
            missing = set(instance_ids).difference(self.segmenter.store.evidence(instance_ids))
            if missing:
                raise RefusedError(
                    HTTPStatus.NOT_FOUND, f"the store has no instance {min(missing)}; nothing is forgotten"
                )
            return self.segmenter.store.forget(instance_ids=instance_ids, reason=reason)

    def sources(self) -> list[SourceInfo]:
        """The acts of adding, by rising id."""
        return self.segmenter.store.sources()

    def export(self, file: Path) -> None:
        """Writes the whole store as one file."""
        with self.working():
            self.segmenter.store.export(file)

    @contextmanager
    def working(self) -> Iterator[None]:
        """A place for what takes long; ``RefusedError`` if too many wait for one."""
        with self._places.one():
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Holds back all other acts that write; ``RefusedError`` where nothing may be written."""
        if self.read_only is not None:
            raise RefusedError(HTTPStatus.FORBIDDEN, self.read_only)
        with self._writing:
            yield

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where what is answered from lies; messages do not tell it."""
        return (self.segmenter.store.path,)

    def _analyse(self, image: Image, ref: str) -> Analysis:
        with self.working():
            analysis = self.segmenter.analyse(image, ref=ref)
            _ = analysis.descriptions, analysis.cells  # now, while the networks remember the picture
            return analysis

    def _check_known(self, name: str) -> None:
        with refused_as(HTTPStatus.NOT_FOUND):
            self.segmenter.store.vocabulary().by_name(name)

    def _history(self, client: str) -> History:
        history = self._histories.setdefault(client, History(self.segmenter.store))
        self._histories.move_to_end(client)
        if len(self._histories) > MAX_HISTORIES:
            self._histories.popitem(last=False)
        return history
