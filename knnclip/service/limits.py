"""How much is taken from whom: bytes, pixels, requests a minute, and pictures under work at once."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus

from knnclip.service.refusals import RefusedError

BURST_S = 10.0
"""An address may be so far ahead of its rate: a program that begins sends a few requests at once."""

MAX_ADDRESSES = 10_000
"""Addresses whose rate is remembered, some megabytes; the one seen longest ago is forgotten first."""

WAITING_FOR_EACH = 8
"""Pictures that wait for each that is under work: with two at once and some seconds each the last waits half a minute,
which is what clients wait for an answer."""

BUSY_S = 5.0
"""When to try again where too many wait: some pictures are done by then."""


@dataclass(frozen=True)
class Limits:
    """What one server takes."""

    picture_bytes: int = 32 * 2**20  # of a file: more than cameras write as JPEG
    picture_px: int = 2**24  # of a picture, found before it is decoded: 16.7 megapixels take some 2 GB with their masks
    json_bytes: int = 4 * 2**20  # of all other requests: run lengths of a mask have some 20 kB
    annotation_bytes: int = 16 * 2**20  # of what Label Studio tells: its run lengths are lists of numbers
    bodies_at_once: int = 16  # that are read or answered at one time, 512 MB at most
    per_minute: float = 120.0  # requests of one address
    at_once: int = 2  # pictures that are cut and encoded at one time


class Rates:
    """How far each address is ahead of its rate (the generic cell rate algorithm: one number an address)."""

    def __init__(self, per_minute: float, clock_s: Callable[[], float] = time.monotonic) -> None:
        """Nobody has asked yet; ``clock_s`` tells the time."""
        self._interval_s = 60.0 / per_minute
        # However slow the rate is, a first request is never ahead of it.
        self._burst_s = max(BURST_S, self._interval_s)
        self._clock_s = clock_s
        self._due_s: OrderedDict[str, float] = OrderedDict()  # when the address is even with its rate
        self._lock = threading.Lock()

    def take(self, address: str) -> None:
        """Counts a request; ``RefusedError`` with the time to wait if the address is too far ahead, and it is not."""
        now_s = self._clock_s()
        with self._lock:
            due_s = max(self._due_s.pop(address, now_s), now_s) + self._interval_s
            wait_s = due_s - now_s - self._burst_s
            self._due_s[address] = due_s if wait_s <= 0 else due_s - self._interval_s
            if len(self._due_s) > MAX_ADDRESSES:
                self._due_s.popitem(last=False)
        if wait_s > 0:
            reason = (
                f"more than {60 / self._interval_s:g} requests a minute came from this address; wait as Retry-After"
            )
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, f"{reason} says", wait_s=wait_s)


class Places:
    """Room for some pieces of work at once; others wait for their turn, and too many are refused."""

    def __init__(self, at_once: int) -> None:
        """All are free."""
        self._free = threading.BoundedSemaphore(at_once)
        self._room = threading.BoundedSemaphore(at_once * (1 + WAITING_FOR_EACH))

    @contextmanager
    def one(self) -> Iterator[None]:
        """A place, after waiting for it; ``RefusedError`` if too many wait."""
        if not self._room.acquire(blocking=False):
            reason = "too many pictures wait already; try again in some seconds"
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, reason, wait_s=BUSY_S)
        try:
            with self._free:
                yield
        finally:
            self._room.release()
