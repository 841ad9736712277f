"""Long work of a session: one at a time, with progress, and stopped on request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
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


def meter(progress: gr.Progress, total: int) -> Callable[[], None]:
    """A function to be called after each image: it shows the count, the rate and the time left."""
    start, done = time.monotonic(), 0
    progress((0, total), desc="starting", unit="images")

    def tick() -> None:
        nonlocal done
        done += 1
        rate = done / max(time.monotonic() - start, 1e-6)
        left = round((total - done) / rate)
        progress((done, total), desc=f"{rate:.1f} images/s, {left // 60}:{left % 60:02d} left", unit="images")

    return tick


def picked(session: Session, purpose: str) -> Picked:
    """The data set that was chosen; ``UsageError`` if none was."""
    if purpose not in session.picked:
        raise UsageError("no data set is chosen; upload a zip file or choose a folder first")
    return session.picked[purpose]
