"""The projects that sessions have open: of one folder they share one, with its background and its memory."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from knnclip.errors import ImageError, KnnclipError
from knnclip.projects import Project

THUMBNAIL_KEPT_S = 60
"""A browser asks for a thumbnail again after this: a file may have been replaced."""

LARGEST_ID = 2**63 - 1
"""The largest whole number that SQLite takes."""


@dataclass(eq=False)
class OpenProject:
    """A project that sessions have open."""

    project: Project
    # By it a browser asks for thumbnails; who knows it has the project open, for it is not to be guessed.
    token: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    sessions: int = 0
    _applied: int = -1  # the generation of the store that the background was last started for
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep_up(self) -> None:
        """Has the background answer anew what the store, as it is now, was not asked for yet."""
        generation = self.project.segmenter.store.generation
        with self._lock:
            if self.project.is_read_only or generation == self._applied:
                return
            self._applied = generation
        self.project.start()

    @property
    def is_behind(self) -> bool:
        """Whether ``keep_up`` has something to begin."""
        return not self.project.is_read_only and self.project.segmenter.store.generation != self._applied

    def start(self) -> None:
        """The same after it was stopped."""
        with self._lock:
            self._applied = -1
        self.keep_up()


class OpenProjects:
    """All of them. Several threads may use it."""

    def __init__(self) -> None:
        """None is open."""
        self._lock = threading.Lock()
        self._open: dict[Path, OpenProject] = {}

    def take(self, opened: Callable[[], Project]) -> OpenProject:
        """Opens a project for a session, or joins those that have it open; ``leave`` it in the end."""
        mine = OpenProject(opened())
        with self._lock:
            shared = self._open.setdefault(mine.project.file, mine)
            shared.sessions += 1
        if shared is not mine:
            mine.project.close()
        self.close_idle()
        return shared

    def leave(self, opened: OpenProject, *, stays: bool) -> None:
        """One session less. A project that ``stays`` goes on after the last one, until another is opened."""
        with self._lock:
            opened.sessions -= 1
        if not stays:
            self.close_idle()

    def close_idle(self) -> None:
        """Closes those that nobody has open any more."""
        with self._lock:
            idle = [one for one in self._open.values() if not one.sessions]
            for one in idle:
                del self._open[one.project.file]
        for one in idle:
            one.project.close()

    def with_token(self, token: str) -> Project | None:
        """The open project of a token."""
        with self._lock:
            found = list(self._open.values())
        return next((one.project for one in found if secrets.compare_digest(one.token.encode(), token.encode())), None)

    def serve_thumbnail(self, request: Request) -> Response:
        """The JPEG of a picture, as the browser asks for it; made when it is first in sight."""
        project = self.with_token(request.path_params["token"])
        picture_id = request.path_params["picture_id"]
        if project is None or picture_id > LARGEST_ID:
            return PlainTextResponse("no such project is open", 404)
        try:
            content = project.thumbnail(picture_id)
        except ImageError:
            return Response(status_code=204)  # it cannot be read, as the page is told
        except KnnclipError:
            return PlainTextResponse("there is no such picture", 404)
        headers = {"Cache-Control": f"private, max-age={THUMBNAIL_KEPT_S}"}
        return Response(content, media_type="image/jpeg", headers=headers)
