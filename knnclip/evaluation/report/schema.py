"""Every figure of a report, once: its key in files, its name for people, where it comes from and how it is written.

The terminal, ``scores.json``, the CSV files, the page and the demo read these lists, so a figure that is added here is
in all of them. A figure is read from what was computed by its ``source``; whatever shows figures reads them by their
keys, as ``scores.json`` has them, so that a page can be made from a folder alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from knnclip.evaluation.report.formats import (
    COUNT,
    GAIN,
    MEGABYTES,
    PERCENT,
    SECONDS,
    TEXT,
    UNDEFINED,
    Form,
    interval_text,
    percent,
)
from knnclip.metrics.panoptic import QualityRow
from knnclip.metrics.semantic import ClassScores

Json = Mapping[str, Any]

Place = Literal["brief", "page", "files"]
"""The narrowest place that shows a figure: the terminal and the demo, the page, JSON and CSV; wider ones do too."""

PLACES: tuple[Place, ...] = ("brief", "page", "files")

CONVENTIONS = (
    "The interval is a 95 % bootstrap over images. Unknown counts as a miss; the convention that leaves such pixels "
    "out stands beside it."
)
"""What people must know of the figures of a set."""


def no_note(_: Json) -> str:
    """The note of a figure that explains itself."""
    return ""


@dataclass(frozen=True)
class Figure:
    """One figure of a set, of a class, of a compared setting or of a step."""

    key: str  # in JSON and CSV
    label: str  # for people
    source: str = ""  # the attribute that has it, or several joined by dots; empty: the key
    form: Form = PERCENT
    note: Callable[[Json], str] = no_note  # what stands beside it, from all figures of its section
    shown: Place = "brief"
    short: str = ""  # a label for where there is little room

    def of(self, found: object) -> Any:  # noqa: ANN401 - a number or text
        """The figure of what was computed; None where it does not apply, NaN where it is not defined."""
        return attribute(found, self.source or self.key)


@dataclass(frozen=True)
class Section:
    """Figures of a whole set that are computed together."""

    path: tuple[str, ...]  # where ``scores.json`` has them
    source: str  # the attribute of ``Scores`` that has them, which is None where the truth lacks what they need
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Headline:
    """A figure of a set as people see it."""

    label: str
    value: str
    unit: str
    note: str

    @property
    def text(self) -> str:
        """The value with its unit, if it is defined."""
        return self.value if self.value == UNDEFINED else f"{self.value}{self.unit}"


@dataclass(frozen=True)
class ClassResult:
    """All that is known of one class; None for what was not computed."""

    name: str
    semantic: ClassScores | None = None
    quality: QualityRow | None = None
    ap: float | None = None  # NaN where the truth has no instance of the class
    instances: int | None = None  # of the class in the store


def _interval(figures: Json) -> str:
    return interval_text(figures["miou_interval"]) if "miou_interval" in figures else ""


SEMANTIC = Section(
    ("scores",),
    "semantic",
    (
        Figure("miou", "mIoU", note=_interval),
        Figure("coverage", "answered", note=lambda _: "share of the scored pixels"),
        Figure("miou_answered", "mIoU, answered pixels alone", note=lambda _: "abstaining is free"),
        Figure("miou_truth", "mIoU, classes with truth", note=lambda f: f"{f['classes_with_truth']} classes"),
        Figure("boundary_iou", "boundary IoU"),
        Figure("fwiou", "fwIoU"),
        Figure("macc", "mACC"),
        Figure("pacc", "pACC"),
        Figure("classes_with_truth", "classes with truth", form=COUNT, shown="files"),
    ),
)
SEEN = Section(
    ("scores", "seen"),
    "seen",
    (
        Figure("seen", "mIoU, seen classes"),
        Figure("unseen", "mIoU, unseen classes"),
        Figure("harmonic", "harmonic mean", note=lambda _: "of seen and unseen"),
    ),
)
PANOPTIC = tuple(
    Section(
        ("panoptic", kind),
        f"panoptic.{kind}",
        (
            Figure("name", "classes", form=TEXT, shown="files"),
            Figure("pq", f"PQ, {kind}", note=lambda f: f"SQ {percent(f['sq'])}, RQ {percent(f['rq'])}"),
            Figure("sq", f"SQ, {kind}", shown="files"),
            Figure("rq", f"RQ, {kind}", shown="files"),
            Figure("tp", f"TP, {kind}", form=COUNT, shown="files"),
            Figure("fp", f"FP, {kind}", form=COUNT, shown="files"),
            Figure("fn", f"FN, {kind}", form=COUNT, shown="files"),
        ),
    )
    for kind in ("all", "things", "stuff")
)
INSTANCES = Section(
    ("instances",),
    "instances",
    (
        Figure(
            "ap",
            "AP",
            note=lambda f: (
                "small / medium / large " + " / ".join(percent(f[key]) for key in ("ap_small", "ap_medium", "ap_large"))
            ),
        ),
        Figure("ap50", "AP50"),
        Figure("ap75", "AP75"),
        Figure("ap_small", "AP, small", shown="files"),
        Figure("ap_medium", "AP, medium", shown="files"),
        Figure("ap_large", "AP, large", shown="files"),
    ),
)
SECTIONS = (SEMANTIC, SEEN, *PANOPTIC, INSTANCES)
"""All figures of a set, of ``Scores``."""

CLASSES = (
    Figure("name", "class", form=TEXT),
    Figure("iou", "IoU", "semantic.iou"),
    Figure("accuracy", "accuracy", "semantic.accuracy"),
    Figure("boundary_iou", "boundary IoU", "semantic.boundary_iou"),
    Figure("pq", "PQ", "quality.pq"),
    Figure("sq", "SQ", "quality.sq", shown="page"),
    Figure("rq", "RQ", "quality.rq", shown="page"),
    Figure("ap", "AP"),
    Figure("truth_px", "true pixels", "semantic.truth_px", COUNT),
    Figure("answered_px", "answered pixels", "semantic.answered_px", COUNT, shown="page"),
    Figure("instances", "stored instances", form=COUNT, shown="page"),
)
"""Of ``ClassResult``."""

MATCHES = (
    Figure("tp", "TP", "quality.tp", COUNT),
    Figure("fp", "FP", "quality.fp", COUNT),
    Figure("fn", "FN", "quality.fn", COUNT),
)
"""Of ``ClassResult`` too: the matched, wrong and missed segments, of which PQ is made."""

COMPARED = (
    Figure("name", "settings", form=TEXT),
    Figure("miou", "mIoU", "semantic.miou"),
    Figure("low", "from", "interval.low"),
    Figure("high", "to", "interval.high"),
    Figure("gain", "gain", form=GAIN),
    Figure("gain_low", "from", "gain_interval.low"),
    Figure("gain_high", "to", "gain_interval.high"),
    Figure("miou_answered", "answered pixels alone", "semantic.miou_answered", shown="page"),
    Figure("fwiou", "fwIoU", "semantic.fwiou", shown="files"),
    Figure("macc", "mACC", "semantic.macc", shown="files"),
    Figure("coverage", "answered", "semantic.coverage"),
    Figure("pacc", "pACC", "semantic.pacc", shown="page"),
)
"""Of ``ComparedScores``."""

STEPS = (
    Figure("classes", "classes", form=TEXT, shown="files"),
    Figure("miou", "all"),
    Figure("old", "old"),
    Figure("new", "new"),
    Figure("average", "average"),
    Figure("forgetting", "forgetting"),
    Figure("backward_transfer", "backward transfer", short="backward"),
    Figure("instances", "instances", form=COUNT, short="inst."),
    Figure("store_bytes", "store MB", form=MEGABYTES, short="MB"),
    Figure("seconds", "seconds", form=SECONDS, short="s"),
)
"""Of a ``Step`` of the continual protocol."""

SHOTS = (
    Figure("shots", "instances", form=Form(1, 0, zero="all"), short="instances a class"),
    Figure("miou", "mIoU"),
    Figure("instances", "stored instances", form=COUNT),
)
"""Of ``ShotScores``."""


def attribute(found: object, path: str) -> Any:  # noqa: ANN401 - whatever stands there
    """The attribute at the end of a path with dots; None where one on the way is None."""
    for name in path.split("."):
        found = None if found is None else getattr(found, name)
    return found


def values(figures: Sequence[Figure], found: object) -> dict[str, Any]:
    """The figures of what was computed by their keys."""
    return {figure.key: figure.of(found) for figure in figures}


def shown_in(place: Place, figures: Sequence[Figure], rows: Sequence[Json]) -> list[Figure]:
    """The figures that a table at a place has as its columns; one that applies to none of the rows is left out."""
    wide = PLACES.index(place)
    return [
        figure for figure in figures if PLACES.index(figure.shown) <= wide and any(figure.key in row for row in rows)
    ]


def headlines(content: Json) -> Iterator[Headline]:
    """The figures of a set for people, from what ``scores.json`` holds."""
    for section in SECTIONS:
        found: Any = content
        for key in section.path:
            found = found and found[key]
        if found is not None:
            yield from headlines_of(section, found)


def headlines_of(section: Section, found: Json) -> Iterator[Headline]:
    """The figures of one section for people, from its part of ``scores.json``."""
    for figure in section.figures:
        if figure.shown == "brief":
            value = figure.form.text(found[figure.key])
            yield Headline(figure.label, value, figure.form.unit, figure.note(found))
