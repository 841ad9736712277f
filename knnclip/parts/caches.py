"""Where knnclip keeps what it can make or get again: vectors of texts, files of weights that were put there."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "KNNCLIP_CACHE"


def cache_folder() -> Path:
    """``KNNCLIP_CACHE``, or ``knnclip`` in the user's cache."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "knnclip"


def weights_folder() -> Path:
    """Where a file of weights is found by its name alone, from every folder; ``presets fetch`` puts it there."""
    return cache_folder() / "weights"


def here_or_kept(path: str) -> str:
    """The absolute path of a file: where it was named, else in ``weights_folder`` if a file of this bare name is there.

    A path that is nowhere stays where it was named, for whoever tells that it is missing.
    """
    named = Path(path)
    kept = weights_folder() / named
    if named.name == path and not named.exists() and kept.is_file():
        return str(kept)
    return str(named.absolute())
