"""The acts on the picture under work: opening it, marking something in it, teaching that, and taking it back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from demo.acts import act
from demo.session import LabelledPicture, PointPrompt, Session
from demo.uploads import errors_naming
from knnclip.analysis import Analysis
from knnclip.errors import ImageError, UsageError
from knnclip.images import pixel_digest, read_image
from knnclip.masks.strokes import Stroke
from knnclip.structures import UNKNOWN, Box, Mask, Segment, Suggestion

MAX_PICTURE_PIXELS = 50_000_000
"""What phones take. Analysed at its own pixels a picture of 12 megapixels takes some three seconds, one of this size
some twelve; whoever has larger ones would rather wait at the command line.
"""

MAX_PICTURE_BYTES = 50 * 2**20
"""More than cameras write for one picture, and little enough to be read at once for each of many clients."""


def picture_of(session: Session) -> LabelledPicture:
    """The picture under work; ``UsageError`` if there is none."""
    if session.teach.picture is None:
        raise UsageError("no picture is open, or it was closed to make room for those of others; open one")
    return session.teach.picture


def segment_of(session: Session, segment_id: int) -> Segment:
    """A segment of the current answer; ``UsageError`` if it has none of this id."""
    for segment in picture_of(session).segmentation.segments:
        if segment.segment_id == segment_id:
            return segment
    raise UsageError(f"the picture has no segment {segment_id}; select one of those it has now")


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
        image = read_image(path, max_pixels=MAX_PICTURE_PIXELS)
    digest = pixel_digest(image).removeprefix("sha256:")[:12]
    _label(session, session.segmenter.analyse(image, ref=f"{name}#{digest}"))
    session.teach.drawn = session.teach.point = None


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
def draw_point(session: Session, point_xy: tuple[int, int]) -> tuple[Mask, PointPrompt]:
    """Takes the smallest region at a point, at the next call there the next larger one; ``teach`` teaches it next.

    After the largest comes the smallest again. ``UsageError`` if no region lies there.
    """
    teach = session.teach
    analysis = picture_of(session).analysis
    regions = session.segmenter.regions_at(analysis, point_xy)
    if not regions:
        raise UsageError("no region lies here; draw a box or a scribble instead")
    point = PointPrompt(point_xy, 0, len(regions), again=False)
    if teach.point is not None and teach.point.is_near(point_xy, max(analysis.image.shape)):
        level = (teach.point.level + 1) % len(regions)
        point = PointPrompt(teach.point.point_xy, level, len(regions), again=True)
    teach.point, teach.drawn = point, regions[point.level]
    return teach.drawn, point


@act()
def draw_box(session: Session, box_xyxy: Box) -> Mask:
    """Finds the object in a box; it is what ``teach`` teaches next. ``MaskError`` if there is none."""
    return draw_mask(session, session.segmenter.mask_from_box(picture_of(session).analysis, box_xyxy))


@act()
def draw_strokes(session: Session, strokes: Sequence[Stroke], width_px: float) -> Mask:
    """Finds the object under a scribble; it is what ``teach`` teaches next. ``MaskError`` if there is none."""
    analysis = picture_of(session).analysis
    width_px = min(width_px, 2 * max(analysis.image.shape))  # which covers the picture from everywhere in it
    return draw_mask(session, session.segmenter.mask_from_strokes(analysis, strokes, width_px))


@act()
def draw_mask(session: Session, mask: Mask) -> Mask:
    """Takes a mask of the picture as it is; ``teach`` teaches it next."""
    session.teach.drawn, session.teach.point = mask, None
    return mask


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
    session.teach.drawn = session.teach.point = None
    relabel(session)
    return source


@act(writes=True)
def remove(session: Session, instance_id: int) -> None:
    """Takes one instance out of the store; ``StoreError`` if it has none of this id."""
    session.history.withdraw(instance_id)
    relabel(session)


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
