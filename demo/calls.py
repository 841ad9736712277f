"""What a call to Gradio may carry, and what becomes of answers that nobody reads."""

from __future__ import annotations

import math
import re
from asyncio import Queue
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

SESSION = re.compile(r"[\w-]{1,64}", re.ASCII)
"""Names of sessions and events; Gradio's pages and clients take some ten letters and digits, or those of a UUID."""

MAX_UNREAD = 5_000
"""Messages to sessions that have not read them, of all sessions together: most are a line on how many
wait, answers with a picture some 30 kB to 1 MB. Pages that are open leave none.
"""

CALLS = re.compile(r"/gradio_api/(queue/join|(run|call)/[^/]+/?)")

KEPT = ("session_hash", "data", "event_data", "fn_index", "trigger_id")
"""What of a call goes on to Gradio."""

ENDED = ("session_hash", "fn_index", "event_id")
"""The same of what ends one."""


class RefusedError(Exception):
    """A request that goes no further, with its status and one line that says why."""

    def __init__(self, status: HTTPStatus, reason: str, *, wait_s: float = 0) -> None:
        """``wait_s``: after how long it may be sent again."""
        super().__init__(reason)
        self.response = JSONResponse({"detail": reason}, status)
        if wait_s > 0:
            self.response.headers["Retry-After"] = str(math.ceil(wait_s))


def check_call(blocks: Any, path: str, body: dict[str, Any]) -> None:  # noqa: ANN401 - Gradio's
    """Whether a call names something that there is, and brings a list of arguments."""
    if not isinstance(body.get("data"), list):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "data: expected a list of arguments")
    number, trigger = body.get("fn_index"), body.get("trigger_id")
    known, name = True, path.rstrip("/").rpartition("/")[2]
    # The page calls what it has by its number, through the queue or as the endpoint "predict", whatever there is.
    if name not in ("join", "predict") or number is None:
        known = name in {function.api_name for function in blocks.fns.values()}
    if number is not None:
        known = known and isinstance(number, int) and not isinstance(number, bool) and number in blocks.fns
        # A page ends its session by being closed, not by asking for it in the midst of its work.
        known = known and all(event != "unload" for _, event in blocks.fns[number].targets)
    if not known:
        raise RefusedError(HTTPStatus.NOT_FOUND, "there is no such endpoint")
    if trigger is not None and not isinstance(trigger, int):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "trigger_id: expected the number of a component")


def check_end(path: str, body: dict[str, Any]) -> None:
    """Whether a request to end something says what."""
    if not isinstance(body.get("event_id"), str) or not SESSION.fullmatch(body["event_id"]):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "event_id: expected the name of a call")
    number = body.get("fn_index")
    if "cancel" in path and (not isinstance(body.get("session_hash"), str) or type(number) is not int):
        reason = "expected session_hash, the name of a session, and fn_index, the number of an endpoint"
        raise RefusedError(HTTPStatus.BAD_REQUEST, reason)


def drop_unread(messages: Mapping[str, Queue[Any]]) -> None:
    """Empties the fullest queue if all of them together hold too much: who calls without end and reads nothing."""
    if sum(queue.qsize() for queue in messages.values()) > MAX_UNREAD:
        fullest = max(messages.values(), key=Queue.qsize)
        while not fullest.empty():
            fullest.get_nowait()
