"""The app that answers other programs: the routes, behind their door, with every failure told in one line."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from importlib.metadata import version

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from knnclip.errors import KnnclipError
from knnclip.fields import shown
from knnclip.service import project_routes
from knnclip.service.attempts import Attempts
from knnclip.service.door import Door
from knnclip.service.engine import Engine
from knnclip.service.hosts import Hosts
from knnclip.service.page import page
from knnclip.service.projects import Projects
from knnclip.service.refusals import RefusedError, message_of, problem, problem_of
from knnclip.service.routes import router

MORE = 2
"""Faults of one request beside the first that are named; whoever mends three sends it again."""


def build(
    engine: Engine,
    *,
    hosts: Hosts,
    token: str | None,
    attempts: Attempts | None = None,
    more_routes: tuple[APIRouter, ...] = (),
) -> Door:
    """The app for an engine; ``hosts``, ``token`` and ``attempts`` as for ``Door``."""
    app = FastAPI(
        title="knnclip",
        version=version("knnclip"),
        description="Segments pictures with a store's classes, and teaches the store new ones.",
        docs_url=None,  # Swagger's page would be fetched from another machine
        redoc_url=None,
        openapi_url="/v1/openapi.json",
    )
    for routes in (router(engine), project_routes.router(engine, Projects(engine)), *more_routes):
        app.include_router(routes)

    @app.get("/v1/docs", include_in_schema=False)
    def docs() -> Response:
        return HTMLResponse(page(app.openapi()))

    told = _teller(engine)
    for kind in (KnnclipError, RefusedError, Exception):
        app.add_exception_handler(kind, told)
    app.add_exception_handler(RequestValidationError, _wrong_request)
    app.add_exception_handler(HTTPException, _not_found)
    return Door(app, hosts=hosts, limits=engine.limits, token=token, attempts=attempts)


def _teller(engine: Engine) -> Callable[[Request, Exception], Response]:
    def told(_: Request, error: Exception) -> Response:
        return problem_of(error, engine.folders)

    return told


def _wrong_request(_: Request, error: Exception) -> Response:
    """What does not fit the types: where, what was expected and found, in one line."""
    assert isinstance(error, RequestValidationError), "what this is registered for"
    faults = error.errors()
    lines = [_fault(fault) for fault in faults[: 1 + MORE]]
    left = f"; and {len(faults) - len(lines)} more" if len(faults) > len(lines) else ""
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, message_of(KnnclipError("; ".join(lines) + left)))


def _fault(fault: dict[str, object]) -> str:
    location = fault["loc"]
    assert isinstance(location, tuple | list), "pydantic's"
    place = ".".join(str(part)[:60] for part in location[1:]) or str(location[0])
    found = "" if fault["type"] in ("missing", "json_invalid") else f", found {shown(fault.get('input'))}"
    return f"{place}: {str(fault['msg'])[:200]}{found}"


def _not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), "what this is registered for"
    if error.status_code == HTTPStatus.NOT_FOUND:
        return problem(HTTPStatus.NOT_FOUND, "there is nothing here; /v1/openapi.json lists what there is")
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return problem(HTTPStatus.METHOD_NOT_ALLOWED, f"{request.method[:20]} is not taken here; see /v1/openapi.json")
    return problem(HTTPStatus(error.status_code), message_of(KnnclipError(str(error.detail))))
