"""The scripts of the page that are modules of their own, ``static/workbench/*.js``, as the browser asks for them."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

MODULES = Path(__file__).parent / "static" / "workbench"


async def serve_module(request: Request) -> Response:
    """One of the modules by its name; a page that is loaded again asks whether it is still the same."""
    file = {path.name: path for path in MODULES.glob("*.js")}.get(request.path_params["name"])
    if file is None:
        return PlainTextResponse("there is no such module", 404)
    headers = {"Cache-Control": "no-cache"}
    return Response(file.read_text(encoding="utf-8"), media_type="text/javascript", headers=headers)
