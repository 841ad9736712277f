"""One thread that does something with one picture after another, those first that somebody waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from knnclip.errors import InputError, KnnclipError
from knnclip.progress import SILENT, Progress
from knnclip.projects.records import Applying


class Worker:
    """Pictures wait in a line; the thread lives as long as there are any. Several threads may use it."""

    def __init__(self, work: Callable[[int], None]) -> None:
        """``work`` is done with each picture id. What it raises as ``InputError`` concerns that picture alone."""
        self._work = work
        self._lock = threading.Lock()
        self._waiting: dict[int, None] = {}  # in order
        self._asked: list[int] = []  # the newest last
        self._thread: threading.Thread | None = None
        self._progress: Progress = SILENT
        self._state = Applying(False, 0, 0, 0, None)

    def start(self, picture_ids: Iterable[int], since: int, progress: Progress = SILENT) -> None:
        """Begins a run over pictures, in this order; what waited before waits no longer."""
        with self._lock:
            self._waiting = dict.fromkeys(picture_ids)
            self._asked.clear()
            self._progress = progress
            total = len(self._waiting)
            self._state = Applying(total > 0, total, 0, since, None)
            progress.start(total)
            if total and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="knnclip-project", daemon=True)
                self._thread.start()

    def ask(self, picture_id: int) -> None:
        """Has a picture that waits go next."""
        with self._lock:
            self._asked.append(picture_id)

    def stop(self) -> None:
        """Nothing waits any more; returns when the picture under work is done."""
        with self._lock:
            self._waiting.clear()
        self.join()

    def join(self) -> None:
        """Returns when nothing waits any more and the picture under work is done."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()

    @property
    def state(self) -> Applying:
        """How far the run is."""
        with self._lock:
            return self._state

    def _run(self) -> None:
        while (taken := self._next()) is not None:
            picture_id, run = taken
            error = None
            try:
                self._work(picture_id)
            except InputError:
                pass  # the picture says so itself
            except KnnclipError as reason:
                error = str(reason)
            except Exception as reason:  # what nobody foresaw must not end the thread without a word
                error = f"{type(reason).__name__}: {reason}"
            self._did(run, error)

    def _next(self) -> tuple[int, Progress] | None:
        with self._lock:
            if not self._waiting:
                self._thread = None
                state = self._state
                self._state = Applying(False, state.total, state.done, state.since, state.error)
                return None
            while self._asked:
                if (asked := self._asked.pop()) in self._waiting:
                    break
            else:
                asked = next(iter(self._waiting))
            del self._waiting[asked]
            return asked, self._progress

    def _did(self, run: Progress, error: str | None) -> None:
        with self._lock:
            state = self._state
            if error is not None:
                self._waiting.clear()
                self._state = Applying(True, state.total, state.done, state.since, error)
            elif run is self._progress and state.done < state.total:
                self._state = Applying(True, state.total, state.done + 1, state.since, None)
                run.advance()
