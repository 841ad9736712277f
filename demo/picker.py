"""Choosing a labelled data set: a zip file that is uploaded, or a folder under an allowed root."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from demo.acts import act
from demo.listeners import Listeners
from demo.reporting import paragraph
from demo.session import ChosenDataset, EvaluateState, IngestState, Session
from demo.trial import try_to_read
from demo.uploads import errors_naming, uploaded
from knnclip.datasets import detect_format, open_dataset
from knnclip.datasets.archive import extract_zip
from knnclip.errors import DatasetError, UsageError

DEPTH = 3
"""Data sets are looked for so many folders below a root: enough for ROOT/NAME/VERSION/SPLIT, and a root that is a whole
disk is not walked through.
"""

SHOWN_CLASSES = 30
"""Names of so many classes are told of a data set, which is a few lines."""


HOLDS = (
    "A zip file holds pictures and their labels. The simplest: a folder images, a folder labels with a PNG of the same "
    "name for each, whose pixels are the numbers of the classes, and classes.txt with a line each: number, name.",
    "COCO, YOLO segmentation, LabelMe, CVAT, Pascal VOC, ADE20K, Cityscapes and others are recognised as their tools "
    "export them; knnclip datasets lists all with their folders.",
)


@dataclass(frozen=True)
class Picker:
    """The components of one picker; ``chosen`` says what was recognised, ``classes`` lets some classes be named."""

    chosen: gr.HTML
    classes: gr.Dropdown


def build(
    listeners: Listeners, purpose: str, state: Callable[[Session], IngestState | EvaluateState], *, by_class: bool
) -> Picker:
    """Lays out a picker; what is chosen lies in the session's ``state``. ``by_class`` offers to name classes of it."""
    roots = listeners.options.data_roots
    with gr.Row():
        file = gr.File(label="A zip file of a labelled data set", file_types=[".zip"], height=140)
        with gr.Column():
            folder = gr.Dropdown(list(folders(roots)), value=None, label="or a folder on the server")
            again = gr.Button("Look for folders again", size="sm")
    chosen = gr.HTML(
        paragraph("Nothing is chosen yet.") + "".join(map(paragraph, HOLDS)), elem_id=f"{purpose}-chosen", padding=True
    )
    classes = gr.Dropdown([], multiselect=True, label="Only these classes (all, if none is named)", visible=False)

    def choose(session: Session, dataset: ChosenDataset) -> tuple[object, object]:
        before, state(session).dataset = state(session).dataset, dataset
        discard(session, before)
        names = list(dataset.dataset.class_names)
        return paragraph(described(dataset)), gr.Dropdown(names, value=[], visible=by_class)

    @act(holds="nothing")
    def choose_zip(session: Session, path: str | None) -> tuple[object, object]:
        if path is None:
            return gr.skip(), gr.skip()
        return choose(session, open_zip(session, uploaded(path), Path(path).name))

    @act(holds="nothing")
    def choose_folder(session: Session, name: str | None) -> tuple[object, object]:
        if name is None:
            return gr.skip(), gr.skip()
        return choose(session, open_folder(roots, name))

    shown = [chosen, classes]
    file.upload(listeners.for_page(choose_zip), file, shown, api_visibility="private")
    folder.input(listeners.for_page(choose_folder), folder, shown, api_visibility="private")
    again.click(lambda: gr.Dropdown(list(folders(roots))), None, folder, api_visibility="private")
    return Picker(chosen, classes)


def chosen_dataset(state: IngestState | EvaluateState) -> ChosenDataset:
    """The data set that was chosen; ``UsageError`` if none was."""
    if state.dataset is None:
        raise UsageError("no data set is chosen; upload a zip file or choose a folder first")
    return state.dataset


def open_zip(session: Session, file: Path, name: str) -> ChosenDataset:
    """Unpacks an archive into the session's scratch and opens it; ``name`` is the client's for the file.

    ``DatasetError`` if it cannot be unpacked or holds no data set that is known.
    """
    folder = Path(tempfile.mkdtemp(dir=session.folder, prefix="unpacked-"))
    try:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()[:12]
        with errors_naming(folder, name), errors_naming(file, name):
            data = extract_zip(file, folder)
            try_to_read("dataset", data, session.ended.is_set)
            return ChosenDataset(open_dataset(data), f"{name}#{digest}", folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def discard(session: Session, chosen: ChosenDataset | None) -> None:
    """Removes what was unpacked for a data set that is not chosen any more; work under way may still read it."""
    if chosen is not None and chosen.unpacked is not None and session.work.acquire(blocking=False):
        try:
            shutil.rmtree(chosen.unpacked, ignore_errors=True)
        finally:
            session.work.release()


def open_folder(roots: tuple[Path, ...], name: str) -> ChosenDataset:
    """Opens a folder by the name that ``folders`` gave it; ``UsageError`` for any other name."""
    path = folders(roots).get(name)
    if path is None:
        raise UsageError(
            f"{name!r} is no data set under an allowed root; start the demo with --data FOLDER to allow more"
        )
    return ChosenDataset(open_dataset(path), str(path.resolve()))


def folders(roots: tuple[Path, ...]) -> Mapping[str, Path]:
    """The data sets under the roots, by the name that people see."""
    return {f"{root.name}/{path.relative_to(root)}": path for root in roots for path in _data_sets(root, DEPTH)}


def _data_sets(folder: Path, depth: int) -> Iterator[Path]:
    try:
        detect_format(folder)
    except DatasetError:
        if depth and folder.is_dir():
            for inside in sorted(folder.iterdir()):
                if inside.is_dir() and not inside.is_symlink():
                    yield from _data_sets(inside, depth - 1)
    else:
        yield folder


def described(chosen: ChosenDataset) -> str:
    """What was recognised, before anything is done with it."""
    dataset = chosen.dataset
    names = list(dataset.class_names)
    more = f" and {len(names) - SHOWN_CLASSES} more" if len(names) > SHOWN_CLASSES else ""
    refused = f"; {len(dataset.rejected)} entries cannot be used" if dataset.rejected else ""
    return f"Format {dataset.summary}{refused}. Its classes: {', '.join(names[:SHOWN_CLASSES])}{more}."
