"""File systems of their own, to be full or read-only."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager

import pytest


@contextmanager
def mounted(folder, *options):
    """A small file system of its own on ``folder``."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"cannot mount here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)
