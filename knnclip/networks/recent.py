"""The newest results of a network, so that several parts that ask about one image make it work once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from knnclip.structures import Image

Result = TypeVar("Result")

IMAGES_AT_ONCE = 4
"""Images that are under work at the same time: two workers with one that waits for each. With more the oldest is
computed again; each costs the memory of its maps, some 20 MB."""


class Recent(Generic[Result]):
    """A function of an image that remembers its last few results. Images are told apart by identity."""

    def __init__(self, compute: Callable[[Image], Result]) -> None:
        """``compute`` is called for each image that is not remembered."""
        self._compute = compute
        self._results: deque[tuple[Image, Result]] = deque(maxlen=IMAGES_AT_ONCE)
        self._lock = threading.Lock()

    def __call__(self, image: Image) -> Result:
        """The result for an image."""
        with self._lock:
            known = [result for other, result in self._results if other is image]
        if known:
            return known[0]
        result = self._compute(image)
        with self._lock:
            self._results.append((image, result))
        return result
