"""The folder that is this process's own: uploads, pictures, exports and scratch stores lie in it and go with it."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ENDING = ("SIGTERM", "SIGHUP")
"""Signals that end a process at once unless it listens, as a service manager and a closed terminal send them."""


@contextmanager
def process_folder() -> Iterator[Path]:
    """A new folder under the system's temporary one, removed when the block ends, however it ends.

    A signal that asks the process to end does so as Ctrl-C does, by ``KeyboardInterrupt``. Gradio keeps its files in
    the part of the folder that it may hand out; it reads where that is when it is first imported, so enter this before.
    """
    for name in ENDING:
        number = getattr(signal, name, None)  # not every system has them all
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # nohup has SIGHUP ignored
            signal.signal(number, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="knnclip-demo-"))
    try:
        os.environ["GRADIO_TEMP_DIR"] = str(folder / "served")
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
