"""The acts on the picture under work: opening it, marking something in it, teaching that, and taking it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from demo.acts import act
from demo.session import LabelledPicture, PointPrompt, Session
from demo.tuning import tune_in_background
from demo.uploads import errors_naming
from knnclip.analysis import Analysis
from knnclip.errors import ImageError, UsageError
from knnclip.images import pixel_digest, read_image, reduce_image
from knnclip.masks.strokes import Stroke
from knnclip.structures import UNKNOWN, Box, Mask, Segment, Suggestion

LONGEST_PX = 1600
"""Pictures are reduced to this before anything else: what a screen shows, answered while one waits."""

MAX_PICTURE_BYTES = 50 * 2**20
"""More than cameras write for one picture, and little enough to be read at once for each of many clients."""


def picture_of(session: Session) -> LabelledPicture:
    """The picture under work; ``UsageError`` if there is none."""
    if session.teach.picture is None:
        raise UsageError("no picture is open; open one first")
    return session.teach.picture


def segment_of(session: Session, segment_id: int) -> Segment:
    """A segment of the current answer; ``UsageError`` if it has none of this id."""
    for segment in picture_of(session).segmentation.segments:
        if segment.segment_id == segment_id:
            return segment
    raise UsageError(f"the picture has no segment {segment_id}; select one of those it has now")


def segment_at(session: Session, point_xy: tuple[int, int]) -> Segment | None:
    """The segment of the current answer at a pixel, None where there is none."""
    x, y = point_xy
    segmentation = picture_of(session).segmentation
    here = int(segmentation.panoptic[y, x])
    return next((segment for segment in segmentation.segments if segment.segment_id == here), None)


def suggestions(session: Session, segment: Segment) -> list[Suggestion]:
    """What an unknown segment may be called by what the encoder's network knows; none for one that has a class."""
    if segment.class_id != UNKNOWN:
        return []
    return session.segmenter.suggest(picture_of(session).analysis, segment.mask)


@act()
def open_picture(session: Session, path: Path, name: str) -> None:
    """Makes an image file the picture under work; ``ImageError`` if it is none or too large."""
    if path.stat().st_size > MAX_PICTURE_BYTES:
        raise ImageError(f"{name} has more than {MAX_PICTURE_BYTES // 2**20} MB; save it smaller")
    with errors_naming(path, name):
        image = reduce_image(read_image(path), LONGEST_PX)
    digest = pixel_digest(image).removeprefix("sha256:")[:12]
    _label(session, session.segmenter.analyse(image, ref=f"{name}#{digest}"))
    session.teach.drawn = None


@act()
def relabel(session: Session) -> None:
    """Labels the picture by the store as it is now, if there is one; it is not encoded again."""
    if session.teach.picture is None:
        session.teach.generation = session.segmenter.store.generation
    else:
        _label(session, session.teach.picture.analysis)


def _label(session: Session, analysis: Analysis) -> None:
    """The one place where an answer is made, with the generation of the store that it is of."""
    teach = session.teach
    _ = analysis.descriptions, analysis.cells  # before the store keeps a state for the answer
    with session.segmenter.store.view() as view:
        generation, segmentation = view.generation, session.segmenter.label(analysis, view)
    version = 1 if teach.picture is None else teach.picture.version + 1
    teach.picture, teach.generation = LabelledPicture(analysis, segmentation, version), generation


def is_current(session: Session) -> bool:
    """Whether the page has been told of the store as it is now."""
    return session.teach.generation == session.segmenter.store.generation


@act()
def draw_point(session: Session, point_xy: tuple[int, int], *, add: bool = False) -> Mask:
    """Takes the smallest region at a point, at the next call there the next larger one; ``teach`` teaches it next.

    With ``add`` what was drawn before belongs to it as well. ``UsageError`` if no region lies there.
    """
    teach = session.teach
    regions = session.segmenter.regions_at(picture_of(session).analysis, point_xy)
    if not regions:
        raise UsageError("no region lies here; draw a box or a scribble instead")
    if teach.point is not None and teach.drawn is not None and teach.point.is_near(point_xy):
        point = replace(teach.point, level=(teach.point.level + 1) % len(regions))
    else:
        point = PointPrompt(point_xy, 0, teach.drawn if add else None)
    region = regions[point.level]
    teach.point, teach.drawn = point, region if point.before is None else Mask.union([region, point.before])
    return teach.drawn


@act()
def draw_box(session: Session, box_xyxy: Box) -> Mask:
    """Finds the object in a box; it is what ``teach`` teaches next. ``MaskError`` if there is none."""
    session.teach.drawn = session.segmenter.mask_from_box(picture_of(session).analysis, box_xyxy)
    return session.teach.drawn


@act()
def draw_strokes(session: Session, strokes: Sequence[Stroke], width_px: float) -> Mask:
    """Finds the object under a scribble; it is what ``teach`` teaches next. ``MaskError`` if there is none."""
    width_px = min(width_px, LONGEST_PX)  # which covers every picture
    session.teach.drawn = session.segmenter.mask_from_strokes(picture_of(session).analysis, strokes, width_px)
    return session.teach.drawn


@act(writes=True)
def teach(session: Session, name: str, segment_ids: Sequence[int]) -> int:
    """Teaches the selected segments, or what was drawn last where none is, and returns the source id."""
    analysis = picture_of(session).analysis
    if segment_ids:
        mask = Mask.union([segment_of(session, segment_id).mask for segment_id in segment_ids])
    elif session.teach.drawn is not None:
        mask = session.teach.drawn
    else:
        raise UsageError("nothing is selected; select a region of the picture, or draw a box around the object")
    source = session.history.teach(session.segmenter, analysis, mask, name.strip())
    session.teach.drawn = None
    relabel(session)
    tune_in_background(session)
    return source


@act(writes=True)
def withdraw(session: Session, instance_id: int) -> str:
    """Takes back the whole teaching of an instance, of what was ingested the instance alone; returns what that was.

    ``StoreError`` if the store has none of this id.
    """
    what = session.history.withdraw(instance_id)
    relabel(session)
    return what


@act(writes=True)
def undo(session: Session) -> str:
    """Takes back what this session did last, and returns what that was; ``UsageError`` if there is nothing."""
    undone = session.history.undo()
    relabel(session)
    return undone


@act(writes=True)
def redo(session: Session) -> str:
    """Does again what this session took back last, and returns what that was; ``UsageError`` if there is nothing."""
    redone = session.history.redo()
    relabel(session)
    return redone
