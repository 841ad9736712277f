"""The projects of a store for other programs: folders that people work on, opened when they are first asked for."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

from knnclip.datasets import Rejection
from knnclip.output.exports import Answered, export
from knnclip.projects import Project, ProjectInfo, State
from knnclip.service.engine import Engine
from knnclip.service.refusals import RefusedError


class Projects:
    """The projects beside an engine's store; one is made in the demo or in Python, not here."""

    def __init__(self, engine: Engine) -> None:
        """None is open yet; all are closed with the engine."""
        self._engine = engine
        engine.before_close(self.close)
        self._lock = threading.Lock()
        self._open: dict[str, Project] = {}

    def known(self) -> dict[str, ProjectInfo]:
        """All of them by their ids, the last used first."""
        return {info.file.parent.name: info for info in Project.known(self._engine.segmenter.store.path)}

    def get(self, project_id: str) -> Project:
        """One of them, open; ``RefusedError`` if there is none of this id."""
        with self._lock:
            if project_id not in self._open:
                info = self.known().get(project_id)
                if info is None:
                    raise RefusedError(
                        HTTPStatus.NOT_FOUND, "the store has no such project; GET /v1/projects lists them"
                    )
                is_shown = self._engine.read_only is not None
                self._open[project_id] = Project.again(self._engine.segmenter, info, read_only=is_shown)
            return self._open[project_id]

    def export(
        self, project_id: str, folder: Path, formats: Sequence[str], states: Sequence[State], least: float, copy: bool
    ) -> tuple[Path, tuple[Rejection, ...]]:
        """A zip in ``folder`` of what the export of pictures in these states wrote, and what could not be read."""
        project = self.get(project_id)
        answered = (
            Answered(one.path, one.answer.shape, one.answer) for one in project.answers(states, least_confidence=least)
        )
        with self._engine.working():
            rejected = export(answered, folder / "export", formats, copy_pictures=copy)
            file = shutil.make_archive(str(folder / project.name.replace("/", "_")), "zip", folder / "export")
        return Path(file), rejected

    def close(self) -> None:
        """Ends what runs in the background and closes all."""
        with self._lock:
            for project in self._open.values():
                project.close()
            self._open.clear()
