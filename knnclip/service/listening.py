"""Whether a server may listen where it is asked to, and can."""

from __future__ import annotations

import socket

from knnclip.errors import UsageError
from knnclip.service.hosts import is_loopback


def check_guarded(host: str, is_guarded: bool, option: str) -> None:
    """``UsageError`` if strangers could come in: beyond this machine, and not guarded; ``option`` is what guards it."""
    if not is_guarded and not is_loopback(host):
        raise UsageError(
            f"--host {host} can be reached from other machines: give {option}, "
            "or --insecure if everybody may teach and forget"
        )


def check_address(host: str, port: int) -> None:
    """``UsageError`` if nothing can listen there, before anything is made: servers find out last."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise not_listening(host, port, reason) from None


def not_listening(host: str, port: int, reason: object) -> UsageError:
    """The error for an address that cannot be listened on."""
    return UsageError(f"cannot listen on {host} port {port} ({reason}); give another --port or --host")
