"""What a project tells about its pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from knnclip.structures import Mask, Segmentation

State = Literal["untouched", "answered", "corrected", "checked"]
STATES: tuple[State, ...] = ("untouched", "answered", "corrected", "checked")
"""In the order in which a picture goes through them: nothing is known of it, it was labelled, a person has drawn in it,
a person has accepted its answer."""

Maker = Literal["store", "labels"]
"""Who made an answer: the store, or the labels that a folder came with."""


@dataclass(frozen=True)
class Summary:
    """An answer in numbers, to filter and sort by."""

    generation: int  # of the store that it is of; for labels that of the last comparison, 0 before the first
    made_by: Maker
    unknown: float  # share of the picture in [0, 1] that has no name
    confidence: float  # mean over the picture, in [0, 1]
    least_confidence: float  # of its segments that have a name, 1 where there is none
    areas: Mapping[str, float]  # class -> share of the picture, unknown left out
    differs: float  # share of the picture for which the store says something else by now than the answer that is kept


@dataclass(frozen=True)
class Picture:
    """One picture of a project as it stands."""

    picture_id: int  # never reused within the project
    path: str  # within the folder, with forward slashes; bytes that are no text are surrogates, as os.fsdecode makes
    size_px: tuple[int, int] | None  # (H, W) upright; None until it was read
    state: State
    rejected: str | None  # why it cannot be read
    note: str | None  # what a person should know of it: that it changed on the disk, that it is gone
    summary: Summary | None  # of its answer, None while untouched
    changed: int  # the change counter when it last changed, see ``Project.changed_since``

    @property
    def is_usable(self) -> bool:
        """Whether there is something to work on."""
        return self.rejected is None


@dataclass(frozen=True)
class Changes:
    """What has changed since a number of the change counter."""

    number: int  # to ask with the next time
    pictures: tuple[Picture, ...]  # in the order of the folder


@dataclass(frozen=True)
class Standing:
    """How far a project is: "12 of 80 checked"."""

    pictures: int  # that can be worked on
    counts: Mapping[State, int]  # of these
    rejected: int  # that cannot

    @property
    def checked(self) -> int:
        """How many are done."""
        return self.counts["checked"]


@dataclass(frozen=True, eq=False)
class Correction:
    """A mask that a person has drawn over an answer: it holds whatever the store says there."""

    correction_id: int  # rising: later ones lie on earlier ones
    mask: Mask  # in the picture's own pixels
    class_name: str | None  # None: not an object, or not known


@dataclass(frozen=True)
class Effect:
    """What relabelling has done beyond the picture that was taught."""

    class_name: str
    pictures: tuple[int, ...]  # those of which a visible part got this class
    checked: tuple[int, ...]  # those where the store now says so, but the answer was checked and stands


@dataclass(frozen=True)
class Applying:
    """How far the background work is."""

    is_running: bool
    total: int  # pictures of this run
    done: int
    since: int  # the change counter when it began, for ``Project.effects``
    error: str | None  # why it ended before its end, for people


@dataclass(frozen=True, eq=False)
class Answered:
    """One picture with its answer, for exports."""

    path: Path
    picture: Picture
    answer: Segmentation  # in the picture's own pixels


@dataclass(frozen=True)
class ProjectInfo:
    """A project beside a store, as it lies there."""

    file: Path
    folder: Path
    name: str
    is_own: bool  # whether the folder belongs to the project and goes with it
    used: str  # ISO 8601, UTC: when it was last opened
