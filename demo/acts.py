"""What a client may ask of its session, and the one rule for all of it.

An act says of itself whether it changes the store and what it holds meanwhile. The rule is kept here, so that an act is
refused or waits in the same way whether the API, a tab or the canvas asks for it, and whatever its callers forget.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Concatenate, Generic, Literal, ParamSpec, TypeVar

from demo.session import Session
from knnclip.errors import UsageError

Given = ParamSpec("Given")
Answer = TypeVar("Answer")

Holds = Literal["lock", "work", "nothing"]
"""``lock``: the session's next act waits. ``work``: its next long work is refused, its acts go on. ``nothing``: it is
made of acts that hold what they need, or waits for nobody.
"""


class Act(Generic[Given, Answer]):
    """A function of a session, with its marks; called as that function is."""

    def __init__(
        self, do: Callable[Concatenate[Session, Given], Answer], *, writes: bool = False, holds: Holds = "lock"
    ) -> None:
        """``writes``: whether it changes the store. ``holds``: which of the session's locks it has meanwhile."""
        self._do = do
        self.writes = writes
        self.holds: Holds = holds
        functools.update_wrapper(self, do)

    def __call__(self, session: Session, *args: Given.args, **kwargs: Given.kwargs) -> Answer:
        """Does it; ``StoreError`` if it writes and the app only shows, ``UsageError`` if the session is at work."""
        if self.writes:
            session.check_writable()
        with _held(session, self.holds):
            return self._do(session, *args, **kwargs)


def act(
    *, writes: bool = False, holds: Holds = "lock"
) -> Callable[[Callable[Concatenate[Session, Given], Answer]], Act[Given, Answer]]:
    """Makes an act of a function of a session. Within an act that holds ``lock`` others of the kind can be called."""

    def marked(do: Callable[Concatenate[Session, Given], Answer]) -> Act[Given, Answer]:
        return Act(do, writes=writes, holds=holds)

    return marked


@contextmanager
def _held(session: Session, holds: Holds) -> Iterator[None]:
    if holds == "lock":
        with session.lock:
            yield
    elif holds == "work":
        if not session.work.acquire(blocking=False):
            raise UsageError("this session is at work already; wait for it, or stop it first")
        session.stop.clear()
        if session.closed:
            session.stop.set()
        try:
            yield
        finally:
            session.work.release()
    else:
        yield


@act(holds="nothing")
def stop_work(session: Session) -> None:
    """Asks the long work of a session to end after the image that it is at; what is stored stays."""
    session.stop.set()
