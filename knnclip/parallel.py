"""Running a function over many items in threads, in order, without reading ahead of what memory allows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_ahead(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """``map`` with up to ``2 * workers`` calls under way; results come in the order of the items.

    Threads, because the work is in NumPy, OpenCV, SciPy and torch, which release the interpreter lock. An exception of
    the function is raised where its result would have come; calls not yet started are then dropped.
    """
    remaining = iter(items)
    with ThreadPoolExecutor(max_workers=workers) as pool:
        pending: deque[Future[Result]] = deque(pool.submit(function, item) for item in islice(remaining, 2 * workers))
        try:
            while pending:
                result = pending.popleft().result()
                pending.extend(pool.submit(function, item) for item in islice(remaining, 1))
                yield result
        finally:
            for future in pending:
                future.cancel()
