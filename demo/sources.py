"""What was added to the store, act by act: each is seen and forgotten whole, on the tab of the classes."""

from __future__ import annotations

from typing import Any

import gradio as gr

from demo.acts import act
from demo.evidence import file_name
from demo.listeners import Listeners
from demo.reporting import paragraph
from demo.session import Session
from knnclip.errors import UsageError
from knnclip.store import SourceInfo

SOURCES_SHOWN = 500
"""The newest ones: more than a day of teaching, and few enough for a list in a page."""


def build(listeners: Listeners, tab: gr.Tab) -> Any:  # noqa: ANN401 - Gradio's
    """Lays out the components, and returns the event after which the store has less."""
    with gr.Accordion("What was added: teachings, ingests, imports", open=False, elem_id="sources"):
        chosen = gr.Dropdown([], label="Added, the newest first", elem_id="source")
        ask_first = gr.Button("Forget what this added", variant="stop", interactive=not listeners.options.read_only)
        with gr.Group(visible=False) as confirm:
            question = gr.HTML(padding=True)
            with gr.Row():
                yes = gr.Button("Forget it", variant="stop", elem_id="confirm-source")
                no = gr.Button("Keep it", elem_id="keep-source")

    tab.select(listeners.for_page(show), None, [chosen, confirm], show_progress="hidden", api_visibility="private")
    ask_first.click(listeners.for_page(ask), chosen, [confirm, question], api_visibility="private")
    no.click(lambda: gr.Group(visible=False), None, confirm, api_visibility="private")
    forgotten = yes.click(listeners.for_page(forget), chosen, None, api_visibility="private")
    return forgotten.success(listeners.for_page(show), None, [chosen, confirm], api_visibility="private").success


@act()
def show(session: Session) -> tuple[gr.Dropdown, gr.Group]:
    """The list as it is now, nothing chosen."""
    infos = [info for info in session.segmenter.store.sources() if info.instances]
    choices = [(_line(info), info.source_id) for info in reversed(infos)][:SOURCES_SHOWN]
    return gr.Dropdown(choices, value=None), gr.Group(visible=False)


@act()
def ask(session: Session, source_id: int | None) -> tuple[gr.Group, str]:
    """The question before what a source added is forgotten."""
    info = _source(session, source_id)
    back = "Undo on the Teach tab brings it back." if info.kind == "teach" else "This cannot be undone."
    return gr.Group(visible=True), paragraph(f"Forget {_line(info)}? {back}")


@act(writes=True)
def forget(session: Session, source_id: int | None) -> None:
    """Takes back a teaching, to be undone by this session, or forgets an ingest or an import for good."""
    info = _source(session, source_id)
    if info.kind == "teach":
        session.history.withdraw_teaching(info.source_id)
    else:
        session.segmenter.store.forget(source_id=info.source_id, reason="forgotten in the demo")


def _source(session: Session, source_id: int | None) -> SourceInfo:
    if source_id is None:
        raise UsageError("no teaching, ingest or import is chosen; choose one first")
    return session.segmenter.store.source(source_id)


def _line(info: SourceInfo) -> str:
    """A source in a line; of a teaching the class and the picture's name."""
    taught, _, ref = info.description.rpartition(" in ")
    what = f"{taught} in {file_name(ref)}" if info.kind == "teach" else file_name(ref)
    when = info.created.replace("T", " ").removesuffix("Z")
    return f"{info.source_id}: {info.kind} {what}, {info.instances:,} instances, {when} UTC"
