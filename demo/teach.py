"""The tab that teaches: a picture, its regions, a name, and why. What is seen lies in ``static/workbench.*``."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from demo import payload
from demo.payload import Json
from demo.session import Session, Sessions
from demo.uploads import uploaded
from knnclip.errors import KnnclipError, UsageError
from knnclip.structures import Box

STATIC = Path(__file__).parent / "static"
POLL_S = 2.0
EXAMPLE_PX = 160
MOST_POINTS = 100_000
"""Of a scribble; a hand that draws for minutes makes fewer."""

Act = Callable[[Session, Json], Json]


def build(sessions: Sessions, demo: gr.Blocks) -> None:
    """Lays out the tab inside ``demo``."""
    workbench = gr.HTML(
        html_template=(STATIC / "workbench.html").read_text(encoding="utf-8"),
        css_template=(STATIC / "workbench.css").read_text(encoding="utf-8"),
        js_on_load=(STATIC / "workbench.js").read_text(encoding="utf-8"),
        elem_id="workbench",
    )

    def answer(session: Session, act: Callable[[], Json]) -> Json:
        with session.lock:
            try:
                message = act()
            except KnnclipError as error:
                message = {"kind": "error", "text": str(error)}
            except Exception:  # the page waits for an answer, whatever happens here
                logging.getLogger(__name__).exception("a request of the page failed")
                message = {"kind": "error", "text": "the server failed at this; its log says why"}
            return _stamped(session, message, sessions.options.read_only)

    def listener(act: Act) -> Callable[[gr.EventData, gr.Request], Json]:
        def listen(event: gr.EventData, request: gr.Request) -> Json:
            session = sessions.of(request.session_hash)
            return answer(session, lambda: act(session, event._data))

        return listen

    acts: dict[Callable[..., Any], Act] = {
        workbench.upload: _open,
        workbench.select: _select,
        workbench.apply: _draw,
        workbench.submit: _teach,
        workbench.delete: _remove,
        workbench.undo: _undo,
        workbench.retry: _redo,
    }
    for event, act in acts.items():
        event(listener(act), None, workbench, show_progress="hidden", api_visibility="private")

    examples = sessions.options.examples

    def open_example(session: Session, index: int) -> Json:
        session.open(examples[index], examples[index].name)
        return payload.view(session, with_picture=True) | {"text": f"opened {examples[index].name}"}

    def picked(event: gr.SelectData, request: gr.Request) -> Json:
        session = sessions.of(request.session_hash)
        return answer(session, lambda: open_example(session, int(event.index)))

    def greet(request: gr.Request) -> Json:
        session = sessions.of(request.session_hash)
        return answer(session, lambda: open_example(session, 0) if examples else {"kind": "note"})

    def relabel(request: gr.Request) -> Any:  # noqa: ANN401 - Gradio's word for "no change" has no type
        session = sessions.of(request.session_hash)
        # An act under way relabels at its end; waiting for it here would only queue more of these.
        if session.generation == session.segmenter.store.generation or not session.lock.acquire(blocking=False):
            return gr.skip()
        try:
            return answer(session, lambda: _relabelled(session))
        finally:
            session.lock.release()

    if examples:
        gallery = gr.Gallery(
            [(str(path), path.stem.replace("_", " ")) for path in examples],
            label="Examples",
            columns=len(examples),
            height=EXAMPLE_PX,
            allow_preview=False,
            object_fit="cover",
            buttons=[],
            elem_id="examples",
        )
        gallery.select(picked, None, workbench, show_progress="hidden", api_visibility="private")
    demo.load(greet, None, workbench, show_progress="hidden", api_visibility="private")
    timer = gr.Timer(POLL_S)
    timer.tick(relabel, None, workbench, show_progress="hidden", api_visibility="private")


def _stamped(session: Session, message: Json, read_only: bool) -> Json:
    return message | {
        "seq": next(session.sequence),
        "names": [info.name for info in session.segmenter.store.vocabulary()],
        "undo": session.history.next_undo,
        "redo": session.history.next_redo,
        "readOnly": read_only,
    }


def _open(session: Session, data: Json) -> Json:
    name = Path(str(data.get("name"))).name or "picture"
    session.open(uploaded(data.get("path")), name)
    return payload.view(session, with_picture=True) | {"text": f"opened {name}"}


def _select(session: Session, data: Json) -> Json:
    _check_version(session, data)
    return payload.panel(session, session.segment(_whole(data.get("segment"))))


def _draw(session: Session, data: Json) -> Json:
    if "point" in data:
        mask = session.draw_point(_point(data["point"]), add=bool(data.get("add")))
    elif "box" in data:
        mask = session.draw_box(_box(data["box"]))
    else:
        mask = session.draw_strokes(_strokes(data.get("strokes")), _number(data.get("width")))
    hint = "click again for a larger region" if "point" in data else "draw again"
    return payload.drawn(mask) | {"text": f"type a name for what is marked, or {hint}"}


def _teach(session: Session, data: Json) -> Json:
    segments = data.get("segments")
    if not isinstance(segments, list):
        raise UsageError("the page sent no list of segments; load it again")
    if segments:
        _check_version(session, data)
    name = str(data.get("name"))
    session.teach(name, [_whole(segment) for segment in segments])
    return payload.view(session, with_picture=False) | {"text": f"taught {name.strip()}", "clearName": True}


def _remove(session: Session, data: Json) -> Json:
    session.remove(_whole(data.get("instance")))
    return payload.view(session, with_picture=False) | {"text": "removed the instance from the store"}


def _undo(session: Session, _: Json) -> Json:
    undone = session.undo()
    return _after(session, f"undone: {undone}")


def _redo(session: Session, _: Json) -> Json:
    redone = session.redo()
    return _after(session, f"done again: {redone}")


def _after(session: Session, text: str) -> Json:
    shown: Json = {"kind": "note"} if session.analysis is None else payload.view(session, with_picture=False)
    return shown | {"text": text}


def _relabelled(session: Session) -> Json:
    session.relabel()
    return _after(session, "") | {"unasked": True}


def _check_version(session: Session, data: Json) -> None:
    if data.get("version") != session.version:
        raise UsageError("the picture was relabelled a moment ago, since the store changed; select again")


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise UsageError(f"expected a whole number from the page, found {value!r}; load the page again")
    return value


def _number(value: object) -> float:
    if not isinstance(value, int | float):
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


def _strokes(value: object) -> list[list[tuple[float, float]]]:
    if not isinstance(value, list) or not all(isinstance(stroke, list) for stroke in value):
        raise UsageError("expected a scribble from the page; draw it again")
    points = [point for stroke in value for point in stroke]
    if len(points) > MOST_POINTS:
        raise UsageError(f"a scribble has at most {MOST_POINTS:,} points, found {len(points):,}; draw a shorter one")
    if not all(isinstance(point, list) and len(point) == 2 for point in points):
        raise UsageError("expected a scribble of points (x, y) from the page; draw it again")
    return [[(_number(x), _number(y)) for x, y in stroke] for stroke in value]
