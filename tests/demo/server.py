"""The app as a process of its own, as people start it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

COOKIE = "knnclip-client=" + "A" * 22
OTHER_COOKIE = "knnclip-client=" + "B" * 22

APP = Path(__file__).parents[2] / "demo" / "app.py"

PATIENCE_S = 600
"""For the app to start and to end. A machine that does other things as well takes long, and where all is well nobody
waits for it.
"""


@dataclass(frozen=True)
class Server:
    """An app under way."""

    process: subprocess.Popen[bytes]
    address: str
    log: Path
    temporary: Path  # its folder for temporary files, which nobody else uses


@contextmanager
def served(folder: Path, *options: str) -> Iterator[str]:
    """Starts the app in ``folder`` and yields its address; its log is ``folder/app.log``."""
    with started(folder, *options) as server:
        yield server.address


@contextmanager
def started(folder: Path, *options: str, environment: Mapping[str, str] = {}) -> Iterator[Server]:
    """Starts the app in ``folder`` and yields it; it is ended by the block or after it."""
    with starting(folder, *options, environment=environment) as server:
        yield replace(server, address=_address(server.process, server.log))


@contextmanager
def starting(folder: Path, *options: str, environment: Mapping[str, str] = {}) -> Iterator[Server]:
    """The same without waiting for it to have started; it has no address yet.

    Its preset is the one that takes no time for a network, unless ``options`` name another.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log, temporary = folder / "app.log", folder / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-u", str(APP), "--port", str(port), "--preset", "builtin", *map(str, options)]
    variables = os.environ | {"TMPDIR": str(temporary)} | environment
    with log.open("w") as sink:
        process = subprocess.Popen(
            command, cwd=folder, env=variables, stdout=sink, stderr=subprocess.STDOUT, preexec_fn=_as_in_a_terminal
        )
        try:
            yield Server(process, "", log, temporary)
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE_S)


def _as_in_a_terminal() -> None:
    """A suite that runs in the background has these ignored, and what it starts would ignore them, too."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if found := re.search(r"knnclip is at (http\S+?)/? ", log.read_text()):
            return found[1]
        try:
            process.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            continue
        break
    raise AssertionError(f"the app did not start:\n{log.read_text()}")


def ask(address, method, path, body=None, **headers):
    """The status and text of an answer; what ``body`` is not yet bytes becomes JSON."""
    connection = http.client.HTTPConnection(address.split("//")[1], timeout=60)
    if body is not None and not isinstance(body, bytes):
        body, headers = json.dumps(body).encode(), {"Content-Type": "application/json"} | headers
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    with answer:
        return answer.status, "" if path.startswith("/gradio_api/heartbeat") else answer.read().decode(errors="replace")
