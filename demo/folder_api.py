"""A folder of pictures without a browser: endpoints as those of ``api``, on the project that a client has open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradio import FileData

from demo import exporting, folder, payload, teaching
from demo.acts import Act, act
from demo.folders import picture_folders
from demo.payload import Json
from demo.session import Session
from knnclip.files import path_text
from knnclip.vocabulary import check_name


@act()
def projects(session: Session) -> Json:
    """The folders of pictures that may be opened, and the projects that are known already, the last used first."""
    return {
        "folders": list(picture_folders(session.options.data_roots)),
        "known": [{"key": folder.key_of(info), "name": info.name, "used": info.used} for info in folder.known(session)],
    }


@act()
def open_project(session: Session, name: str, labels: str | None, person: str) -> Json:
    """Open a folder of pictures that /projects lists, or a known project by its key; returns how far it is.

    ``labels`` is the format of its labels or "auto", None to do without; ``person`` is whom others see at a picture.
    """
    if name in picture_folders(session.options.data_roots):
        folder.open_folder(session, name, labels, check_name(person))
    else:
        folder.open_known(session, name, check_name(person))
    return _standing(session)


@act()
def pictures(session: Session, order: str) -> list[Json]:
    """The pictures of the open project in an order: path, review, least-sure, most-unknown, newest or differing."""
    found = teaching.project_of(session).project.pictures(folder.checked_order(order))
    return [
        {
            "picture_id": one.picture_id,
            "path": path_text(one.path),
            "state": one.state,
            "rejected": one.rejected,
            "unknown": None if one.summary is None else one.summary.unknown,
            "confidence": None if one.summary is None else one.summary.confidence,
        }
        for one in found
    ]


@act()
def open_picture(session: Session, picture_id: int) -> Json:
    """Open a picture of the project and return its segments; /teach, /undo and the others then mean this one."""
    folder.show(session, picture_id)
    return payload.summary(session)


@act(writes=True)
def accept(session: Session) -> Json:
    """Check the open picture of the project: its answer is stored as instances; /undo takes that back."""
    folder.accept(session)
    return _standing(session)


@act(writes=True)
def reopen(session: Session) -> Json:
    """Take back that the open picture of the project was checked, and what the store learned by it."""
    folder.reopen(session)
    return _standing(session)


@act(writes=True)
def not_an_object(session: Session, segments: list[int]) -> Json:
    """Say of segments of the open picture, or of the drawn mask if none is given, that they are no object."""
    folder.reject(session, segments)
    return payload.summary(session)


@act(holds="nothing")
def export_project(session: Session, formats: list[str], states: list[str], least_confidence: float) -> FileData:
    """The answers of the project as a zip, in formats of other tools, of pictures of some states.

    ``least_confidence``: only pictures of which every named segment is as confident.
    """
    wanted = exporting.Wanted(tuple(formats), folder.checked_states(states), least_confidence)
    project = teaching.project_of(session).project
    return FileData(path=str(exporting.write_zip(project, wanted, session.downloads, lambda: None)))


def _standing(session: Session) -> Json:
    project = teaching.project_of(session).project
    standing = project.standing
    return {
        "name": project.name,
        "pictures": standing.pictures,
        "rejected": standing.rejected,
        **{str(state): count for state, count in standing.counts.items()},
        "running": project.applying.is_running,
    }


ENDPOINTS: Mapping[str, Act[..., Any]] = {
    "projects": projects,
    "open_project": open_project,
    "pictures": pictures,
    "open_picture": open_picture,
    "accept": accept,
    "reopen": reopen,
    "not_an_object": not_an_object,
    "export_project": export_project,
}
