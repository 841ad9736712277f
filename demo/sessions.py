"""All sessions of the app by the name that Gradio gives them, and what they share."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections import OrderedDict
from contextlib import ExitStack
from pathlib import Path

from gradio.utils import get_upload_folder

from demo.open_projects import OpenProjects
from demo.session import Options, Session, TeachState
from demo.uploads import Uploads
from knnclip.history import History
from knnclip.segmenter import Segmenter
from knnclip.store import Store

MAX_SESSIONS = 100
"""With more, the one used least recently is dropped, which can open its picture again."""

MAX_OPEN_PIXELS = 100_000_000
"""Of the pictures that all sessions have open; with more, those of the sessions used least recently are closed. A pixel
takes some 30 bytes, with the masks and maps that belong to it: 3 GB in all.
"""

NAMELESS = "no session"
"""The session of requests that come without a name of one: they share it."""


class Sessions:
    """The sessions; each is made when its first request comes."""

    def __init__(self, options: Options, scratch: Path) -> None:
        """Opens the shared store; with private ones, what they begin with is what it holds now.

        ``scratch`` is a folder for what only this run needs; who made it removes it.
        """
        self.options = options
        self.closing = ExitStack()  # what else is done before the shared store is closed
        self.uploads = Uploads()
        self.projects = OpenProjects()
        self._scratch = scratch
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self.shared = Segmenter.open(options.store, options.preset, read_only=options.read_only, **options.parts)
        if options.private:
            exported = scratch / "beginning.knnclip"
            self.shared.store.export(exported)
            Store.import_file(self._beginning, exported, options.store.name)  # checked once, for all sessions
            exported.unlink()

    def of(self, key: str | None) -> Session:
        """The session of a request by its name, None for a request without one."""
        name = key or NAMELESS
        with self._lock:
            known = self._sessions.get(name)
        # Copying a store takes its time, and nobody else shall wait for it; two first requests may both do it.
        mine = known or self._new()
        with self._lock:
            current = self._sessions.setdefault(name, mine)
            self._sessions.move_to_end(name)
            dropped = [self._sessions.popitem(last=False)[1] for _ in range(len(self._sessions) - MAX_SESSIONS)]
        for session in (*dropped, *([mine] if mine is not current else [])):
            session.close()
        self._close_pictures(current)
        return current

    def drop(self, key: str | None) -> None:
        """Forgets a session whose page was closed."""
        with self._lock:
            session = self._sessions.pop(key or NAMELESS, None)
        if session is not None:
            session.close()
        self.uploads.drop(key or NAMELESS)

    def stop_work(self) -> None:
        """Asks the long work of all of them to end."""
        with self._lock:
            for session in self._sessions.values():
                session.ended.set()
                session.stop.set()

    def close(self) -> None:
        """Closes all of them and the shared store."""
        for key in list(self._sessions):
            self.drop(key)
        self.projects.close_idle()
        self.closing.close()
        self.shared.close()

    def _close_pictures(self, current: Session) -> None:
        """Closes pictures, those used least recently first and not that of ``current``, until the rest may be open."""
        with self._lock:
            sessions = list(self._sessions.values())
        excess = sum(session.teach.pixels for session in sessions) - MAX_OPEN_PIXELS
        for session in sessions:
            if excess <= 0:
                return
            if session is not current and session.lock.acquire(blocking=False):  # else it is in use after all
                try:
                    excess -= session.teach.pixels
                    session.teach = TeachState(act=session.teach.act)
                finally:
                    session.lock.release()

    @property
    def _beginning(self) -> Path:
        """The store, open nowhere, of which private ones begin as copies."""
        return self._scratch / "beginning"

    def _new(self) -> Session:
        options = self.options
        folder = Path(tempfile.mkdtemp(dir=self._scratch, prefix="session-"))
        # Gradio serves what lies in its own folder without copying it, so nothing is left elsewhere.
        Path(get_upload_folder()).mkdir(parents=True, exist_ok=True)
        downloads = Path(tempfile.mkdtemp(dir=get_upload_folder(), prefix="downloads-"))
        segmenter = self.shared
        if options.private:
            shutil.copytree(self._beginning, folder / "store")
            segmenter = self.shared.over(Store.open(folder / "store", read_only=options.read_only))
        return Session(segmenter, History(segmenter.store), folder, downloads, options, self.projects)
