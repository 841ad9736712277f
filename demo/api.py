"""The app without a browser: every act as a named endpoint with types, for ``gradio_client``.

A client is a session as a tab is one: it has a picture under work, and its own undo. The docstrings and the parameters'
names and types are what clients are told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradio import FileData
from gradio.events import api

from demo import canvas, classes, folder_api, payload, teaching
from demo.acts import Act, act
from demo.evaluate import evaluate_chosen
from demo.ingest import described, ingest_chosen
from demo.listeners import Listeners
from demo.payload import Json
from demo.picker import discard, open_folder, open_zip
from demo.session import Session
from demo.uploads import uploaded_file
from knnclip.evaluation.report.formats import PERCENT
from knnclip.output.segment_json import segment_json
from knnclip.structures import Mask


def build(listeners: Listeners) -> None:
    """Adds the endpoints to the page under construction."""
    for name, endpoint in ENDPOINTS.items():
        api(listeners.for_client(endpoint), api_name=name, api_description=endpoint.__doc__)


@act()
def segment(session: Session, picture: FileData) -> Json:
    """Open a picture and return its segments."""
    teaching.open_picture(session, *uploaded_file(picture))
    return payload.summary(session)


@act()
def explain(session: Session, segment_id: int) -> Json:
    """A segment of the open picture with the class probabilities and the stored instances behind it.

    For an unknown one also what it may be called: suggestions, which no answer depends on.
    """
    found = teaching.segment_of(session, segment_id)
    suggested = [{"name": one.name, "probability": one.probability} for one in teaching.suggestions(session, found)]
    return segment_json(found) | {"suggestions": suggested}


@act(writes=True)
def teach(session: Session, name: str, segments: list[int]) -> Json:
    """Teach segments of the open picture, or the drawn mask if none is given; returns the picture relabelled."""
    source = teaching.teach(session, name, segments)
    return payload.summary(session) | {"source_id": source}


@act()
def draw_point(session: Session, x: int, y: int) -> Json:
    """Take the smallest region at a point of the open picture, for /teach to teach next; again, a larger one."""
    mask, _ = teaching.draw_point(session, (x, y))
    return _drawn(mask)


@act()
def draw_box(session: Session, x0: int, y0: int, x1: int, y1: int) -> Json:
    """Find the object in a box of the open picture, for /teach to teach next."""
    return _drawn(teaching.draw_box(session, (x0, y0, x1, y1)))


@act()
def draw_strokes(session: Session, strokes: list[list[list[float]]], width_px: float) -> Json:
    """Find the object under lines through points (x, y) of the open picture, for /teach to teach next."""
    return _drawn(teaching.draw_strokes(session, canvas.checked_strokes(strokes), width_px))


@act()
def draw_mask(session: Session, mask: Json) -> Json:
    """Take a mask of the open picture as it is, for /teach to teach next.

    It has a box, (x0, y0, x1, y1) in whole pixels, and counts, COCO's compressed run lengths of the crop in it.
    """
    checked = canvas.checked_mask(mask, teaching.picture_of(session).segmentation.shape)
    return _drawn(teaching.draw_mask(session, checked))


def _drawn(mask: Mask) -> Json:
    return {"box_xyxy": mask.box_xyxy, "area_px": mask.area}


@act(writes=True)
def undo(session: Session) -> str:
    """Take back what this session did last, and say what that was."""
    return teaching.undo(session)


@act(writes=True)
def redo(session: Session) -> str:
    """Do again what this session took back last, and say what that was."""
    return teaching.redo(session)


@act(writes=True)
def withdraw(session: Session, instance_id: int) -> str:
    """Take back the whole teaching of a stored instance, or one ingested instance; /undo brings it back."""
    return teaching.withdraw(session, instance_id)


@act()
def list_classes(session: Session) -> list[Json]:
    """The classes with their synonyms and counts."""
    store = session.segmenter.store
    held = classes.counts(store)
    return [
        {
            "name": info.name,
            "kind": "thing" if info.is_thing else "stuff",
            "synonyms": info.synonyms,
            "instances": held[info.class_id].instances,
            "images": held[info.class_id].images,
        }
        for info in store.vocabulary()
    ]


@act(writes=True)
def rename(session: Session, old: str, new: str) -> str:
    """Give a class another name."""
    classes.rename(session, old, new)
    return f"renamed {old} to {new}"


@act(writes=True)
def merge(session: Session, name: str, into: str) -> int:
    """Make a class part of another; returns how many instances moved."""
    return classes.merge(session, name, into)


@act(writes=True)
def forget(session: Session, name: str) -> int:
    """Remove a class for good; returns how many instances that were."""
    return classes.forget(session, name, "forgotten through the demo's API")


@act()
def export_store(session: Session) -> FileData:
    """The whole store as one file."""
    return FileData(path=str(classes.export_store(session)))


@act(writes=True)
def import_store(session: Session, file: FileData) -> int:
    """Add the instances of an exported store; returns how many were new."""
    return classes.import_store(session, *uploaded_file(file))


@act(writes=True, holds="nothing")
def ingest_folder(session: Session, folder: str, only: list[str]) -> str:
    """Store the labelled data set in a folder that the app offers, of all classes or of some."""
    chosen = open_folder(session.options.data_roots, folder)
    return described(chosen, ingest_chosen(session, chosen, only))


@act(writes=True, holds="nothing")
def ingest_zip(session: Session, file: FileData, only: list[str]) -> str:
    """Store the labelled data set in a zip file, of all classes or of some."""
    chosen = open_zip(session, *uploaded_file(file))
    try:
        return described(chosen, ingest_chosen(session, chosen, only))
    finally:
        discard(session, chosen)


@act(holds="nothing")
def evaluate_folder(session: Session, folder: str) -> Json:
    """Score the store on a labelled data set that the app offers."""
    chosen = open_folder(session.options.data_roots, folder)
    scores = evaluate_chosen(session, chosen).scores.semantic
    return {
        "miou": scores.miou,
        "pacc": scores.pacc,
        "coverage": scores.coverage,
        "iou_percent": {row.name: PERCENT.number(row.iou) for row in scores.classes},
    }


ENDPOINTS: Mapping[str, Act[..., Any]] = {
    "segment": segment,
    "explain": explain,
    "teach": teach,
    "draw_point": draw_point,
    "draw_box": draw_box,
    "draw_strokes": draw_strokes,
    "draw_mask": draw_mask,
    "undo": undo,
    "redo": redo,
    "withdraw": withdraw,
    "classes": list_classes,
    "rename": rename,
    "merge": merge,
    "forget": forget,
    "export": export_store,
    "import": import_store,
    "ingest_folder": ingest_folder,
    "ingest_zip": ingest_zip,
    "evaluate_folder": evaluate_folder,
    **folder_api.ENDPOINTS,
}
