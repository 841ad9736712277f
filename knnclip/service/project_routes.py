"""The projects of a store as routes: how far each is, its pictures and answers, apply to all, accept, export."""

from __future__ import annotations

import tempfile
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from knnclip.errors import UsageError
from knnclip.files import path_text
from knnclip.output.segment_json import segment_json
from knnclip.projects import STATES, Picture, Project, State
from knnclip.projects.orders import Order
from knnclip.service import wire
from knnclip.service.engine import Engine
from knnclip.service.masks import MaskForm, mask_json
from knnclip.service.projects import Projects
from knnclip.service.refusals import RefusedError, refused_as

Json = dict[str, Any]

ALL: list[State] = list(STATES)
CHECKED: list[State] = ["checked"]


class ProjectJson(BaseModel):
    """A folder that people work on."""

    project_id: str
    name: str
    used: str = Field(description="When it was last opened: ISO 8601, UTC.")


class StandingJson(BaseModel):
    """How far a project is, and its background work."""

    pictures: int = Field(description="That can be worked on.")
    counts: dict[State, int]
    rejected: int = Field(description="Pictures that cannot be read.")
    is_running: bool = Field(description="Whether pictures are being relabelled.")
    total: int = Field(description="Pictures of this run.")
    done: int
    error: str | None


class PictureJson(BaseModel):
    """A picture of a project."""

    picture_id: int
    path: str = Field(description="Within the folder.")
    state: State
    rejected: str | None = Field(description="Why it cannot be read.")
    note: str | None
    unknown: float | None = Field(description="Share of the picture that has no name; null while untouched.")
    least_confidence: float | None


class KeptAnswer(BaseModel):
    """The answer of a picture as it is kept, with what people drew over it."""

    width_px: int
    height_px: int
    segments: list[wire.SegmentJson]


def router(engine: Engine, projects: Projects) -> APIRouter:
    """The routes of the projects of one engine."""
    routes = APIRouter(
        prefix="/v1/projects", responses={"4XX": {"model": wire.Problem}, "5XX": {"model": wire.Problem}}
    )

    @routes.get("", response_model=list[ProjectJson])
    def known() -> list[Json]:
        """The projects of the store, the last used first; they are made in the demo or in Python."""
        return [
            {"project_id": project_id, "name": info.name, "used": info.used}
            for project_id, info in projects.known().items()
        ]

    @routes.get("/{project_id}", response_model=StandingJson)
    def standing(project_id: str) -> Json:
        """How many pictures are in which state, and how far the background is."""
        project = projects.get(project_id)
        now, run = project.standing, project.applying
        return {
            "pictures": now.pictures,
            "counts": dict(now.counts),
            "rejected": now.rejected,
            "is_running": run.is_running,
            "total": run.total,
            "done": run.done,
            "error": run.error,
        }

    @routes.get("/{project_id}/pictures", response_model=list[PictureJson])
    def pictures(
        project_id: str, order: Order = "path", state: Annotated[list[State], Query()] = ALL, name: wire.Text = ""
    ) -> list[Json]:
        """The pictures in an order, of some states alone, or with a class of this name in their answers alone."""
        found = projects.get(project_id).pictures(order, states=state, class_name=name or None)
        return [_picture_json(one) for one in found]

    @routes.get("/{project_id}/pictures/{picture_id}", response_model=KeptAnswer)
    def answer(project_id: str, picture_id: int, masks: MaskForm = "rle") -> Json:
        """The answer that is kept of a picture, in its own pixels."""
        with refused_as(HTTPStatus.NOT_FOUND):
            kept = projects.get(project_id).answer(picture_id)
        if kept is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, "the picture has no answer yet; POST to /apply first")
        height, width = kept.shape
        segments = [{**segment_json(one, explained=False), "mask": mask_json(one.mask, masks)} for one in kept.segments]
        return {"width_px": width, "height_px": height, "segments": segments}

    @routes.post("/{project_id}/apply", status_code=HTTPStatus.ACCEPTED, response_model=StandingJson)
    def apply(project_id: str) -> Json:
        """Has the background relabel every picture whose answer is not of the store as it is now."""
        with engine.writing():
            projects.get(project_id).start()
        return standing(project_id)

    @routes.post("/{project_id}/stop", status_code=HTTPStatus.NO_CONTENT)
    def stop(project_id: str) -> None:
        """Ends the background after the picture under work."""
        with engine.writing():
            projects.get(project_id).stop()

    @routes.post(
        "/{project_id}/pictures/{picture_id}/accept", status_code=HTTPStatus.CREATED, response_model=wire.Taught
    )
    def accept(project_id: str, picture_id: int) -> Json:
        """Checks a picture: its answer is stored as instances."""
        with engine.writing():
            return {"source_id": _usable(projects.get(project_id), picture_id).accept(picture_id)}

    @routes.post("/{project_id}/pictures/{picture_id}/unaccept", status_code=HTTPStatus.NO_CONTENT)
    def unaccept(project_id: str, picture_id: int) -> None:
        """Takes back that a picture was checked, and what the store learned by it."""
        with engine.writing():
            _usable(projects.get(project_id), picture_id).unaccept(picture_id)

    @routes.get("/{project_id}/export", response_class=FileResponse)
    def export(
        project_id: str,
        write: Annotated[str, Query(description="Formats as knnclip segment --write takes them.")] = "coco",
        state: Annotated[list[State], Query()] = CHECKED,
        least_confidence: Annotated[float, Query(ge=0, le=1)] = 0.0,
        pictures: Annotated[bool, Query(description="With the picture files.")] = True,
    ) -> Response:
        """The answers of pictures in some states as a zip of other tools' formats."""
        formats = [name.strip() for name in write.split(",") if name.strip()]
        if not formats:
            raise UsageError("write: expected names of formats with commas between, as coco,yolo")
        folder = tempfile.TemporaryDirectory(prefix="knnclip-")
        try:
            file, rejected = projects.export(project_id, Path(folder.name), formats, state, least_confidence, pictures)
            if rejected:
                raise RefusedError(
                    HTTPStatus.CONFLICT, f"{rejected[0].file}: {rejected[0].reason}; nothing is exported"
                )
        except BaseException:
            folder.cleanup()
            raise
        return FileResponse(file, filename=file.name, background=BackgroundTask(folder.cleanup))

    return routes


def _usable(project: Project, picture_id: int) -> Project:
    with refused_as(HTTPStatus.NOT_FOUND):
        project.picture(picture_id)
    return project


def _picture_json(picture: Picture) -> Json:
    summary = picture.summary
    return {
        "picture_id": picture.picture_id,
        "path": path_text(picture.path),
        "state": picture.state,
        "rejected": picture.rejected,
        "note": picture.note,
        "unknown": None if summary is None else summary.unknown,
        "least_confidence": None if summary is None else summary.least_confidence,
    }
