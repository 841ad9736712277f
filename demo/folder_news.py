"""What the page is told of the folder with every answer, and whether there is something new to tell."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from demo import folder
from demo.acts import act
from demo.folder import VISIT_S
from demo.payload import Json
from demo.session import ExportRun, Session
from knnclip.files import path_text
from knnclip.projects import Effect, Picture

EFFECTS_TOLD = 3
"""Classes of which it is said where they came to, those in most pictures: a line."""

DIFFERS_MUCH = 0.02
"""Share of a checked picture for which the store must say something else for it to be marked."""


@act()
def told(session: Session) -> Json:
    """What the page is told with every answer: the pictures that changed since it was last told, and how far all is."""
    state = session.project
    if state.opened is None:
        return {"folder": None}
    project, picture = state.opened.project, session.teach.picture
    since, changes, state.applying = state.told, project.changed_since(state.told), project.applying
    state.told, state.export_told = changes.number, None if state.export is None else replace(state.export)
    behind = state.opened.is_behind
    return {
        "folder": {
            "key": project.file.parent.name,
            "token": state.opened.token,
            "name": project.name,
            "labelled": project.dataset is not None,
            "since": since,
            "number": changes.number,
            "pictures": [_brief(picture) for picture in changes.pictures],
            "current": None if picture is None else picture.picture_id,
            "applying": {
                "running": state.applying.is_running or behind,
                "done": 0 if behind else state.applying.done,
                "total": 0 if behind else state.applying.total,
                "error": state.applying.error,
            },
            "effects": _said(project.effects(state.applying.since), labelled=project.dataset is not None),
            "export": _export_told(state.export_told),
            "others": list(state.others),
            "keys": {str(digit): name for digit, name in project.keys().items()},
        }
    }


@act()
def has_news(session: Session) -> bool:
    """Whether others, or the background, have changed something that the page does not know.

    On the way it tells others that this session is still there, and has the background keep up with the store.
    """
    state = session.project
    if state.opened is None:
        return False
    others = state.others
    if time.monotonic() - state.visited_s > VISIT_S:
        folder.visit(session)
    state.opened.keep_up()
    project = state.opened.project
    elsewhere = state.applying != project.applying or project.change_number > state.told
    return elsewhere or state.others != others or state.export != state.export_told


def _brief(picture: Picture) -> Json:
    summary = picture.summary
    return {
        "id": picture.picture_id,
        "path": path_text(picture.path),
        "state": picture.state if picture.is_usable else "rejected",
        "note": picture.rejected or picture.note,
        "unknown": None if summary is None else summary.unknown,
        "confidence": None if summary is None else summary.confidence,
        "differs": summary is not None and summary.differs > DIFFERS_MUCH,
    }


def _export_told(run: ExportRun | None) -> Json | None:
    if run is None:
        return None
    file = None if run.file is None else str(run.file)
    return {"running": run.is_running, "done": run.done, "file": file, "error": run.error}


def _said(effects: Sequence[Effect], *, labelled: bool) -> str:
    """What relabelling has done elsewhere, in a line; nothing where it did nothing."""
    parts = []
    for effect in effects[:EFFECTS_TOLD]:
        count = len(effect.pictures)
        among = f", {len(effect.checked)} checked ones among them" if effect.checked else ""
        parts.append(f"{effect.class_name} now also in {count} picture{'s' if count != 1 else ''}{among}")
    more = len(effects) - EFFECTS_TOLD
    stands = "; the labels that the folder came with stand" if labelled and parts else ""
    return "; ".join(parts) + (f"; and {more} more classes" if more > 0 else "") + stands
