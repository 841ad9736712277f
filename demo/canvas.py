"""What the canvas of the page asks for: each act takes the plain data that it sent and answers with a message.

A message has a ``kind``, by which ``static/workbench/main.js`` takes it. What comes in is checked here: it may be
anything.
"""

from __future__ import annotations

import math
from pathlib import Path

from demo import payload, teaching
from demo.acts import act
from demo.payload import Json
from demo.session import PointPrompt, Session
from demo.uploads import uploaded
from knnclip.errors import MaskError, UsageError
from knnclip.output.rendering import anchor
from knnclip.rle import check_mask
from knnclip.structures import Box, Mask

MOST_POINTS = 100_000
"""Of a scribble; a hand that draws for minutes makes fewer."""


@act()
def open_upload(session: Session, data: Json) -> Json:
    """Opens a file that the page has uploaded."""
    name = Path(str(data.get("name"))).name or "picture"
    teaching.open_picture(session, uploaded(data.get("path")), name)
    return payload.answer(session, with_picture=True) | {"text": f"opened {name}"}


@act()
def open_example(session: Session, index: int) -> Json:
    """Opens one of the pictures that the app offers."""
    if index >= len(session.options.examples):
        raise UsageError(f"there is no example {index}; choose one of those shown")
    path = session.options.examples[index]
    teaching.open_picture(session, path, path.name)
    return payload.answer(session, with_picture=True) | {"text": f"opened {path.name}"}


@act()
def select(session: Session, data: Json) -> Json:
    """Explains the segment that was selected."""
    _check_version(session, data)
    return payload.explanation(session, teaching.segment_of(session, _whole(data.get("segment"))))


@act()
def draw(session: Session, data: Json) -> Json:
    """Finds what was meant by a point, a box or strokes; what the page does with it is its own."""
    again, hint = False, "draw again"
    if "point" in data:
        mask, point = teaching.draw_point(session, _point(data["point"]))
        again, hint = point.again, _what_next(point)
    elif "box" in data:
        mask = teaching.draw_box(session, _box(data["box"]))
    else:
        mask = teaching.draw_strokes(session, checked_strokes(data.get("strokes")), number(data.get("width")))
    return payload.drawn(mask) | {"again": again, "text": f"type a name for what is marked, or {hint}"}


@act()
def show_all_pixels(session: Session, _: Json) -> Json:
    """The picture unreduced, for a page that looks at it closely."""
    return payload.detail(session)


@act(writes=True)
def teach(session: Session, data: Json) -> Json:
    """Teaches what is selected, or the mask that was drawn."""
    name = data.get("name")
    if not isinstance(name, str):
        raise UsageError("the page sent no name; type one")
    teaching.teach(session, name, taken_up(session, data))
    return payload.answer(session, with_picture=False) | {"text": _taught(session, name.strip())}


def taken_up(session: Session, data: Json) -> list[int]:
    """What is marked in the page: the segments that are selected, else the mask that was drawn, which is taken."""
    segments = data.get("segments")
    if not isinstance(segments, list):
        raise UsageError("the page sent no list of segments; load it again")
    if segments:
        _check_version(session, data)
    if "mask" in data:
        teaching.draw_mask(session, checked_mask(data["mask"], teaching.picture_of(session).segmentation.shape))
    return [_whole(segment) for segment in segments]


@act(writes=True)
def withdraw(session: Session, data: Json) -> Json:
    """Takes back what a piece of evidence came with, and explains the segment that it was shown for as it is now."""
    instance_id = _whole(data.get("instance_id"))
    shown = None
    if data.get("segment") is not None:
        _check_version(session, data)
        shown = anchor(teaching.segment_of(session, _whole(data.get("segment"))).mask)
    message: Json = {"text": teaching.withdraw(session, instance_id)}
    if shown is not None and (segment := teaching.segment_at(session, shown)) is not None:
        message["explained"] = payload.explanation(session, segment)
    return _current(session) | message


@act(writes=True)
def undo(session: Session, _: Json) -> Json:
    """Takes back the last act."""
    undone = teaching.undo(session)
    return _current(session) | {"text": f"undone: {undone}"}


@act(writes=True)
def redo(session: Session, _: Json) -> Json:
    """Does it again."""
    redone = teaching.redo(session)
    return _current(session) | {"text": f"done again: {redone}"}


@act()
def relabel(session: Session) -> Json:
    """The picture by the store as it is now, which the page has not asked for."""
    teaching.relabel(session)
    return _current(session)


def _current(session: Session) -> Json:
    """The answer as it is now, nothing where no picture is open."""
    return {"kind": "note"} if session.teach.picture is None else payload.answer(session, with_picture=False)


def _what_next(point: PointPrompt) -> str:
    if point.levels == 1:
        return "draw a box: this is the only region here"
    if point.again and point.level == 0:
        return "click again: this is the smallest region once more, of " + str(point.levels)
    largest = " (this is the largest; the smallest comes next)" if point.level == point.levels - 1 else ""
    return f"click again for a larger region: this is {point.level + 1} of {point.levels}{largest}"


def _taught(session: Session, name: str) -> str:
    """What a teaching has changed in the picture."""
    info = session.segmenter.store.vocabulary().find(name)
    segmentation = teaching.picture_of(session).segmentation
    regions = [segment for segment in segmentation.segments if info is not None and segment.class_id == info.class_id]
    share = sum(segment.mask.area for segment in regions) / segmentation.panoptic.size
    count = "1 region" if len(regions) == 1 else f"{len(regions)} regions"
    return f"taught {name}: {count} here, {share:.1%} of the picture"


def _check_version(session: Session, data: Json) -> None:
    if data.get("version") != teaching.picture_of(session).version:
        raise UsageError("the picture was relabelled a moment ago, since the store changed; select again")


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise UsageError(f"expected a whole number from the page, found {value!r}; load the page again")
    return value


def number(value: object) -> float:
    """A finite number from the page; ``UsageError`` for anything else."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise UsageError(f"expected a number from the page, found {value!r}; load the page again")
    return float(value)


def _point(value: object) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise UsageError(f"expected a point of two numbers from the page, found {value!r}; click again")
    return _whole(value[0]), _whole(value[1])


def _box(value: object) -> Box:
    if not isinstance(value, list) or len(value) != 4:
        raise UsageError(f"expected a box of four numbers from the page, found {value!r}; draw it again")
    x0, y0, x1, y1 = (_whole(edge) for edge in value)
    return x0, y0, x1, y1


def checked_mask(value: object, shape: tuple[int, int]) -> Mask:
    """A mask from a client, a box and COCO's compressed run lengths of the crop in it, of a picture ``(H, W)``.

    ``UsageError`` if it is none of this picture.
    """
    if not isinstance(value, dict) or not isinstance(counts := value.get("counts"), str) or not counts.isascii():
        raise UsageError("expected a mask of a box and run lengths from the page; draw it again")
    box = _box(value.get("box"))
    try:
        check_mask(counts.encode(), box, shape[1], shape[0])
        return Mask.decode(counts.encode(), box, shape)
    except MaskError as error:
        raise UsageError(f"the mask that was sent is none of this picture ({error}); draw it again") from None


def checked_strokes(value: object) -> list[list[tuple[float, float]]]:
    """A scribble of points from a client; ``UsageError`` if it is none, or too long."""
    if not isinstance(value, list) or not all(isinstance(stroke, list) for stroke in value):
        raise UsageError("expected a scribble from the page; draw it again")
    points = [point for stroke in value for point in stroke]
    if len(points) > MOST_POINTS:
        raise UsageError(f"a scribble has at most {MOST_POINTS:,} points, found {len(points):,}; draw a shorter one")
    if not all(isinstance(point, list) and len(point) == 2 for point in points):
        raise UsageError("expected a scribble of points (x, y) from the page; draw it again")
    return [[(number(x), number(y)) for x, y in stroke] for stroke in value]
