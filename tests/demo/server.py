"""The app as a process of its own, as people start it."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

APP = Path(__file__).parents[2] / "demo" / "app.py"


@contextmanager
def served(folder: Path, *options: str) -> Iterator[str]:
    """Starts the app in ``folder`` and yields its address; its log is ``folder/app.log``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "app.log"
    with log.open("w") as sink:
        command = [sys.executable, "-u", str(APP), "--port", str(port), *map(str, options)]
        process = subprocess.Popen(command, cwd=folder, stdout=sink, stderr=subprocess.STDOUT)
        try:
            yield _address(process, log)
        finally:
            process.terminate()
            process.wait(timeout=30)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    for _ in range(600):
        if found := re.search(r"knnclip is at (http\S+?)/? ", log.read_text()):
            return found[1]
        try:
            process.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            continue
        break
    raise AssertionError(f"the app did not start:\n{log.read_text()}")
