"""What one browser tab, or one client of the API, owns, and what all of them share."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from demo.uploads import errors_name
from knnclip.analysis import Analysis
from knnclip.datasets import Dataset
from knnclip.errors import ImageError, UsageError
from knnclip.evaluation import Scores
from knnclip.history import History
from knnclip.images import pixel_digest, read_image, reduce_image
from knnclip.masks.strokes import Stroke
from knnclip.segmenter import Segmenter
from knnclip.store import Store
from knnclip.structures import Box, Image, Mask, Segment, Segmentation

LONGEST_PX = 1600
"""Pictures are reduced to this before anything else: what a screen shows, answered while one waits."""

MAX_PICTURE_BYTES = 50 * 2**20
SAME_PLACE_PX = 3
MAX_SESSIONS = 100
"""With more, the one used least recently is dropped: it holds a picture in memory, which can be opened again."""


@dataclass(frozen=True)
class Options:
    """What the app was started with."""

    store: Path
    preset: str | None = None
    private: bool = False
    read_only: bool = False
    examples: tuple[Path, ...] = ()
    data_roots: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Picked:
    """A labelled data set that was chosen, and what it is called wherever it was unpacked."""

    dataset: Dataset
    identity: str


@dataclass(frozen=True)
class Evaluated:
    """The last evaluation of a session, to be compared with the next one."""

    identity: str
    scores: Scores
    overlay: Image


@dataclass(frozen=True)
class Pointed:
    """The last point that was clicked for a region, and which of the regions there was taken."""

    point_xy: tuple[int, int]
    level: int  # 0 is the smallest
    before: Mask | None  # what the region was added to

    def is_near(self, point_xy: tuple[int, int]) -> bool:
        """Whether a click means this point again."""
        return max(abs(a - b) for a, b in zip(self.point_xy, point_xy, strict=True)) <= SAME_PLACE_PX


@dataclass
class Session:
    """The state of one tab. ``lock`` is held during each of its acts, ``work`` during its long ones; other sessions go
    on meanwhile.
    """

    segmenter: Segmenter
    history: History
    folder: Path  # scratch of this session, removed with it
    owns_store: bool = False
    lock: threading.RLock = field(default_factory=threading.RLock)
    work: threading.Lock = field(default_factory=threading.Lock)
    stop: threading.Event = field(default_factory=threading.Event)
    # Begins at the time, so that a page that outlives its session takes the next one's messages for newer.
    sequence: Iterator[int] = field(default_factory=lambda: itertools.count(time.time_ns() // 1000))
    analysis: Analysis | None = None
    answer: Segmentation | None = None
    version: int = 0  # of the answer: segment ids mean something for one version only
    generation: int = -1  # of the store that the answer was made from
    drawn: Mask | None = None
    pointed: Pointed | None = None
    picked: dict[str, Picked] = field(default_factory=dict)
    evaluated: Evaluated | None = None
    listed: tuple[str, ...] = ()  # the classes in the order in which the vocabulary shows them
    chosen: str | None = None  # the class that it shows whole
    page: int = 0

    def opened(self) -> Analysis:
        """The picture under work; ``UsageError`` if there is none."""
        if self.analysis is None:
            raise UsageError("no picture is open; open one first")
        return self.analysis

    def open(self, path: Path, name: str) -> None:
        """Makes an image file the picture under work; ``ImageError`` if it is none or too large."""
        if path.stat().st_size > MAX_PICTURE_BYTES:
            raise ImageError(f"{name} has more than {MAX_PICTURE_BYTES // 2**20} MB; save it smaller")
        with errors_name(path, name):
            image = reduce_image(read_image(path), LONGEST_PX)
        digest = pixel_digest(image).removeprefix("sha256:")[:12]
        self._show(self.segmenter.analyse(image, ref=f"{name}#{digest}"))
        self.drawn = None

    def relabel(self) -> None:
        """Labels the picture by the store as it is now, if there is one; it is not encoded again."""
        if self.analysis is None:
            self.generation = self.segmenter.store.generation
        else:
            self._show(self.analysis)

    def _show(self, analysis: Analysis) -> None:
        _ = analysis.descriptions  # before the store keeps a state for the answer
        with self.segmenter.store.view() as view:
            generation, answer = view.generation, self.segmenter.label(analysis, view)
        # Together or not at all, so that an answer is never shown for another picture.
        self.analysis, self.answer, self.generation = analysis, answer, generation
        self.version += 1

    def segment(self, segment_id: int) -> Segment:
        """A segment of the current answer; ``UsageError`` if it has none of this id."""
        self.opened()
        for segment in self.answer.segments if self.answer else ():
            if segment.segment_id == segment_id:
                return segment
        raise UsageError(f"the picture has no segment {segment_id}; select one of those it has now")

    def draw_point(self, point_xy: tuple[int, int], *, add: bool = False) -> Mask:
        """Takes the smallest region at a point, at the next call there the next larger one; ``teach`` teaches it next.

        With ``add`` what was drawn before belongs to it as well.
        """
        regions = self.segmenter.regions_at(self.opened(), point_xy)
        if not regions:
            raise UsageError("no region lies here; draw a box or a scribble instead")
        again = self.pointed is not None and self.drawn is not None and self.pointed.is_near(point_xy)
        if again and self.pointed is not None:
            self.pointed = replace(self.pointed, level=(self.pointed.level + 1) % len(regions))
        else:
            self.pointed = Pointed(point_xy, 0, self.drawn if add else None)
        region = regions[self.pointed.level]
        self.drawn = region if self.pointed.before is None else Mask.union([region, self.pointed.before])
        return self.drawn

    def draw_box(self, box_xyxy: Box) -> Mask:
        """Finds the object in a box; it is what ``teach`` teaches next."""
        self.drawn = self.segmenter.mask_from_box(self.opened(), box_xyxy)
        return self.drawn

    def draw_strokes(self, strokes: Sequence[Stroke], width_px: float) -> Mask:
        """Finds the object under a scribble; it is what ``teach`` teaches next."""
        self.drawn = self.segmenter.mask_from_strokes(self.opened(), strokes, width_px)
        return self.drawn

    def teach(self, name: str, segment_ids: Sequence[int]) -> int:
        """Teaches the selected segments, or what was drawn last where none is, and returns the source id."""
        analysis = self.opened()
        if segment_ids:
            mask = Mask.union([self.segment(segment_id).mask for segment_id in segment_ids])
        elif self.drawn is not None:
            mask = self.drawn
        else:
            raise UsageError("nothing is selected; select a region of the picture, or draw a box around the object")
        source = self.history.teach(self.segmenter, analysis, mask, name.strip())
        self.drawn = None
        self.relabel()
        return source

    def remove(self, instance_id: int) -> None:
        """Takes one instance out of the store."""
        self.history.remove(instance_id)
        self.relabel()

    def undo(self) -> str:
        """Takes back what this session did last, and returns what that was."""
        undone = self.history.undo()
        self.relabel()
        return undone

    def redo(self) -> str:
        """Does again what this session took back last, and returns what that was."""
        redone = self.history.redo()
        self.relabel()
        return redone

    def close(self) -> None:
        """Ends what is at work and drops what only this session had."""
        self.stop.set()
        with self.work, self.lock:
            if self.owns_store:
                self.segmenter.close()
            shutil.rmtree(self.folder, ignore_errors=True)


class Sessions:
    """All sessions by Gradio's session hash; each is made when its first request comes."""

    def __init__(self, options: Options) -> None:
        """Opens the shared store; with private ones, what they begin with is what it holds now."""
        self.options = options
        self.shared = Segmenter.open(options.store, options.preset, read_only=options.read_only)
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._scratch = Path(tempfile.mkdtemp(prefix="knnclip-demo-"))
        if options.private:
            self.shared.store.export(self._scratch / "start.knnclip")

    def of(self, key: str | None) -> Session:
        """The session of a request."""
        name = key or "no session"
        with self._lock:
            known = self._sessions.get(name)
        # Copying a store takes its time, and nobody else shall wait for it; two first requests may both do it.
        mine = known or self._new()
        with self._lock:
            current = self._sessions.setdefault(name, mine)
            self._sessions.move_to_end(name)
            dropped = [self._sessions.popitem(last=False)[1] for _ in range(len(self._sessions) - MAX_SESSIONS)]
        for session in (*dropped, *([mine] if mine is not current else [])):
            session.close()
        return current

    def drop(self, key: str | None) -> None:
        """Forgets a session whose page was closed."""
        with self._lock:
            session = self._sessions.pop(key or "no session", None)
        if session is not None:
            session.close()

    def close(self) -> None:
        """Closes everything and removes what was only for this run."""
        for key in list(self._sessions):
            self.drop(key)
        self.shared.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _new(self) -> Session:
        folder = Path(tempfile.mkdtemp(dir=self._scratch))
        if not self.options.private:
            return Session(self.shared, History(self.shared.store), folder)
        Store.import_file(folder / "store", self._scratch / "start.knnclip")
        segmenter = Segmenter.open(folder / "store")
        return Session(segmenter, History(segmenter.store), folder, owns_store=True)
