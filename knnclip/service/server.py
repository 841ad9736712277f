"""The server of a store: one process, one segmenter, as many clients as there are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

STOP_S = 10
"""For answers under way when the server is asked to end: a picture takes some seconds."""


def serve(app: ASGIApp, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Answers until the process is asked to end; ``ready`` is told the address as soon as it does."""
    config = uvicorn.Config(
        app, host=host.strip("[]"), port=port, log_level="warning", access_log=False, server_header=False,
        # Whom a proxy speaks for is what anybody may write; rates are those of the proxy's address.
        proxy_headers=False, timeout_graceful_shutdown=STOP_S, ws="none",
    )  # fmt: skip
    asyncio.run(_run(uvicorn.Server(config), ready))


async def _run(server: uvicorn.Server, ready: Callable[[str], None]) -> None:
    serving = asyncio.create_task(server.serve())
    while not server.started and not serving.done():
        await asyncio.sleep(0.05)
    if server.started:
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        ready(f"http://{f'[{host}]' if ':' in host else host}:{port}")
    await serving
