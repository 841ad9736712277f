"""What one browser tab, or one client of the API, owns: a state for each tab of the page."""

from __future__ import annotations

import itertools
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from demo.open_projects import OpenProject, OpenProjects
from knnclip.analysis import Analysis
from knnclip.datasets import Dataset
from knnclip.errors import StoreError
from knnclip.evaluation import Scores
from knnclip.history import History
from knnclip.projects import STATES, Applying, Order, State
from knnclip.projects.maps import resize_mask
from knnclip.segmenter import Segmenter
from knnclip.structures import Image, Mask, Segmentation

SAME_POINT_PX = 3
SAME_POINT_SHARE = 0.004
"""Clicks this near to each other, in pixels or as a share of the picture's longer side, mean one point: a hand that
clicks twice trembles, on the screen, by some 4 of 1000 pixels, and a region is hardly smaller.
"""

READ_ONLY = "this demo shows its store and does not change it; start it without --read-only to teach it"


class Parts(TypedDict, total=False):
    """Parts in place of the preset's, as ``Segmenter.open`` takes them."""

    masks: str | None
    encoder: str | None
    classifier: str | None
    weights: Path | None
    min_area: int | None
    max_masks: int | None
    device: str


@dataclass(frozen=True)
class Options:
    """What the app was started with."""

    store: Path
    preset: str | None = None
    parts: Parts = field(default_factory=Parts)
    private: bool = False  # a store for each session
    read_only: bool = False
    examples: tuple[Path, ...] = ()  # pictures to begin with
    data_roots: tuple[Path, ...] = ()  # folders whose labelled data sets may be read


@dataclass(frozen=True, eq=False)
class LabelledPicture:
    """The picture under work and its current answer, which are never of two different pictures."""

    image: Image  # (H, W, 3), at its own pixels
    analysis: Analysis  # of it; of a reduction where it is large and belongs to a project
    segmentation: Segmentation  # of the image's own pixels
    version: int  # grows with every answer: segment ids mean something for one version only
    picture_id: int | None = None  # of the project that is open, None for a picture by itself
    drawn: tuple[int, ...] = ()  # the corrections in the answer, by their ids

    @property
    def reduction(self) -> float:
        """Pixels of the analysis for one of the picture, along a side."""
        return float(self.analysis.image.shape[1] / self.image.shape[1])

    def place_in_analysis(self, place_xy: tuple[float, float]) -> tuple[float, float]:
        """A place in the picture in that of the analysis."""
        return place_xy[0] * self.reduction, place_xy[1] * self.reduction

    def point_in_analysis(self, point_xy: tuple[int, int]) -> tuple[int, int]:
        """The same of a pixel, or of an edge between two."""
        x, y = self.place_in_analysis(point_xy)
        return int(x), int(y)

    def in_analysis(self, mask: Mask) -> Mask | None:
        """A mask of the picture in that of the analysis, None if nothing of it is left there."""
        return resize_mask(mask, (self.analysis.image.shape[0], self.analysis.image.shape[1]))

    def in_picture(self, mask: Mask) -> Mask:
        """A mask of the analysis in the picture."""
        enlarged = resize_mask(mask, self.segmentation.shape)
        assert enlarged is not None, "the picture is no smaller"
        return enlarged


@dataclass(frozen=True, eq=False)
class PointPrompt:
    """The last point that was clicked for a region, and which of the regions there was taken."""

    point_xy: tuple[int, int]
    level: int  # 0 is the smallest region
    levels: int  # how many there are
    again: bool  # whether the click before meant this point, too

    def is_near(self, point_xy: tuple[int, int], longest_px: int) -> bool:
        """Whether a click means this point again, in a picture whose longer side is ``longest_px``."""
        reach_px = max(SAME_POINT_PX, SAME_POINT_SHARE * longest_px)
        return max(abs(a - b) for a, b in zip(self.point_xy, point_xy, strict=True)) <= reach_px


@dataclass
class TeachState:
    """What the tab that teaches has open."""

    picture: LabelledPicture | None = None
    generation: int = -1  # of the store, when the page was last told of it
    drawn: Mask | None = None  # found for a point, a box or strokes; what is taught next where no segment is selected
    point: PointPrompt | None = None
    act: int = 0  # the last act of the page that was answered, by the page's own count

    @property
    def pixels(self) -> int:
        """How many the open picture has."""
        return 0 if self.picture is None else self.picture.segmentation.panoptic.size


@dataclass
class ExportRun:
    """How far an export is; one thread writes it."""

    is_running: bool = True
    done: int = 0  # pictures
    file: Path | None = None  # what came of it, to be downloaded
    error: str | None = None

    def advance(self) -> None:
        """One picture more is written."""
        self.done += 1


@dataclass
class ProjectState:
    """The project that is open, and how the page shows it."""

    opened: OpenProject | None = None
    person: str = ""  # by whose name others are told where this session is
    order: Order = "review"
    states: tuple[State, ...] = STATES
    class_name: str | None = None  # only pictures with it are shown
    told: int = 0  # the change counter up to which the page knows the pictures
    applying: Applying | None = None  # how far the background was, when the page was last told
    others: tuple[str, ...] = ()  # who is at the same picture
    export: ExportRun | None = None  # the last one
    export_told: ExportRun | None = None  # how far it was, when the page was last told
    visited_s: float = 0.0  # when others were last told where this session is, by the monotonic clock


@dataclass
class VocabularyState:
    """What the tab of the classes shows."""

    listed: tuple[str, ...] = ()  # the classes in the order in which they are shown
    chosen: str | None = None  # the class whose instances are shown
    page: int = 0  # of these instances


@dataclass(frozen=True)
class ChosenDataset:
    """A labelled data set that was chosen, and the name by which an ingest of it is continued."""

    dataset: Dataset
    identity: str  # the same wherever an archive was unpacked
    unpacked: Path | None = None  # the folder that an archive was unpacked into


@dataclass(frozen=True, eq=False)
class PastEvaluation:
    """One evaluation, to be compared with the next one of the same data set."""

    identity: str  # of the data set
    scores: Scores
    overlay: Image  # the answer over the first picture, (H, W, 3)


@dataclass
class IngestState:
    """What the tab that ingests has open."""

    dataset: ChosenDataset | None = None


@dataclass
class EvaluateState:
    """What the tab that evaluates has open."""

    dataset: ChosenDataset | None = None
    last: PastEvaluation | None = None


@dataclass
class Session:
    """One tab or client. Its acts (``demo.acts``) hold ``lock``, its long work holds ``work``; others go on."""

    segmenter: Segmenter
    history: History
    folder: Path  # scratch, removed with the session; nobody is handed anything in it
    downloads: Path  # what the session may download, removed with it
    options: Options
    projects: OpenProjects  # of all sessions
    lock: threading.RLock = field(default_factory=threading.RLock)
    work: threading.Lock = field(default_factory=threading.Lock)
    tuning: threading.Lock = field(default_factory=threading.Lock)  # held while the store is tuned in the background
    ended: threading.Event = field(default_factory=threading.Event)  # nobody waits for its answers any more
    stop: threading.Event = field(default_factory=threading.Event)  # asks the long work to end
    # Begins at the time, so that a page that outlives its session takes the next one's messages for newer.
    sequence: Iterator[int] = field(default_factory=lambda: itertools.count(time.time_ns() // 1000))
    teach: TeachState = field(default_factory=TeachState)
    project: ProjectState = field(default_factory=ProjectState)
    vocabulary: VocabularyState = field(default_factory=VocabularyState)
    ingest: IngestState = field(default_factory=IngestState)
    evaluate: EvaluateState = field(default_factory=EvaluateState)

    def check_writable(self) -> None:
        """``StoreError`` where the app was started to show only."""
        if self.options.read_only:
            raise StoreError(READ_ONLY)

    def keep_up(self) -> None:
        """Has the folder that is open follow the store in the background."""
        opened = self.project.opened
        if opened is not None:
            with suppress(StoreError):  # it was closed meanwhile
                opened.keep_up()

    def leave_project(self) -> None:
        """Closes the project that is open, if there is one, with the picture of it that is under work."""
        opened, person, self.project = self.project.opened, self.project.person, ProjectState()
        if opened is None:
            return
        # What was done in it cannot be taken back from outside.
        self.history = History(self.segmenter.store)
        if self.teach.picture is not None and self.teach.picture.picture_id is not None:
            self.teach = TeachState(act=self.teach.act)
        if not opened.project.is_read_only:
            opened.project.leave(person)
        self.projects.leave(opened, stays=not self.options.private)

    def close(self) -> None:
        """Ends the work under way and drops what only this session had."""
        self.ended.set()
        self.stop.set()
        with self.work, self.tuning, self.lock:
            self.leave_project()
            if self.options.private:
                self.segmenter.close()
            for folder in (self.folder, self.downloads):
                shutil.rmtree(folder, ignore_errors=True)
