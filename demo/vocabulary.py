"""The tab that looks after the classes: what they hold, and renaming, merging and forgetting them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import gradio as gr
import numpy as np

from demo.payload import crops, short
from demo.reporting import check_writable, paragraph, reported
from demo.session import Session, Sessions
from demo.uploads import errors_name, uploaded
from knnclip.errors import UsageError
from knnclip.output.colors import with_distinct_colors
from knnclip.store import Store
from knnclip.structures import Image
from knnclip.vocabulary import ClassInfo

BY_NAME, MOST, FEWEST, NEWEST = "name", "most instances", "fewest instances", "newest"
CLASSES_SHOWN, PAGE = 60, 24
SWATCH_PX = 96


def build(sessions: Sessions, tab: gr.Tab) -> None:
    """Lays out the tab."""
    writable = not sessions.options.read_only
    with gr.Row():
        wanted = gr.Textbox(label="Filter by name", placeholder="part of a name")
        order = gr.Dropdown([BY_NAME, MOST, FEWEST, NEWEST], value=BY_NAME, label="Sort by")
    gallery = gr.Gallery(
        label="Classes",
        columns=6,
        height="auto",
        object_fit="cover",
        allow_preview=False,
        elem_id="classes",
        buttons=[],
    )
    note = gr.HTML(elem_id="classes-note", padding=True)
    with gr.Group(visible=False, elem_id="class") as whole:
        title = gr.HTML(elem_id="class-title", padding=True)
        instances = gr.Gallery(
            label="Stored instances", columns=8, height="auto", object_fit="contain", allow_preview=False, buttons=[],
            elem_id="instances",
        )  # fmt: skip
        with gr.Row():
            back = gr.Button("Earlier instances", size="sm")
            forth = gr.Button("More instances", size="sm")
        with gr.Row():
            new_name = gr.Textbox(label="New name", max_length=1000)
            rename = gr.Button("Rename", interactive=writable)
            into = gr.Dropdown([], label="Make it part of")
            merge = gr.Button("Merge", interactive=writable)
        forget = gr.Button("Forget this class", variant="stop", interactive=writable)
        with gr.Group(visible=False, elem_id="confirm") as confirm:
            question = gr.HTML(elem_id="question", padding=True)
            with gr.Row():
                yes = gr.Button("Forget it for good", variant="stop", elem_id="confirm-forget")
                no = gr.Button("Keep it")
    with gr.Row():
        export = gr.Button("Export the store as one file")
        imported = gr.UploadButton("Import a store file", file_types=[".knnclip"], interactive=writable)
    exported = gr.File(label="The store as one file", visible=False, elem_id="exported")

    shown = [gallery, note, whole, title, instances, new_name, into, confirm]

    def show(session: Session, part: str, by: str, text: str = "", *, fresh: bool = True) -> tuple[object, ...]:
        """What the tab shows; with ``fresh`` what was typed or chosen for a class is over, too."""
        classes = listed(session, part, by)
        session.listed = tuple(info.name for info in classes[:CLASSES_SHOWN])
        vocabulary = session.segmenter.store.vocabulary()
        chosen = vocabulary.find(session.chosen) if session.chosen is not None else None
        others = [info.name for info in vocabulary if info != chosen]
        hidden = len(classes) - len(session.listed)
        more = f"{hidden:,} more classes are not shown; filter by name to find them." if hidden else ""
        return (
            class_pictures(session, classes[:CLASSES_SHOWN]),
            paragraph(f"{text} {more or f'{len(classes):,} classes.'}".strip()),
            gr.Group(visible=chosen is not None),
            "" if chosen is None else paragraph(class_title(session, chosen)),
            [] if chosen is None else instance_pictures(session, chosen.name),
            "" if fresh else gr.Textbox(),
            gr.Dropdown(others, value=None) if fresh else gr.Dropdown(others),
            gr.Group(visible=False),
        )

    def listener(act: Callable[[Session], str]) -> Callable[[str, str, gr.Request], tuple[object, ...]]:
        """What an act on the session leaves to be shown."""

        @reported
        def listen(part: str, by: str, request: gr.Request) -> tuple[object, ...]:
            session = sessions.of(request.session_hash)
            with session.lock:
                text = act(session)
                return show(session, part, by, text, fresh=bool(text))

        return listen

    def choose(part: str, by: str, event: gr.SelectData, request: gr.Request) -> tuple[object, ...]:
        session = sessions.of(request.session_hash)
        with session.lock:
            if 0 <= event.index < len(session.listed):
                session.chosen, session.page = session.listed[event.index], 0
            return show(session, part, by)

    @reported
    def rename_it(name: str, part: str, by: str, request: gr.Request) -> tuple[object, ...]:
        session = sessions.of(request.session_hash)
        with session.lock:
            old = chosen_class(session).name
            session.segmenter.store.rename(old, name.strip())
            session.chosen = name.strip()
            return show(session, part, by, f"{old} is now called {name.strip()}; its old name stays a synonym.")

    @reported
    def merge_it(target: str | None, part: str, by: str, request: gr.Request) -> tuple[object, ...]:
        session = sessions.of(request.session_hash)
        if not target:
            raise UsageError("choose the class that this one shall be part of")
        with session.lock:
            name = chosen_class(session).name
            moved = session.segmenter.store.merge([name], target)
            session.chosen = target
            return show(session, part, by, f"{moved:,} instances of {name} now belong to {target}.")

    @reported
    def ask(request: gr.Request) -> tuple[object, ...]:
        session = sessions.of(request.session_hash)
        info = chosen_class(session)
        rows, images = counts(session, info)
        text = f"Forget {info.name}, all {rows:,} instances of {images:,} images? This cannot be undone."
        return gr.Group(visible=True), paragraph(text)

    def forget_it(session: Session) -> str:
        name = chosen_class(session).name
        count = session.segmenter.store.forget(class_name=name, reason="forgotten in the demo")
        session.chosen = None
        return f"Forgot {name}: {count:,} instances are gone."

    def turn(pages: int) -> Callable[[Session], str]:
        def act(session: Session) -> str:
            rows, _ = counts(session, chosen_class(session))
            session.page = min(max(session.page + pages, 0), max(rows - 1, 0) // PAGE)
            return ""

        return act

    @reported
    def export_it(request: gr.Request) -> gr.File:
        return gr.File(str(export_store(sessions.of(request.session_hash))), visible=True)

    @reported
    def import_it(file: str, part: str, by: str, request: gr.Request) -> tuple[object, ...]:
        check_writable(sessions.options.read_only)
        session = sessions.of(request.session_hash)
        with errors_name(Path(file), Path(file).name):
            count = Store.import_file(session.segmenter.store.path, uploaded(file))
        return show(session, part, by, f"Imported {count:,} instances.")

    asked = [wanted, order]
    look = listener(lambda _: "")
    for event in (tab.select, order.input, wanted.change):
        event(look, asked, shown, show_progress="hidden", api_visibility="private")
    gallery.select(choose, asked, shown, show_progress="hidden", api_visibility="private")
    back.click(listener(turn(-1)), asked, shown, api_visibility="private")
    forth.click(listener(turn(1)), asked, shown, api_visibility="private")
    for event in (rename.click, new_name.submit):
        event(rename_it, [new_name, *asked], shown, api_visibility="private")
    merge.click(merge_it, [into, *asked], shown, api_visibility="private")
    no.click(lambda: gr.Group(visible=False), None, confirm, api_visibility="private")
    forget.click(ask, None, [confirm, question], api_visibility="private")
    yes.click(listener(forget_it), asked, shown, api_visibility="private")
    export.click(export_it, None, exported, api_visibility="private")
    imported.upload(import_it, [imported, *asked], shown, api_visibility="private")


def chosen_class(session: Session) -> ClassInfo:
    """The class that is shown whole; ``UsageError`` if there is none, or if it is gone."""
    if session.chosen is None:
        raise UsageError("no class is chosen; choose one first")
    return session.segmenter.store.vocabulary().by_name(session.chosen)


def counts(session: Session, info: ClassInfo) -> tuple[int, int]:
    """How many instances, of how many images, a class has."""
    with session.segmenter.store.view() as view:
        vocabulary, census = view.vocabulary, view.census
    column = int(vocabulary.columns(np.array([info.class_id]))[0])
    return int(census.instances[column]), int(census.images[column])


def listed(session: Session, part: str, by: str) -> list[ClassInfo]:
    """The classes whose name or synonym has a part, in the order asked for."""
    with session.segmenter.store.view() as view:
        vocabulary, census = view.vocabulary, view.census
    rows = dict(zip(vocabulary.class_ids.tolist(), census.instances.tolist(), strict=True))
    found = [
        info for info in vocabulary if any(part.casefold() in name.casefold() for name in (info.name, *info.synonyms))
    ]
    keys: dict[str, Callable[[ClassInfo], object]] = {
        BY_NAME: lambda info: info.name.casefold(),
        MOST: lambda info: -rows[info.class_id],
        FEWEST: lambda info: rows[info.class_id],
        NEWEST: lambda info: -info.class_id,
    }
    return sorted(found, key=keys[by])  # type: ignore[arg-type]


def class_title(session: Session, info: ClassInfo) -> str:
    """A class in a line."""
    rows, images = counts(session, info)
    kind = "thing" if info.is_thing else "stuff"
    also = f"; also called {', '.join(info.synonyms)}" if info.synonyms else ""
    shown = (
        f"; {session.page * PAGE + 1:,} to {min(rows, (session.page + 1) * PAGE):,} are shown" if rows > PAGE else ""
    )
    return f"{info.name}: {kind}, {rows:,} instances of {images:,} images{also}{shown}"


def class_pictures(session: Session, classes: list[ClassInfo]) -> list[tuple[Image, str]]:
    """A picture of each class, its own colour where no instance has one, and its name and count."""
    store = session.segmenter.store
    colors = {info.class_id: info.color for info in with_distinct_colors(store.vocabulary())}
    examples = store.examples()
    evidence = store.evidence(examples.values())
    pictures = dict(zip(evidence, crops(store, evidence.values()), strict=True))
    shown = []
    for info in classes:
        picture = pictures.get(examples.get(info.class_id, 0))
        swatch = np.full((SWATCH_PX, SWATCH_PX, 3), colors[info.class_id], dtype=np.uint8)
        shown.append((swatch if picture is None else picture, f"{info.name} · {counts(session, info)[0]:,}"))
    return shown


def instance_pictures(session: Session, name: str) -> list[tuple[Image, str]]:
    """One page of a class's instances, each with the image and the source that it is from."""
    store = session.segmenter.store
    page = list(islice(store.instances(name), session.page * PAGE, (session.page + 1) * PAGE))
    evidence = store.evidence([item.instance_id for item in page])
    blank = np.full((SWATCH_PX, SWATCH_PX, 3), 128, dtype=np.uint8)
    return [
        (blank if picture is None else picture, f"{short(item.image_ref)} · source {item.source_id}")
        for item, picture in zip(evidence.values(), crops(store, evidence.values()), strict=True)
    ]


def export_store(session: Session) -> Path:
    """The store as one new file in the session's scratch."""
    store = session.segmenter.store
    folder = session.folder / f"export-{store.generation}"
    file = folder / f"{store.path.name}.knnclip"
    if not file.exists():
        folder.mkdir(exist_ok=True)
        store.export(file)
    return file
