"""By which names and addresses the app is asked, and from which pages: what a foreign page may not pretend to be."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Hosts:
    """What the ``Host`` and ``Origin`` headers may say.

    A page of a stranger can have its own name lead to this server's address (DNS rebinding), and its requests are then
    the browser's to send, but they still carry that name. Addresses are safe: no name server hands them out as names.
    """

    names: frozenset[str]  # lower case, beside loopback
    allowed: frozenset[str]  # those of them that a proxy in front is asked by
    any_address: bool  # the app listens on all addresses of the machine

    @classmethod
    def serving(cls, host: str, allowed: Iterable[str] = ()) -> Hosts:
        """Of an app that listens on ``host``; ``allowed`` are the names by which a proxy is asked for it."""
        given = frozenset(name.lower().rstrip(".") for name in allowed)
        address = _address(host)
        everywhere = address is not None and address.is_unspecified
        own = socket.gethostname() if everywhere else str(address or host)
        return cls(given | {"localhost", own.lower()}, given, everywhere)

    def serves(self, host: str) -> bool:
        """Whether a ``Host`` header names this app, whatever port it says: that may be a forwarded one."""
        name = _name(host)
        address = _address(name)
        if address is None:
            return name in self.names
        return self.any_address or address.is_loopback or str(address) in self.names

    def is_own(self, origin: str, host: str) -> bool:
        """Whether an ``Origin`` is a page of this app: asked at the same host and port, or at an allowed name."""
        try:
            parts = urlsplit(origin)
            port = parts.port
        except ValueError:
            return False
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return False
        standard = {"http": 80, "https": 443}[parts.scheme]
        here = urlsplit(f"//{host}")
        same = parts.hostname == here.hostname and (port or standard) == (here.port or standard)
        return same or parts.hostname in self.allowed


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host."""
    address = _address(host)
    return address.is_loopback if address is not None else host == "localhost"


def _name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return None
