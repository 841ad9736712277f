"""Reading what a stranger sent in a process of its own first: what that costs or breaks, it costs and breaks there.

Only what was read there to its end is read in the server. ``python -m demo.trial KIND PATH`` is that process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from knnclip.datasets import open_dataset
from knnclip.errors import InputError, KnnclipError, UsageError
from knnclip.store import Store

MAX_BYTES = 4 * 2**30
"""Of the process's address space: an image of the largest size takes some 2 GB while it is scaled, all else less."""

MAX_S = 600.0
"""Ten minutes read some ten thousand images; what takes longer is for the command line, on a machine of one's own."""

POLL_S = 0.1
"""How often the server looks whether the process has ended: not noticed beside the time that it takes to start."""

PROGRAM = ("-m", "demo.trial")
"""This module, as Python is told to run it."""

MESSAGE_BYTES = 10_000
"""Of what the process says is wrong: more than any message has."""

ERROR_STATUS = 3
"""Of a process that has written on one line what is wrong."""


def try_to_read(kind: str, path: Path, given_up: Callable[[], bool]) -> None:
    """Reads a ``dataset`` (a folder) or a ``store`` (an exported file) in another process, all of it.

    ``InputError`` if that fails as it would here, takes more than ``MAX_BYTES`` of memory (where the platform limits
    it: Linux does) or ``MAX_S``, or ends the process; ``UsageError`` if it was ``given_up`` meanwhile.
    """
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(
            [sys.executable, *PROGRAM, kind, str(path)],
            cwd=Path(__file__).parents[1],
            # One thread of each library: their stacks count as memory, too.
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=subprocess.DEVNULL,
        )
        try:
            status = _waited(process, given_up)
        finally:
            process.kill()
            process.wait()
        told.seek(0)
        message = told.read(MESSAGE_BYTES).decode(errors="replace").strip()
    if status == ERROR_STATUS and message:
        raise InputError(message)
    if status != 0:
        raise InputError(f"{path} cannot be read within {MAX_BYTES / 2**30:.0f} GB of memory, or ends whoever reads it")


def _waited(process: subprocess.Popen[bytes], given_up: Callable[[], bool]) -> int:
    deadline_s = time.monotonic() + MAX_S
    while time.monotonic() < deadline_s:
        if given_up():
            raise UsageError("the session ended before the file was read")
        with suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=POLL_S)
    raise InputError(f"the file takes longer than {MAX_S / 60:.0f} minutes to read; use the command line for it")


def _read_dataset(folder: Path) -> None:
    dataset = open_dataset(folder)
    for sample in dataset.samples:
        with suppress(InputError):  # rejected there as here
            dataset.load(sample)


def _read_store(file: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="trial-", dir=file.parent) as folder:
        store = Path(folder) / "store"
        Store.import_file(store, file)
        with Store.open(store) as opened:
            problems = opened.verify()
    if problems:
        raise InputError(f"{file} is not a sound store: {problems[0]}")


READERS: Mapping[str, Callable[[Path], None]] = {"dataset": _read_dataset, "store": _read_store}


def _main(kind: str, path: str) -> int:
    _limit_memory()
    try:
        READERS[kind](Path(path))
    except KnnclipError as error:
        sys.stdout.buffer.write(" ".join(str(error).split()).encode(errors="backslashreplace"))
        return ERROR_STATUS
    return 0


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has none
        return
    with suppress(ValueError, OSError):  # a lower limit holds already, or the system knows none
        resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
