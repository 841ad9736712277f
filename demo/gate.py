"""What stands before Gradio: every request passes here, and goes on only if the app has a use for it.

Those for ``/v1`` go to the package's own service, which has a door of its own.

Gradio's routes are made for apps of all kinds: they fetch addresses for clients, and drop sessions for who names them.
The routes that this app needs are listed; all others do not exist. A client is known by a cookie that it is given: what
it uploads and the sessions that it names are its own.
"""

from __future__ import annotations

import json
import math
import re
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from gradio.route_utils import upload_fn
from gradio.routes import file_upload_statuses
from gradio.utils import get_upload_folder
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from demo.clients import SESSION, SessionOwners, client_of, drop_unread, giving_cookie, token_of
from demo.uploads import MAX_UPLOAD_BYTES, Uploads, uploads_folder
from knnclip.errors import UsageError
from knnclip.service.attempts import Attempts
from knnclip.service.hosts import Hosts
from knnclip.service.refusals import RefusedError
from knnclip.service.requests import check_origin, read_body, replayed

MAX_BODY_BYTES = 4 * 2**20
"""Of a request that is no upload: a scribble of 100,000 points has some 2 MB of JSON, all else far less."""

SERVICE = re.compile(r"/v1(/.*)?", re.S)
PAGE = re.compile(r"/")
OPEN = re.compile(
    r"/((assets|static|svelte)/.*|workbench/[a-z]+\.js|theme\.css|favicon\.ico|robots\.txt|manifest\.json|logout"
    r"|gradio_api/(theme\.css|startup-events|login_check|user|app_id)/?)"
)
READS = re.compile(
    r"/(config/?|thumbnails/[\w-]{1,64}/[0-9]{1,19}|gradio_api/(info/?|file=.*|upload_progress|queue/(data|status)|heartbeat/[^/]+|call/[^/]+/[^/]+))",
    re.S,
)
LOGIN = re.compile(r"/login/?")
CALLS = re.compile(r"/gradio_api/(queue/join|(run|call)/[^/]+/?)")
ENDS = re.compile(r"/gradio_api/(cancel|reset/?)")
UPLOAD = re.compile(r"/gradio_api/upload")
COOKIE_PATHS = re.compile(r"/|/config/?|/login/?")

KEPT = ("session_hash", "data", "event_data", "fn_index", "trigger_id")
"""What of a call goes on to Gradio."""

ENDED = ("session_hash", "fn_index", "event_id")
"""The same of what ends one."""


class Gate:
    """ASGI middleware of one app."""

    def __init__(self, app: ASGIApp, *, hosts: Hosts, uploads: Uploads, service: ASGIApp, attempts: Attempts) -> None:
        """Before ``app``.

        ``hosts`` is what it may be called, ``uploads`` where what it is sent is counted, ``service`` what answers other
        programs, and ``attempts`` where wrong passwords are counted.
        """
        self._app = app
        self._service = service
        self._hosts = hosts
        self._uploads = uploads
        self._attempts = attempts
        self._owners = SessionOwners()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers the request, or passes it on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # there are no web sockets here
        request = Request(scope, receive)
        if SERVICE.fullmatch(request.url.path):
            await self._service(scope, receive, send)
            return
        if not token_of(request) and COOKIE_PATHS.fullmatch(request.url.path):
            send = giving_cookie(send)
        try:
            response = await self._answered(request, send)
        except RefusedError as refused:
            response = refused.response
        except ClientDisconnect:
            return
        if response is not None:
            await response(scope, receive, send)

    async def _answered(self, request: Request, send: Send) -> Response | None:
        """The answer of the gate itself, None where Gradio has answered."""
        path, method = request.url.path, request.method
        check_origin(request, self._hosts, linked=bool(PAGE.fullmatch(path)))
        if method in ("GET", "HEAD"):
            if not (PAGE.fullmatch(path) or OPEN.fullmatch(path)):
                if not READS.fullmatch(path):
                    raise RefusedError(HTTPStatus.NOT_FOUND, "there is nothing here")
                _check_login(request)
                self._check_read(request, path)
        elif method == "POST":
            if LOGIN.fullmatch(path):
                await self._login(request, send)
                return None
            _check_login(request)
            if UPLOAD.fullmatch(path):
                return await self._upload(request)
            if not (CALLS.fullmatch(path) or ENDS.fullmatch(path)):
                raise RefusedError(HTTPStatus.NOT_FOUND, "there is nothing here")
            content = await self._checked_body(request, path)
            await self._app(request.scope, replayed(content, request.receive), send)
            return None
        else:
            raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, f"{method[:20]} is not taken here")
        await self._app(request.scope, request.receive, send)
        return None

    def _check_read(self, request: Request, path: str) -> None:
        if path.startswith("/gradio_api/file="):
            self._check_file(unquote(path.partition("=")[2]), client_of(request))
        elif path.startswith("/gradio_api/heartbeat/"):
            self._owners.check(path.rpartition("/")[2], client_of(request))
        elif path == "/gradio_api/queue/data":
            self._check_awaited(request, request.query_params.get("session_hash", ""))
        elif path.startswith("/gradio_api/call/"):
            # An event; where Gradio knows none of this name it takes it for a session's.
            self._check_awaited(request, path.rpartition("/")[2])

    def _check_awaited(self, request: Request, name: str) -> None:
        """Whether a session or an event, by its name, is the client's and has answers to come."""
        self._owners.check(name, client_of(request))
        queue = request.app.get_blocks()._queue
        # For any other Gradio begins an answer and breaks it off.
        if name not in queue.pending_messages_per_session and not any(
            name in events for events in list(queue.pending_event_ids_session.values())
        ):
            raise RefusedError(HTTPStatus.NOT_FOUND, "no answer is to come under this name; call an endpoint first")

    def _check_file(self, name: str, client: str) -> None:
        """By the name alone, before anything is asked about it: it may be an address, or a path on another machine."""
        path = Path(name)
        inside = path.is_relative_to(get_upload_folder()) and ".." not in path.parts
        if not inside or (path.is_relative_to(uploads_folder()) and not self._uploads.belongs(name, client)):
            raise RefusedError(HTTPStatus.FORBIDDEN, "there is no such file for you")

    async def _login(self, request: Request, send: Send) -> None:
        address = request.client.host if request.client else ""
        if (wait_s := self._attempts.wait_s(address)) > 0:
            reason = f"too many wrong passwords; try again in {math.ceil(wait_s)} s"
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, reason, wait_s=wait_s)
        self._attempts.begin(address)
        content = await read_body(request, MAX_BODY_BYTES, "upload files instead")

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < HTTPStatus.BAD_REQUEST:
                self._attempts.succeeded(address)
            await send(message)

        await self._app(request.scope, replayed(content, request.receive), watched)

    async def _upload(self, request: Request) -> Response:
        """Gradio's own upload, into a folder of its own, if there is room for it."""
        length = request.headers.get("content-length", "")
        if not length.isascii() or not length.isdigit():
            return PlainTextResponse("an upload says how long it is (Content-Length)", HTTPStatus.LENGTH_REQUIRED)
        upload_id = request.query_params.get("upload_id")
        try:
            with self._uploads.receiving(client_of(request), int(length)) as folder:
                paths, _, _ = await upload_fn(
                    request, folder, MAX_UPLOAD_BYTES, upload_id, upload_progress=file_upload_statuses
                )
        except UsageError as error:
            return PlainTextResponse(str(error), HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        except (MultiPartException, HTTPException, TypeError, AttributeError, KeyError, ValueError, OSError):
            return PlainTextResponse("expected a form with files (multipart/form-data)", HTTPStatus.BAD_REQUEST)
        request.app.get_blocks().upload_file_set.update(paths)  # to be deleted when they are old
        return JSONResponse(paths)

    async def _checked_body(self, request: Request, path: str) -> bytes:
        """The body of a call with nothing in it but what Gradio shall see."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected JSON (Content-Type: application/json)")
        try:
            body = json.loads(await read_body(request, MAX_BODY_BYTES, "upload files instead"))
        except (ValueError, RecursionError):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "expected a JSON object") from None
        if not isinstance(body, dict):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "expected a JSON object")
        if body.get("session_hash") is not None or path == "/gradio_api/queue/join":
            self._owners.check(body.get("session_hash"), client_of(request))
        if CALLS.fullmatch(path):
            _check_call(request.app.get_blocks(), path, body)
            drop_unread(request.app.get_blocks()._queue.pending_messages_per_session)
            body = {key: body[key] for key in KEPT if key in body}
        else:
            _check_end(path, body)
            body = {key: body[key] for key in ENDED if key in body}
        return json.dumps(body).encode()


def _check_login(request: Request) -> None:
    """As Gradio does, for all routes: of its own some ask for no login."""
    app = request.app
    names = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
    if app.auth is not None and not any(request.cookies.get(name) in app.tokens for name in names):
        raise RefusedError(HTTPStatus.UNAUTHORIZED, "log in first")


def _check_call(blocks: Any, path: str, body: dict[str, Any]) -> None:  # noqa: ANN401 - Gradio's
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


def _check_end(path: str, body: dict[str, Any]) -> None:
    """Whether a request to end something says what."""
    if not isinstance(body.get("event_id"), str) or not SESSION.fullmatch(body["event_id"]):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "event_id: expected the name of a call")
    number = body.get("fn_index")
    if "cancel" in path and (not isinstance(body.get("session_hash"), str) or type(number) is not int):
        reason = "expected session_hash, the name of a session, and fn_index, the number of an endpoint"
        raise RefusedError(HTTPStatus.BAD_REQUEST, reason)
