"""Long work of a session: one at a time, with progress, and stopped on request."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr

from demo.session import Picked, Session
from knnclip.errors import UsageError


@contextmanager
def at_work(session: Session) -> Iterator[None]:
    """Holds the session's place for long work; ``UsageError`` if it has some under way."""
    if not session.work.acquire(blocking=False):
        raise UsageError("this session is at work already; wait for it, or stop it first")
    session.stop.clear()
    try:
        yield
    finally:
        session.work.release()


class Meter:
    """``Progress`` in the page: the count, the rate and the time left."""

    def __init__(self, page: gr.Progress) -> None:
        """Shows it in ``page``."""
        self._page = page
        self._begun, self._total, self._earlier, self._done = time.monotonic(), 0, 0, 0

    def start(self, total: int, done: int = 0) -> None:
        """Shows how many there are."""
        self._begun, self._total, self._earlier, self._done = time.monotonic(), total, done, done
        self._page((done, total), desc="starting", unit="images")

    def advance(self) -> None:
        """Shows one more."""
        self._done += 1
        rate = (self._done - self._earlier) / max(time.monotonic() - self._begun, 1e-6)
        left = round((self._total - self._done) / rate)
        text = f"{rate:.1f} images/s, {left // 60}:{left % 60:02d} left"
        self._page((self._done, self._total), desc=text, unit="images")


def picked(session: Session, purpose: str) -> Picked:
    """The data set that was chosen; ``UsageError`` if none was."""
    if purpose not in session.picked:
        raise UsageError("no data set is chosen; upload a zip file or choose a folder first")
    return session.picked[purpose]
