"""What every request is asked before anything else: from which page it comes, and how long its body is."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from starlette.requests import Request
from starlette.types import Message, Receive

from knnclip.service.attempts import network_of
from knnclip.service.hosts import Hosts
from knnclip.service.refusals import RefusedError

BODY_S = 60.0
"""For a body to come in: a picture of 32 MB over a line of 5 Mbit/s. Who is slower keeps others from their turn."""


def check_origin(request: Request, hosts: Hosts, *, linked: bool = False) -> None:
    """Whether a request comes from a page of this app, from a program, or from a person who typed its address.

    ``linked``: whether pages of others may lead here. ``RefusedError`` if it comes from somewhere else.
    """
    host, origin = request.headers.get("host", ""), request.headers.get("origin")
    if not hosts.serves(host):
        raise RefusedError(
            HTTPStatus.FORBIDDEN, "the app is not served under this name; start it with --allowed-host NAME to do so"
        )
    if origin is not None and not hosts.is_own(origin, host):
        raise RefusedError(HTTPStatus.FORBIDDEN, "requests from pages of other sites are refused")
    if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not (
        linked and request.method in ("GET", "HEAD")
    ):
        raise RefusedError(HTTPStatus.FORBIDDEN, "requests from pages of other sites are refused")


def address_of(request: Request) -> str:
    """Who sends a request, by address: all addresses of one connection are one."""
    return network_of(request.client.host if request.client else "")


async def read_body(request: Request, max_bytes: int, advice: str) -> bytes:
    """The body; ``RefusedError``, with ``advice``, as soon as it has more than ``max_bytes``, and if it is slow."""
    refused = RefusedError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request has at most {max_bytes / 2**20:g} MB; {advice}"
    )
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > max_bytes:
        raise refused
    content = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                content += chunk
                if len(content) > max_bytes:
                    raise refused
    except TimeoutError:
        raise RefusedError(
            HTTPStatus.REQUEST_TIMEOUT, f"the request was not here after {BODY_S:g} s; send less"
        ) from None
    return bytes(content)


def replayed(content: bytes, receive: Receive) -> Receive:
    """A body once more for who answers, and then what else the client sends: that it is gone."""
    sent = False

    async def received() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": content, "more_body": False}

    return received
