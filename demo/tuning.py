"""Tuning in the background: a store that has doubled chooses its settings while its teacher goes on."""

from __future__ import annotations

import threading
from contextlib import suppress

from demo.session import Session
from knnclip.errors import KnnclipError
from knnclip.tuning import is_due


def tune_in_background(session: Session) -> threading.Thread | None:
    """Begins to tune the session's store if it has doubled since; None if it has not, or if that is under way.

    Pages see the change as they see what others teach.
    """
    if not is_due(session.segmenter.store) or not session.tuning.acquire(blocking=False):
        return None
    thread = threading.Thread(target=_tune, args=(session,), name="tune", daemon=True)
    thread.start()
    return thread


def _tune(session: Session) -> None:
    try:
        if not session.ended.is_set():
            with suppress(KnnclipError):  # instances were forgotten meanwhile: the next act that adds tries again
                session.segmenter.tune()
    finally:
        session.tuning.release()
