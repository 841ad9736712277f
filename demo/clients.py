"""Who a request comes from: clients, the sessions that are theirs, and what they leave unread."""

from __future__ import annotations

import re
import secrets
import threading
from asyncio import Queue
from collections import OrderedDict
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import Message, Send

from knnclip.service.refusals import RefusedError
from knnclip.service.requests import address_of

COOKIE = "knnclip-client"
TOKEN = re.compile(r"[\w-]{22,64}", re.ASCII)
"""Values of the cookie: 128 bits of chance make 22 characters."""

SESSION = re.compile(r"[\w-]{1,64}", re.ASCII)
"""Names of sessions and events; Gradio's pages and clients take some ten letters and digits, or those of a UUID."""

MAX_SESSION_NAMES = 20_000
"""Names of sessions whose client is remembered, some megabytes; the one named longest ago is forgotten first."""

MAX_UNREAD = 5_000
"""Messages to sessions that have not read them, of all sessions together: most are a line on how many
wait, answers with a picture some 30 kB to 1 MB. Pages that are open leave none.
"""


class SessionOwners:
    """Which client named a session first; nobody else can use it, or end it."""

    def __init__(self) -> None:
        """Without any."""
        self._lock = threading.Lock()
        self._clients: OrderedDict[str, str] = OrderedDict()

    def check(self, session: object, client: str) -> None:
        """``RefusedError`` unless the session is the client's, or nobody's so far, and the client's from now on."""
        if not isinstance(session, str) or not SESSION.fullmatch(session):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "session_hash: expected a name of letters and digits")
        with self._lock:
            owner = self._clients.setdefault(session, client)
            self._clients.move_to_end(session)
            if len(self._clients) > MAX_SESSION_NAMES:
                self._clients.popitem(last=False)
        if owner != client:
            raise RefusedError(HTTPStatus.FORBIDDEN, "this session is somebody else's; load the page again")


def client_of(request: Request) -> str:
    """The client that a request comes from: by its cookie, or by its address if it takes none."""
    return token_of(request) or f"at {address_of(request)}"


def token_of(request: Request) -> str:
    """The value of a client's cookie, empty where it has none."""
    token = request.cookies.get(COOKIE, "")
    return token if TOKEN.fullmatch(token) else ""


def giving_cookie(send: Send) -> Send:
    """The same answer, with a new cookie."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            # Lax: a link from elsewhere opens the page as this client's, but no page elsewhere can use it.
            cookie = f"{COOKIE}={secrets.token_urlsafe(16)}; Path=/; HttpOnly; SameSite=Lax"
            MutableHeaders(scope=message).append("Set-Cookie", cookie)
        await send(message)

    return sending


def drop_unread(messages: Mapping[str, Queue[Any]]) -> None:
    """Empties the fullest queue if all of them together hold too much: who calls without end and reads nothing."""
    if sum(queue.qsize() for queue in messages.values()) > MAX_UNREAD:
        fullest = max(messages.values(), key=Queue.qsize)
        while not fullest.empty():
            fullest.get_nowait()
