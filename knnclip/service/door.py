"""What stands before the routes: who asks, how often, with which token, and how much is read of it."""

from __future__ import annotations

import base64
import binascii
import hmac
import math
import re
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from knnclip.service.attempts import Attempts
from knnclip.service.hosts import Hosts
from knnclip.service.limits import BUSY_S, Limits, Rates
from knnclip.service.refusals import RefusedError
from knnclip.service.requests import address_of, check_origin, read_body, replayed

OPEN = re.compile(r"/(v1/)?health")
"""Asked by who watches whether the server lives, without a token; it says nothing of what is stored."""

PICTURES = re.compile(r"/v1/segment")
"""Takes a picture as its body; all others take JSON."""

ANNOTATIONS = re.compile(r"/(webhook|predict)")
"""Label Studio's, which sends all annotations of a task."""


class Door:
    """ASGI middleware of one app: what it lets in is bounded, and comes from whom it may come from."""

    def __init__(
        self, app: ASGIApp, *, hosts: Hosts, limits: Limits, token: str | None, attempts: Attempts | None = None
    ) -> None:
        """Before ``app``.

        ``hosts`` is what it may be called, ``token`` what every request must bring if there is one: as
        ``Authorization: Bearer TOKEN``, or as the password of any user (Basic). ``attempts`` are those of another door
        of the same secret, for guesses to be counted together.
        """
        self._app = app
        self._hosts = hosts
        self._limits = limits
        self._token = None if token is None else token.encode()
        self._attempts = attempts or Attempts()
        self._rates = Rates(limits.per_minute)
        self._under_way = 0  # requests that are let in; counted by the one thread of the event loop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers the request, or passes it on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # there are no web sockets here
        request = Request(scope, receive)
        try:
            check_origin(request, self._hosts)
            self._rates.take(address_of(request))
            if not OPEN.fullmatch(request.url.path):
                self._check_token(request)
            if self._under_way >= self._limits.bodies_at_once:
                reason = "too many requests are under way; try again in some seconds"
                raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, reason, wait_s=BUSY_S)
            self._under_way += 1
            try:
                content = await self._body(request)
                await self._app(scope, replayed(content, receive), send)
            finally:
                self._under_way -= 1
        except RefusedError as refused:
            await refused.response(scope, receive, send)
        except ClientDisconnect:
            return
        except Exception:
            # The app has answered and logged it, and raises it again for servers that would log it once more.
            return

    async def _body(self, request: Request) -> bytes:
        if PICTURES.fullmatch(request.url.path):
            return await read_body(request, self._limits.picture_bytes, "save the picture smaller")
        limits, is_long = self._limits, ANNOTATIONS.fullmatch(request.url.path)
        return await read_body(request, limits.annotation_bytes if is_long else limits.json_bytes, "send less at once")

    def _check_token(self, request: Request) -> None:
        if self._token is None:
            return
        address = address_of(request)
        if (wait_s := self._attempts.wait_s(address)) > 0:
            reason = f"too many wrong tokens; try again in {math.ceil(wait_s)} s"
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, reason, wait_s=wait_s)
        given = _given(request.headers.get("authorization", ""))
        if given is None:
            raise RefusedError(HTTPStatus.UNAUTHORIZED, "send the token: Authorization: Bearer TOKEN")
        self._attempts.begin(address)
        if not hmac.compare_digest(given, self._token):  # in a time that does not tell how much is right
            raise RefusedError(HTTPStatus.UNAUTHORIZED, "the token is not the server's; check it")
        self._attempts.succeeded(address)


def _given(header: str) -> bytes | None:
    """The secret in an ``Authorization`` header, None where there is none."""
    kind, _, value = header.partition(" ")
    if kind.lower() == "bearer":
        return value.strip().encode("latin-1")  # as which headers are read
    if kind.lower() != "basic":
        return None
    try:
        return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):  # the second for what is not ASCII
        return None
