"""Choosing a labelled data set: a zip file that is uploaded, or a folder under an allowed root."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from demo.reporting import paragraph, reported
from demo.session import Picked, Session, Sessions
from demo.uploads import errors_name, uploaded
from knnclip.datasets import detect_format, open_dataset
from knnclip.datasets.archive import extract_zip
from knnclip.errors import DatasetError, UsageError

DEPTH = 3
"""Data sets are looked for so many folders below a root."""

SHOWN_CLASSES = 30


@dataclass(frozen=True)
class Picker:
    """The components of one picker; ``changed`` is what other components wait for."""

    chosen: gr.HTML
    classes: gr.Dropdown


def build(sessions: Sessions, purpose: str) -> Picker:
    """Lays out a picker; what is chosen lies in ``Session.picked[purpose]``."""
    roots = sessions.options.data_roots
    with gr.Row():
        file = gr.File(label="A zip file of a labelled data set", file_types=[".zip"], height=140)
        with gr.Column():
            folder = gr.Dropdown(list(folders(roots)), value=None, label="or a folder on the server")
            again = gr.Button("Look for folders again", size="sm")
    chosen = gr.HTML(paragraph("Nothing is chosen yet."), elem_id=f"{purpose}-chosen", padding=True)
    classes = gr.Dropdown([], multiselect=True, label="Only these classes (all, if none is named)", visible=False)

    def show(session: Session, picked: Picked) -> tuple[str, gr.Dropdown]:
        session.picked[purpose] = picked
        return paragraph(described(picked)), gr.Dropdown(
            list(picked.dataset.class_names), value=[], visible=purpose == "ingest"
        )

    @reported
    def unpack(path: str | None, request: gr.Request) -> tuple[str, gr.Dropdown]:
        if path is None:
            return gr.skip(), gr.skip()
        session = sessions.of(request.session_hash)
        return show(session, open_zip(session, uploaded(path), Path(path).name, purpose))

    @reported
    def take(name: str | None, request: gr.Request) -> tuple[str, gr.Dropdown]:
        if name is None:
            return gr.skip(), gr.skip()
        return show(sessions.of(request.session_hash), open_folder(roots, name))

    file.upload(unpack, file, [chosen, classes], api_visibility="private")
    folder.input(take, folder, [chosen, classes], api_visibility="private")
    again.click(lambda: gr.Dropdown(list(folders(roots))), None, folder, api_visibility="private")
    return Picker(chosen, classes)


def open_zip(session: Session, file: Path, name: str, purpose: str) -> Picked:
    """Unpacks an archive in the session's scratch, in place of the last one for this purpose, and opens it."""
    folder = session.folder / f"unpacked-{purpose}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()[:12]
    with errors_name(folder, name), errors_name(file, name):
        return Picked(open_dataset(extract_zip(file, folder)), f"{name}#{digest}")


def open_folder(roots: tuple[Path, ...], name: str) -> Picked:
    """Opens a folder by the name that ``folders`` gave it; ``UsageError`` for any other name."""
    path = folders(roots).get(name)
    if path is None:
        raise UsageError(
            f"{name!r} is no data set under an allowed root; start the demo with --data FOLDER to allow more"
        )
    return Picked(open_dataset(path), str(path.resolve()))


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


def described(picked: Picked) -> str:
    """What was recognised, before anything is done with it."""
    dataset = picked.dataset
    names = list(dataset.class_names)
    more = f" and {len(names) - SHOWN_CLASSES} more" if len(names) > SHOWN_CLASSES else ""
    refused = f"; {len(dataset.rejected)} entries cannot be used" if dataset.rejected else ""
    return (
        f"Format {dataset.format}: {len(dataset.samples):,} images, {len(names)} classes "
        f"({', '.join(names[:SHOWN_CLASSES])}{more}){refused}."
    )
