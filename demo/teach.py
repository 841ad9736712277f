"""The tab that teaches: a picture, its regions, a name, and why. What is seen lies in ``static/workbench.*``."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from demo import canvas, filmstrip, folder_news, teaching
from demo.acts import Act, act
from demo.arguments import check_arguments
from demo.listeners import Listeners, message_of
from demo.payload import Json
from demo.selection import chosen_index
from demo.session import Session

STATIC = Path(__file__).parent / "static"

POLL_S = 2.0
"""How often a page asks whether others have changed the store: soon enough to be noticed beside one's own work."""

EXAMPLE_PX = 70
"""Height of the examples: one line above the picture, which is still in sight as a whole."""


def build(listeners: Listeners, page: gr.Blocks) -> None:
    """Lays out the tab inside ``page``."""
    examples = _examples(listeners.options.examples) if listeners.options.examples else None
    workbench = gr.HTML(
        html_template=(STATIC / "workbench.html").read_text(encoding="utf-8"),
        css_template=(STATIC / "workbench.css").read_text(encoding="utf-8"),
        js_on_load=(STATIC / "workbench.js").read_text(encoding="utf-8"),
        elem_id="workbench",
    )

    def listen(event: Callable[..., Any], do: Act[..., Any]) -> None:
        answer = listeners.listener(do, _no_session)
        # The canvas waits for one answer before it asks again, but then at once: Gradio may not have noticed by then
        # that the first one has come, and would drop the second. What asks unasked must not pile up.
        mode = "once" if do in (poll, greet) else "multiple"
        event(answer, None, workbench, show_progress="hidden", trigger_mode=mode, api_visibility="private")

    # Gradio's names for events of a component; what each means here is what is done.
    listen(workbench.upload, _asked_by_canvas(canvas.open_upload))
    listen(workbench.select, _asked_by_canvas(canvas.select))
    listen(workbench.apply, _asked_by_canvas(canvas.draw))
    listen(workbench.submit, _asked_by_canvas(canvas.teach))
    listen(workbench.expand, _asked_by_canvas(canvas.show_all_pixels))
    listen(workbench.delete, _asked_by_canvas(canvas.withdraw))
    listen(workbench.undo, _asked_by_canvas(canvas.undo))
    listen(workbench.retry, _asked_by_canvas(canvas.redo))
    listen(workbench.input, _asked_by_canvas(filmstrip.ask))
    if examples is not None:
        listen(examples.select, choose_example)
    listen(page.load, greet)
    listen(gr.Timer(POLL_S).tick, poll)


def _examples(paths: tuple[Path, ...]) -> gr.Gallery:
    return gr.Gallery(
        [str(path) for path in paths],
        label="Examples",
        show_label=False,
        columns=len(paths),
        height=EXAMPLE_PX,
        allow_preview=False,
        object_fit="cover",
        buttons=[],
        elem_id="examples",
    )


def _asked_by_canvas(do: Act[[Json], Json]) -> Act[..., Any]:
    """An act on the data that came with an event of the canvas."""

    def listen(session: Session, event: gr.EventData) -> Json:
        def asked() -> Json:
            check_arguments(do, [event._data])
            return do(session, event._data)

        number = event._data.get("act") if isinstance(event._data, dict) else None
        return answered(session, asked, act=number if type(number) is int else 0)

    return Act(listen, holds="nothing")


@act()
def answered(session: Session, do: Callable[[], Json], act: int = 0) -> Json:
    """The message that ``do`` makes, or one that says what went wrong, with what the page shows of every answer.

    ``act`` is the page's number of the act that is answered, 0 if it has not asked for it.
    """
    try:
        message = do()
    except Exception as error:  # the page waits for an answer, whatever happens here
        message = {"kind": "error", "text": message_of(error, session.options)}
    session.teach.act = max(session.teach.act, act)
    return message | {
        "act": session.teach.act,
        "seq": next(session.sequence),
        "names": [info.name for info in session.segmenter.store.vocabulary()],
        "undo": session.history.next_undo,
        "redo": session.history.next_redo,
        "readOnly": session.options.read_only,
        **folder_news.told(session),
    }


def _no_session(message: str) -> Json:
    """The answer where not even a session could be had."""
    return {"kind": "error", "text": message, "seq": time.time_ns() // 1000}


@act()
def choose_example(session: Session, event: gr.EventData) -> Json:
    """Opens the example that was clicked."""
    return answered(session, lambda: canvas.open_example(session, chosen_index(event)))


@act()
def greet(session: Session) -> Json:
    """What a page shows when it was loaded: the first example, if there is one."""
    return answered(session, lambda: canvas.open_example(session, 0) if session.options.examples else {"kind": "note"})


@act(holds="nothing")
def poll(session: Session) -> Any:  # noqa: ANN401 - Gradio's word for "no change" has no type
    """The picture relabelled, if somebody has changed the store since, and what is new of the folder."""
    # An act under way relabels at its end; waiting for it here would only queue more of these.
    if not session.lock.acquire(blocking=False):
        return gr.skip()
    try:
        is_current = teaching.is_current(session)
        if is_current and not folder_news.has_news(session):
            return gr.skip()
        return answered(session, lambda: {"kind": "note"} if is_current else canvas.relabel(session))
    finally:
        session.lock.release()
