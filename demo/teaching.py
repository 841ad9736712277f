"""The acts on the picture under work: opening it, marking something in it, teaching that, and taking it back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from demo.acts import act
from demo.open_projects import OpenProject
from demo.session import LabelledPicture, PointPrompt, Session
from demo.tuning import tune_in_background
from demo.uploads import errors_naming
from knnclip.analysis import Analysis
from knnclip.errors import ImageError, UsageError
from knnclip.images import pixel_digest, read_image
from knnclip.masks.strokes import Stroke
from knnclip.projects import Project
from knnclip.structures import UNKNOWN, Box, Image, Mask, Segment, Suggestion

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


def project_of(session: Session) -> OpenProject:
    """The project that is open; ``UsageError`` if there is none."""
    if session.project.opened is None:
        raise UsageError("no folder is open; open one first")
    return session.project.opened


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
    picture = picture_of(session)
    small = picture.in_analysis(segment.mask)
    return [] if small is None else session.segmenter.suggest(picture.analysis, small)


@act()
def open_picture(session: Session, path: Path, name: str) -> None:
    """Makes an image file the picture under work; ``ImageError`` if it is none or too large."""
    if path.stat().st_size > MAX_PICTURE_BYTES:
        raise ImageError(f"{name} has more than {MAX_PICTURE_BYTES // 2**20} MB; save it smaller")
    with errors_naming(path, name):
        image = read_image(path, max_pixels=MAX_PICTURE_PIXELS)
    digest = pixel_digest(image).removeprefix("sha256:")[:12]
    _label(session, image, session.segmenter.analyse(image, ref=f"{name}#{digest}"))
    session.teach.drawn = session.teach.point = None


@act()
def open_of_project(session: Session, picture_id: int) -> None:
    """Makes a picture of the project that is open the one under work; ``ImageError`` if it cannot be read."""
    project = project_of(session).project
    analysis = project.analysis(picture_id)
    size_px = project.picture(picture_id).size_px
    image = analysis.image if size_px == analysis.proposals.shape else project.image(picture_id)
    _label(session, image, analysis, picture_id)
    session.teach.drawn = session.teach.point = None


@act()
def relabel(session: Session) -> None:
    """Labels the picture by the store as it is now, if there is one; it is not encoded again."""
    picture = session.teach.picture
    if picture is None:
        session.teach.generation = session.segmenter.store.generation
    else:
        _label(session, picture.image, picture.analysis, picture.picture_id)


def _label(session: Session, image: Image, analysis: Analysis, picture_id: int | None = None) -> None:
    """The one place where an answer is made, with the generation of the store that it is of."""
    teach, store = session.teach, session.segmenter.store
    drawn: tuple[int, ...] = ()
    _ = analysis.descriptions, analysis.cells  # before the store keeps a state for the answer
    if picture_id is None:
        with store.view() as view:
            generation, segmentation = view.generation, session.segmenter.label(analysis, view)
    else:
        project = project_of(session).project
        generation = store.generation  # if it grows meanwhile, the picture is labelled once more
        drawn = _drawn_in(project, picture_id)
        segmentation = project.label(picture_id, full_size=True)
    version = 1 if teach.picture is None else teach.picture.version + 1
    teach.picture = LabelledPicture(image, analysis, segmentation, version, picture_id, drawn)
    teach.generation = generation


def is_current(session: Session) -> bool:
    """Whether the page has been told of the store as it is now, and of what others have drawn in the picture."""
    teach, opened = session.teach, session.project.opened
    if teach.generation != session.segmenter.store.generation:
        return False
    if teach.picture is None or teach.picture.picture_id is None or opened is None:
        return True
    return teach.picture.drawn == _drawn_in(opened.project, teach.picture.picture_id)


def _drawn_in(project: Project, picture_id: int) -> tuple[int, ...]:
    return tuple(correction.correction_id for correction in project.corrections(picture_id))


@act()
def draw_point(session: Session, point_xy: tuple[int, int]) -> tuple[Mask, PointPrompt]:
    """Takes the smallest region at a point, at the next call there the next larger one; ``teach`` teaches it next.

    After the largest comes the smallest again. ``UsageError`` if no region lies there.
    """
    teach, picture = session.teach, picture_of(session)
    regions = session.segmenter.regions_at(picture.analysis, picture.point_in_analysis(point_xy))
    if not regions:
        raise UsageError("no region lies here; draw a box or a scribble instead")
    point = PointPrompt(point_xy, 0, len(regions), again=False)
    if teach.point is not None and teach.point.is_near(point_xy, max(picture.image.shape)):
        level = (teach.point.level + 1) % len(regions)
        point = PointPrompt(teach.point.point_xy, level, len(regions), again=True)
    teach.point, teach.drawn = point, picture.in_picture(regions[point.level])
    return teach.drawn, point


@act()
def draw_box(session: Session, box_xyxy: Box) -> Mask:
    """Finds the object in a box; it is what ``teach`` teaches next. ``MaskError`` if there is none."""
    picture = picture_of(session)
    (x0, y0), (x1, y1) = (picture.point_in_analysis(corner) for corner in (box_xyxy[:2], box_xyxy[2:]))
    found = session.segmenter.mask_from_box(picture.analysis, (x0, y0, x1, y1))
    return draw_mask(session, picture.in_picture(found))


@act()
def draw_strokes(session: Session, strokes: Sequence[Stroke], width_px: float) -> Mask:
    """Finds the object under a scribble; it is what ``teach`` teaches next. ``MaskError`` if there is none."""
    picture = picture_of(session)
    width_px = min(width_px, 2 * max(picture.image.shape))  # which covers the picture from everywhere in it
    scaled = [[picture.place_in_analysis(place) for place in stroke] for stroke in strokes]
    found = session.segmenter.mask_from_strokes(picture.analysis, scaled, width_px * picture.reduction)
    return draw_mask(session, picture.in_picture(found))


@act()
def draw_mask(session: Session, mask: Mask) -> Mask:
    """Takes a mask of the picture as it is; ``teach`` teaches it next."""
    session.teach.drawn, session.teach.point = mask, None
    return mask


def marked(session: Session, segment_ids: Sequence[int]) -> Mask:
    """The selected segments as one mask, or what was drawn last where none is; ``UsageError`` if nothing was."""
    if segment_ids:
        return Mask.union([segment_of(session, segment_id).mask for segment_id in segment_ids])
    if session.teach.drawn is None:
        raise UsageError("nothing is selected; select a region of the picture, or draw a box around the object")
    return session.teach.drawn


@act(writes=True)
def teach(session: Session, name: str, segment_ids: Sequence[int]) -> int:
    """Teaches the selected segments, or what was drawn last where none is, and returns the source id.

    In a picture of a project a mask that was drawn is kept as it is, and segments are where the store's answer does not
    follow: what a person has said there holds. ``UsageError`` if the picture is checked.
    """
    picture, mask = picture_of(session), marked(session, segment_ids)
    check_open(session)
    small = picture.in_analysis(mask)
    if small is None:
        raise UsageError("what is marked is too small to learn from; mark more of it")
    name = name.strip()
    source = session.history.teach(session.segmenter, picture.analysis, small, name)
    session.teach.drawn = session.teach.point = None
    in_project = picture.picture_id is not None
    if in_project and not segment_ids:
        session.history.did_as_well(*laid(session, mask, name))
    relabel(session)
    if in_project and not _is_called(session, mask, name):
        session.history.did_as_well(*laid(session, mask, name))
        relabel(session)
    tune_in_background(session)
    return source


def laid(session: Session, mask: Mask, name: str | None) -> tuple[Callable[[], None], Callable[[], None]]:
    """Lays a mask over the answer of the project's picture under work; returns what lifts it, and lays it again."""
    project, picture_id = project_of(session).project, picture_of(session).picture_id
    assert picture_id is not None, "it is asked for pictures of projects alone"
    numbers = [project.correct(picture_id, mask, name)]

    def lift() -> None:
        project.withdraw(picture_id, numbers.pop())

    def lay() -> None:
        numbers.append(project.correct(picture_id, mask, name))

    return lift, lay


def check_open(session: Session) -> None:
    """``UsageError`` if the picture under work is checked: nothing in it changes until that is taken back."""
    picture_id = picture_of(session).picture_id
    if picture_id is not None and project_of(session).project.picture(picture_id).state == "checked":
        raise UsageError("the picture is checked; press Reopen before you change it")


def _is_called(session: Session, mask: Mask, name: str) -> bool:
    """Whether most of a mask has a class in the current answer."""
    segmentation = picture_of(session).segmentation
    info = segmentation.vocabulary.find(name)
    inside = segmentation.semantic[mask.slices][mask.crop]
    return info is not None and bool((inside == info.class_id).mean() > 0.5)


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
