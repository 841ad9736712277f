"""Slowing down who guesses the password: each wrong one makes its address wait, and in a flood the first does."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

FREE = 5
"""Wrong passwords of an address without waiting: people mistype."""

LONGEST_WAIT_S = 300.0
"""After the first that is not free an address waits one second, then twice as long each time, at most this: 300 guesses
a day, and nobody who remembers the password is kept out for long.
"""

FORGOTTEN_S = 3600.0
"""Wrong passwords of an address are forgotten after so long without another."""

MAX_ADDRESSES = 10_000
"""Addresses that are remembered, some megabytes; the one seen longest ago is forgotten first."""

MAX_FAILURES = 60
WINDOW_S = 60.0
"""So many wrong passwords of all addresses together within the window, then none is free until it has passed. Whose
address has sent none is asked at once even then: a flood keeps nobody out. Ten thousand addresses guess some 200,000
times an hour, which no password of eight random letters minds.
"""

IPV6_PREFIX = 56
"""Bits of an IPv6 address that say whose it is: a home has a /64 to a /56, and who has a /48 has 256 of these."""


@dataclass
class _Failures:
    count: int
    last_s: float


class Attempts:
    """The wrong passwords of late, by address and in total."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        """Without any; ``clock_s`` tells the time."""
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._by_address: OrderedDict[str, _Failures] = OrderedDict()
        self._recent_s: deque[float] = deque(maxlen=MAX_FAILURES)

    def wait_s(self, address: str) -> float:
        """How long an address must wait before it may try again; 0 if it need not."""
        now_s = self._clock_s()
        with self._lock:
            failures = self._by_address.get(network_of(address))
            flooded = len(self._recent_s) == MAX_FAILURES and now_s - self._recent_s[0] < WINDOW_S
            free = 1 if flooded else FREE
            if failures is None or failures.count < free or now_s - failures.last_s >= FORGOTTEN_S:
                return 0.0
            exponent = min(failures.count - free, 30)  # far above what reaches the longest wait
            return max(failures.last_s + min(2.0**exponent, LONGEST_WAIT_S) - now_s, 0.0)

    def begin(self, address: str) -> None:
        """Counts an attempt as a wrong password until it ``succeeded``, so that many at once are counted, too."""
        now_s, network = self._clock_s(), network_of(address)
        with self._lock:
            failures = self._by_address.pop(network, None)
            if failures is None or now_s - failures.last_s >= FORGOTTEN_S:
                failures = _Failures(0, now_s)
            failures.count, failures.last_s = failures.count + 1, now_s
            self._by_address[network] = failures
            while len(self._by_address) > MAX_ADDRESSES:
                self._by_address.popitem(last=False)
            self._recent_s.append(now_s)

    def succeeded(self, address: str) -> None:
        """Forgets the wrong passwords of an address that then knew it."""
        with self._lock:
            if self._recent_s:
                self._recent_s.pop()
            self._by_address.pop(network_of(address), None)


def network_of(address: str) -> str:
    """Who an address belongs to: itself, or the network of an IPv6 address, all of which one connection has."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    # An IPv4 address as a server sees it that listens to both kinds.
    return str(found.ipv4_mapped or ipaddress.ip_network((found, IPV6_PREFIX), strict=False))
