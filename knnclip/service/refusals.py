"""What becomes of a request that cannot be answered: a status, and one sentence that says why (RFC 9457)."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

from starlette.responses import JSONResponse, Response

from knnclip.errors import InputError, KnnclipError, MaskError, OutputError, StoreError, UsageError

PROBLEM = "application/problem+json"

FAILED = "the server failed at this; its log says why"

LONGEST_MESSAGE = 600
"""Characters: more than the package says of itself, so that only what a client made long is cut."""

STATUSES: tuple[tuple[type[KnnclipError], HTTPStatus], ...] = (
    (InputError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (MaskError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (UsageError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (StoreError, HTTPStatus.CONFLICT),
    (OutputError, HTTPStatus.INSUFFICIENT_STORAGE),
)
"""Of an error of the package; of any other kind it is the server's own fault."""


class RefusedError(Exception):
    """A request that goes no further, with its status and one line that says why."""

    def __init__(self, status: HTTPStatus, reason: str, *, wait_s: float = 0) -> None:
        """``wait_s``: after how long it may be sent again."""
        super().__init__(reason)
        self.status, self.reason, self.wait_s = status, reason, wait_s

    @property
    def response(self) -> Response:
        """The answer that says so."""
        return problem(self.status, self.reason, wait_s=self.wait_s)


def problem(status: HTTPStatus, reason: str, *, wait_s: float = 0) -> Response:
    """An answer of problem details: ``title`` is the status in words, ``detail`` the reason."""
    content = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": reason}
    response = JSONResponse(content, status, media_type=PROBLEM)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    if wait_s > 0:
        response.headers["Retry-After"] = str(math.ceil(wait_s))
    return response


def problem_of(error: Exception, folders: Iterable[Path] = ()) -> Response:
    """The same of whatever went wrong, with ``folders`` left out as ``message_of`` does."""
    if isinstance(error, RefusedError):
        return error.response
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
    return problem(status, message_of(error, folders))


@contextmanager
def refused_as(status: HTTPStatus) -> Iterator[None]:
    """Names that are not there, or are taken, are refused with this status, in the package's own words."""
    try:
        yield
    except UsageError as error:
        raise RefusedError(status, str(error)) from None


def message_of(error: Exception, folders: Iterable[Path] = ()) -> str:
    """What people are told of an error: its own words if they are meant for people, else that it is in the log.

    Where the server keeps things, the parents of ``folders``, is left out; what is kept there has its name still.
    """
    if isinstance(error, KnnclipError):
        # An answer with half of a surrogate pair, which a name may hold, would break off.
        text = " ".join(str(error).split()).encode(errors="backslashreplace").decode()
        parents = {str(parent) for path in folders for parent in (path.parent, path.resolve().parent) if parent.name}
        # The longest first: one may lie in another.
        for folder in sorted(parents, key=len, reverse=True):
            text = text.replace(f"{folder}{os.sep}", "")
        return text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]}..."
    logging.getLogger(__name__).error("a request failed", exc_info=error)
    return FAILED
