"""The app without a browser: every act as a named endpoint with types, for ``gradio_client``.

A client is a session as a tab is one: it has a picture under work, and its own undo.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio import FileData
from gradio.events import api

from demo import payload
from demo.evaluate import evaluate_picked
from demo.ingest import described, ingest_picked
from demo.payload import Json
from demo.picker import open_folder, open_zip
from demo.reporting import check_writable, reported_to_clients
from demo.session import Session, Sessions
from demo.uploads import errors_name, uploaded_file
from demo.vocabulary import counts, export_store
from knnclip.evaluation.report.formats import PERCENT
from knnclip.store import Store


def build(sessions: Sessions) -> None:
    """Adds the endpoints to the page under construction."""

    def of(request: gr.Request) -> Session:
        return sessions.of(request.session_hash)

    def segment(picture: FileData, request: gr.Request) -> dict[str, Any]:
        """Open a picture and return its segments."""
        session = of(request)
        with session.lock:
            session.open(*uploaded_file(picture))  # type: ignore[arg-type]
            return payload.summary(session)

    def explain(segment_id: int, request: gr.Request) -> dict[str, Any]:
        """The class probabilities and the stored instances behind a segment of the open picture."""
        session = of(request)
        with session.lock:
            return payload.explained(session.segment(segment_id))

    def teach(name: str, segments: list[int], request: gr.Request) -> dict[str, Any]:
        """Teach segments of the open picture, or the drawn mask if none is given; returns the picture relabelled."""
        session = of(request)
        with session.lock:
            source = session.teach(name, segments)
            return payload.summary(session) | {"source": source}

    def draw_point(x: int, y: int, request: gr.Request) -> dict[str, Any]:
        """Take the smallest region at a point of the open picture, for /teach to teach next; again, a larger one."""
        session = of(request)
        with session.lock:
            mask = session.draw_point((x, y))
            return {"box_xyxy": mask.box_xyxy, "area_px": mask.area}

    def draw_box(x0: int, y0: int, x1: int, y1: int, request: gr.Request) -> dict[str, Any]:
        """Find the object in a box of the open picture, for /teach to teach next."""
        session = of(request)
        with session.lock:
            mask = session.draw_box((x0, y0, x1, y1))
            return {"box_xyxy": mask.box_xyxy, "area_px": mask.area}

    def draw_strokes(strokes: list[list[list[float]]], width_px: float, request: gr.Request) -> dict[str, Any]:
        """Find the object under lines through points (x, y) of the open picture, for /teach to teach next."""
        session = of(request)
        with session.lock:
            mask = session.draw_strokes([[(x, y) for x, y in stroke] for stroke in strokes], width_px)
            return {"box_xyxy": mask.box_xyxy, "area_px": mask.area}

    def undo(request: gr.Request) -> str:
        """Take back what this session did last, and say what that was."""
        session = of(request)
        with session.lock:
            return session.undo()

    def redo(request: gr.Request) -> str:
        """Do again what this session took back last, and say what that was."""
        session = of(request)
        with session.lock:
            return session.redo()

    def remove(instance_id: int, request: gr.Request) -> str:
        """Take one stored instance out of the store; /undo brings it back."""
        session = of(request)
        with session.lock:
            session.remove(instance_id)
        return f"removed instance {instance_id}"

    def classes(request: gr.Request) -> list[dict[str, Any]]:
        """The classes with their synonyms and counts."""
        session = of(request)
        found: list[Json] = []
        for info in session.segmenter.store.vocabulary():
            rows, images = counts(session, info)
            kind = "thing" if info.is_thing else "stuff"
            found.append(
                {"name": info.name, "kind": kind, "synonyms": info.synonyms, "instances": rows, "images": images}
            )
        return found

    def rename(old: str, new: str, request: gr.Request) -> str:
        """Give a class another name."""
        of(request).segmenter.store.rename(old, new)
        return f"renamed {old} to {new}"

    def merge(name: str, into: str, request: gr.Request) -> int:
        """Make a class part of another; returns how many instances moved."""
        return of(request).segmenter.store.merge([name], into)

    def forget(name: str, request: gr.Request) -> int:
        """Remove a class for good; returns how many instances that were."""
        return of(request).segmenter.store.forget(class_name=name, reason="forgotten through the demo's API")

    def export_file(request: gr.Request) -> FileData:
        """The whole store as one file."""
        return FileData(path=str(export_store(of(request))))

    def import_file(file: FileData, request: gr.Request) -> int:
        """Add the instances of an exported store; returns how many were new."""
        check_writable(sessions.options.read_only)
        path, name = uploaded_file(file)  # type: ignore[arg-type]
        with errors_name(path, name):
            return Store.import_file(of(request).segmenter.store.path, path)

    def ingest_folder(folder: str, only: list[str], request: gr.Request) -> str:
        """Store the labelled data set in a folder that the app offers, of all classes or of some."""
        check_writable(sessions.options.read_only)
        chosen = open_folder(sessions.options.data_roots, folder)
        return described(chosen, ingest_picked(of(request), chosen, only))

    def ingest_zip(file: FileData, only: list[str], request: gr.Request) -> str:
        """Store the labelled data set in a zip file, of all classes or of some."""
        check_writable(sessions.options.read_only)
        chosen = open_zip(of(request), *uploaded_file(file), "api")  # type: ignore[arg-type]
        return described(chosen, ingest_picked(of(request), chosen, only))

    def evaluate_folder(folder: str, request: gr.Request) -> dict[str, Any]:
        """Score the store on a labelled data set that the app offers."""
        chosen = open_folder(sessions.options.data_roots, folder)
        scores = evaluate_picked(of(request), chosen).scores.semantic
        return {
            "miou": scores.miou,
            "pacc": scores.pacc,
            "coverage": scores.coverage,
            "iou_percent": {row.name: PERCENT.number(row.iou) for row in scores.classes},
        }

    endpoints: dict[str, Callable[..., Any]] = {
        "segment": segment,
        "explain": explain,
        "teach": teach,
        "draw_point": draw_point,
        "draw_box": draw_box,
        "draw_strokes": draw_strokes,
        "undo": undo,
        "redo": redo,
        "remove": remove,
        "classes": classes,
        "rename": rename,
        "merge": merge,
        "forget": forget,
        "export": export_file,
        "import": import_file,
        "ingest_folder": ingest_folder,
        "ingest_zip": ingest_zip,
        "evaluate_folder": evaluate_folder,
    }
    for name, endpoint in endpoints.items():
        api(reported_to_clients(endpoint), api_name=name, api_description=endpoint.__doc__)
