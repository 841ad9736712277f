"""The tab that looks after the classes: what they hold, and renaming, merging and forgetting them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from demo import classes, sources
from demo.acts import Act, act
from demo.classes import INSTANCES_SHOWN, KINDS, ORDERS, STUFF, THING, chosen_class
from demo.listeners import Listeners
from demo.reporting import paragraph
from demo.selection import chosen_index
from demo.session import Session
from demo.uploads import uploaded
from knnclip.errors import UsageError
from knnclip.vocabulary import MAX_NAME_LENGTH

CLASSES_SHOWN = 60
"""Classes shown at once, ten lines of six; in a store with more the filter finds them sooner than the eye."""

Shown = tuple[object, ...]


@dataclass(frozen=True)
class Overview:
    """The components that show all classes."""

    name_filter: gr.Textbox
    order: gr.Dropdown
    gallery: gr.Gallery
    note: gr.HTML


@dataclass(frozen=True)
class OneClass:
    """The components that show one class whole."""

    group: gr.Group
    title: gr.HTML
    instances: gr.Gallery
    back: gr.Button
    forth: gr.Button
    new_name: gr.Textbox
    rename: gr.Button
    into: gr.Dropdown
    merge: gr.Button
    forget: gr.Button
    confirm: gr.Group
    question: gr.HTML
    yes: gr.Button
    no: gr.Button
    kind: gr.Radio
    color: gr.ColorPicker
    set_look: gr.Button
    confirm_merge: gr.Group
    merge_question: gr.HTML
    yes_merge: gr.Button
    no_merge: gr.Button


def build(listeners: Listeners, tab: gr.Tab) -> None:
    """Lays out the tab."""
    writable = not listeners.options.read_only
    overview = _overview()
    one = _one_class(writable)
    asked = [overview.name_filter, overview.order]
    shown = [
        overview.gallery,
        overview.note,
        one.group,
        one.title,
        one.instances,
        one.new_name,
        one.into,
        one.confirm,
        one.confirm_merge,
    ]

    def listen(event: Any, do: Act[..., Any], inputs: Any = asked, outputs: Any = shown, **how: Any) -> None:  # noqa: ANN401 - Gradio's
        event(listeners.for_page(do), inputs, outputs, api_visibility="private", **how)

    for look in (tab.select, overview.order.input, overview.name_filter.change):
        listen(look, show, show_progress="hidden")
    listen(overview.gallery.select, choose, show_progress="hidden")
    listen(one.back.click, turn_back)
    listen(one.forth.click, turn_on)
    for event in (one.rename.click, one.new_name.submit):
        listen(event, rename, [one.new_name, *asked])
    listen(one.set_look.click, set_look, [one.kind, one.color, *asked])
    listen(one.merge.click, ask_merge, one.into, [one.confirm_merge, one.merge_question])
    listen(one.yes_merge.click, merge, [one.into, *asked])
    one.no_merge.click(lambda: gr.Group(visible=False), None, one.confirm_merge, api_visibility="private")
    listen(one.forget.click, ask, None, [one.confirm, one.question])
    listen(one.yes.click, forget)
    one.no.click(lambda: gr.Group(visible=False), None, one.confirm, api_visibility="private")
    listen(sources.build(listeners, tab), show)
    with gr.Row():
        export = gr.Button("Export the store as one file")
        imported = gr.UploadButton("Import a store file", file_types=[".knnclip"], interactive=writable)
    exported = gr.File(label="The store as one file", visible=False, elem_id="exported")
    listen(export.click, export_store, None, exported)
    listen(imported.upload, import_store, [imported, *asked])


def _overview() -> Overview:
    with gr.Row():
        name_filter = gr.Textbox(label="Filter by name", placeholder="part of a name")
        order = gr.Dropdown(list(ORDERS), value=ORDERS[0], label="Sort by")
    gallery = gr.Gallery(
        label="Classes", columns=6, height="auto", object_fit="cover", allow_preview=False, buttons=[],
        elem_id="classes",
    )  # fmt: skip
    return Overview(name_filter, order, gallery, gr.HTML(elem_id="classes-note", padding=True))


def _one_class(writable: bool) -> OneClass:
    with gr.Group(visible=False, elem_id="class") as group:
        title = gr.HTML(elem_id="class-title", padding=True)
        instances = gr.Gallery(
            label="Stored instances", columns=8, height="auto", object_fit="contain", allow_preview=False, buttons=[],
            elem_id="instances",
        )  # fmt: skip
        with gr.Row():
            back = gr.Button("Earlier instances", size="sm")
            forth = gr.Button("More instances", size="sm")
        with gr.Row():
            new_name = gr.Textbox(label="New name", max_length=MAX_NAME_LENGTH)
            rename = gr.Button("Rename", interactive=writable)
            into = gr.Dropdown([], label="Make it part of")
            merge = gr.Button("Merge", interactive=writable)
        with gr.Row():
            kind = gr.Radio(list(KINDS), label="Kind")
            color = gr.ColorPicker(label="Colour", elem_id="class-color")
            set_look = gr.Button("Set kind and colour", interactive=writable)
        with gr.Group(visible=False, elem_id="confirm-merging") as confirm_merge:
            merge_question = gr.HTML(padding=True)
            with gr.Row():
                yes_merge = gr.Button("Merge them", variant="stop", elem_id="confirm-merge")
                no_merge = gr.Button("Keep both", elem_id="keep-both")
        forget = gr.Button("Forget this class", variant="stop", interactive=writable)
        with gr.Group(visible=False, elem_id="confirm") as confirm:
            question = gr.HTML(elem_id="question", padding=True)
            with gr.Row():
                yes = gr.Button("Forget it for good", variant="stop", elem_id="confirm-forget")
                no = gr.Button("Keep it")
    return OneClass(
        group, title, instances, back, forth, new_name, rename, into, merge, forget, confirm, question, yes, no,
        kind, color, set_look, confirm_merge, merge_question, yes_merge, no_merge,
    )  # fmt: skip


@act()
def show(session: Session, name_filter: str, order: str) -> Shown:
    """The tab as it is now; what is typed or chosen for a class stays."""
    return _shown(session, name_filter, order)


@act()
def choose(session: Session, name_filter: str, order: str, event: gr.EventData) -> Shown:
    """Shows the class that was clicked whole."""
    state, index = session.vocabulary, chosen_index(event)
    if index < len(state.listed):
        state.chosen, state.page = state.listed[index], 0
    return _shown(session, name_filter, order, fresh=True)


@act()
def turn_back(session: Session, name_filter: str, order: str) -> Shown:
    """Shows the page of instances before this one."""
    return _turned(session, -1, name_filter, order)


@act()
def turn_on(session: Session, name_filter: str, order: str) -> Shown:
    """Shows the next page of instances."""
    return _turned(session, 1, name_filter, order)


def _turned(session: Session, pages: int, name_filter: str, order: str) -> Shown:
    held = classes.counts(session.segmenter.store)[chosen_class(session).class_id]
    last = max(held.instances - 1, 0) // INSTANCES_SHOWN
    session.vocabulary.page = min(max(session.vocabulary.page + pages, 0), last)
    return _shown(session, name_filter, order)


@act(writes=True)
def rename(session: Session, name: str, name_filter: str, order: str) -> Shown:
    """Gives the class that is shown another name."""
    old, new = chosen_class(session).name, name.strip()
    classes.rename(session, old, new)
    session.vocabulary.chosen = new
    return _shown(session, name_filter, order, f"{old} is now called {new}; its old name stays a synonym.", fresh=True)


@act(writes=True)
def set_look(session: Session, kind: str | None, color: str | None, name_filter: str, order: str) -> Shown:
    """Sets the kind and the colour of the class that is shown."""
    name = chosen_class(session).name
    classes.set_look(session, name, kind or "", color or "")
    return _shown(session, name_filter, order, f"{name} is {kind} in its new colour.", fresh=True)


@act(writes=True)
def merge(session: Session, target: str | None, name_filter: str, order: str) -> Shown:
    """Makes the class that is shown part of another, which is shown then."""
    if not target:
        raise UsageError("choose the class that this one shall be part of")
    name = chosen_class(session).name
    moved = classes.merge(session, name, target)
    session.vocabulary.chosen = target
    return _shown(session, name_filter, order, f"{moved:,} instances of {name} now belong to {target}.", fresh=True)


@act()
def ask_merge(session: Session, target: str | None) -> Shown:
    """The question before a class becomes part of another."""
    if not target:
        raise UsageError("choose the class that this one shall be part of")
    info = chosen_class(session)
    held = classes.counts(session.segmenter.store)[info.class_id]
    text = f"Make {info.name}, {held.instances:,} instances, part of {target}? Nobody can take them apart afterwards."
    return gr.Group(visible=True), paragraph(text)


@act()
def ask(session: Session) -> Shown:
    """The question before a class is forgotten."""
    info = chosen_class(session)
    held = classes.counts(session.segmenter.store)[info.class_id]
    text = f"Forget {info.name}, all {held.instances:,} instances of {held.images:,} images? This cannot be undone."
    return gr.Group(visible=True), paragraph(text)


@act(writes=True)
def forget(session: Session, name_filter: str, order: str) -> Shown:
    """Removes the class that is shown for good."""
    name = chosen_class(session).name
    count = classes.forget(session, name, "forgotten in the demo")
    session.vocabulary.chosen = None
    return _shown(session, name_filter, order, f"Forgot {name}: {count:,} instances are gone.", fresh=True)


@act()
def export_store(session: Session) -> gr.File:
    """Offers the store as one file."""
    return gr.File(str(classes.export_store(session)), visible=True)


@act(writes=True)
def import_store(session: Session, file: str, name_filter: str, order: str) -> Shown:
    """Adds what an exported store holds."""
    count = classes.import_store(session, uploaded(file), Path(file).name)
    return _shown(session, name_filter, order, f"Imported {count:,} instances.", fresh=True)


def _shown(session: Session, name_filter: str, order: str, text: str = "", *, fresh: bool = False) -> Shown:
    """What the tab shows, with what an act has to say; with ``fresh`` what was typed for a class is over, too."""
    found = classes.listed(session, name_filter, order)
    state = session.vocabulary
    state.listed = tuple(info.name for info in found[:CLASSES_SHOWN])
    vocabulary = session.segmenter.store.vocabulary()
    chosen = vocabulary.find(state.chosen) if state.chosen is not None else None
    others = [info.name for info in vocabulary if info != chosen]
    hidden = len(found) - len(state.listed)
    more = f"{hidden:,} more classes are not shown; filter by name to find them." if hidden else ""
    return (
        classes.class_pictures(session, found[:CLASSES_SHOWN]),
        paragraph(f"{text} {more or f'{len(found):,} classes.'}".strip()),
        gr.Group(visible=chosen is not None),
        "" if chosen is None else paragraph(classes.class_title(session, chosen)),
        [] if chosen is None else classes.instance_pictures(session, chosen.name),
        "" if fresh else gr.Textbox(),
        gr.Dropdown(others, value=None) if fresh else gr.Dropdown(others),
        gr.Group(visible=False),
        gr.Group(visible=False),
        gr.Radio() if chosen is None else (THING if chosen.is_thing else STUFF),
        gr.ColorPicker() if chosen is None else classes.shown_color(session, chosen),
    )
