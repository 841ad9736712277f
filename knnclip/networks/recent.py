"""The newest results of a network, so that several parts that ask about one image make it work once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from knnclip.structures import Image

Result = TypeVar("Result")

IMAGES_AT_ONCE = 4
"""Images that are under work at the same time: two workers with one that waits for each. With more the one that was
asked about longest ago is computed again; each costs the memory of its maps, some 20 MB."""


class Recent(Generic[Result]):
    """A function of an image that remembers its last few results. Images are told apart by identity."""

    def __init__(self, compute: Callable[[Image], Result]) -> None:
        """``compute`` is called for each image that is not remembered."""
        self._compute = compute
        self._results: dict[int, tuple[Image, Result]] = {}  # by the image's id, asked about longest ago first
        self._lock = threading.Lock()

    def __call__(self, image: Image) -> Result:
        """The result for an image."""
        with self._lock:
            known = self._results.pop(id(image), None)  # the image is kept with it, so that its id is nobody else's
            if known is not None:
                self._results[id(image)] = known
                return known[1]
        result = self._compute(image)
        with self._lock:
            self._results[id(image)] = (image, result)
            while len(self._results) > IMAGES_AT_ONCE:
                del self._results[next(iter(self._results))]
        return result
