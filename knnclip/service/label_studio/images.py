"""The pictures of tasks: from Label Studio itself, and from where else it was allowed when the server was started."""

from __future__ import annotations

import base64
import binascii
import http.client
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urljoin, urlsplit

from knnclip.errors import ImageError, UsageError

STEP_S = 10.0
"""For an address to answer, or to send the next bytes: it stands in the same house."""

WHOLE_S = 60.0
"""For a picture to be here: Label Studio waits 100 s for a prediction."""

MOST_HOPS = 3
"""Redirections: Label Studio sends on to a storage, which may send on once more."""

CHUNK_BYTES = 2**16

LOCAL_FILES = "/data/local-files/"
"""Where Label Studio serves a folder of its machine, with the path in it as ``d``."""


@dataclass(frozen=True)
class Origin:
    """Scheme, host and port: what is asked as a whole or not at all."""

    scheme: str  # http or https
    host: str
    port: int

    @classmethod
    def of(cls, address: str) -> Origin:
        """That of an address; ``UsageError`` if it is none of http or https."""
        try:
            parts = urlsplit(address)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise UsageError(f"expected an address as http://host:port, found {address[:100]!r}")
        return cls(parts.scheme, parts.hostname, port or {"http": 80, "https": 443}[parts.scheme])

    def __str__(self) -> str:
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


class TaskImages:
    """Reads the picture that a task names."""

    def __init__(
        self, label_studio: str, api_key: str | None, *, others: Iterable[str], folder: Path | None, max_bytes: int
    ) -> None:
        """``label_studio`` is its address; ``others`` are those that pictures may come from beside it.

        ``api_key`` is a token of an account of Label Studio, sent to it alone. ``folder`` is what it serves as local
        files, if this server sees that folder, too. No file is read beyond ``max_bytes``.
        """
        self._own = Origin.of(label_studio)
        self._allowed = {self._own, *map(Origin.of, others)}
        self._base = label_studio.rstrip("/") + "/"
        self._api_key = api_key
        self._folder = None if folder is None else folder.resolve()
        self._max_bytes = max_bytes

    def read(self, address: object) -> bytes:
        """The bytes of a picture file; ``ImageError`` if it may not be read from there, cannot be, or is too large."""
        if not isinstance(address, str) or not address or len(address) > self._max_bytes:
            raise ImageError("the task has no picture where the labelling interface says; expected an address")
        if address.startswith("data:"):
            return self._inline(address)
        if address.startswith(LOCAL_FILES) and self._folder is not None:
            return self._local(address, self._folder)
        if address.startswith("/"):
            return self.fetch(urljoin(self._base, address))
        return self.fetch(address)

    def fetch(self, address: str) -> bytes:
        """What an allowed address answers; ``ImageError`` as ``read``."""
        deadline_s = time.monotonic() + WHOLE_S
        for _ in range(1 + MOST_HOPS):
            origin = self._allowed_origin(address)
            parts = urlsplit(address)
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            kind = http.client.HTTPSConnection if origin.scheme == "https" else http.client.HTTPConnection
            # Of the address only what was checked is asked: no other reading of it can lead elsewhere.
            connection = kind(origin.host, origin.port, timeout=STEP_S)
            try:
                connection.request("GET", target, headers=self._headers(origin))
                answer = connection.getresponse()
                if answer.status in (301, 302, 303, 307, 308):
                    address = urljoin(address, answer.headers.get("Location", ""))
                    continue
                if answer.status != 200:
                    raise ImageError(f"{shown(address)}: answered {answer.status}; see whether the key is right")
                return self._bounded(answer, address, deadline_s)
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise ImageError(f"{shown(address)}: cannot be read ({error or type(error).__name__})") from None
            finally:
                connection.close()
        raise ImageError(f"{shown(address)}: leads on more than {MOST_HOPS} times; give its own address")

    def exported(self, project: int) -> list[Any]:
        """The annotated tasks of a project, as Label Studio exports them; ``ImageError`` if it cannot be had."""
        try:
            found = json.loads(self.fetch(urljoin(self._base, f"api/projects/{project}/export?exportType=JSON")))
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, list):
            raise ImageError(
                f"project {project} of Label Studio: expected a list of tasks; see whether the key is right"
            )
        return found

    def _allowed_origin(self, address: str) -> Origin:
        try:
            origin = Origin.of(address)
        except UsageError as error:
            raise ImageError(f"the task's picture: {error}") from None
        if origin not in self._allowed:
            raise ImageError(
                f"{shown(address)}: pictures are not read from {origin}; start the server with "
                f"--images-from {origin} to allow it"
            )
        return origin

    def _bounded(self, answer: http.client.HTTPResponse, address: str, deadline_s: float) -> bytes:
        content = bytearray()
        while chunk := answer.read(CHUNK_BYTES):
            content += chunk
            if len(content) > self._max_bytes:
                raise ImageError(f"{shown(address)}: has more than {self._max_bytes / 2**20:g} MB; save it smaller")
            if time.monotonic() > deadline_s:
                raise ImageError(f"{shown(address)}: was not here after {WHOLE_S:g} s")
        return bytes(content)

    def _headers(self, origin: Origin) -> dict[str, str]:
        if self._api_key is None or origin != self._own:
            return {}
        if self._api_key.count(".") != 2:
            return {"Authorization": f"Token {self._api_key}"}
        return {"Authorization": f"Bearer {self._access(self._api_key)}"}

    def _access(self, refresh: str) -> str:
        """A short-lived token for a personal one, which is a JSON Web Token: Label Studio takes only the former."""
        kind = http.client.HTTPSConnection if self._own.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._own.host, self._own.port, timeout=STEP_S)
        try:
            path = urlsplit(urljoin(self._base, "api/token/refresh")).path
            sent = json.dumps({"refresh": refresh})
            connection.request("POST", path, sent, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = json.loads(answer.read(CHUNK_BYTES))
            if answer.status == 200 and isinstance(content, dict) and isinstance(content.get("access"), str):
                return str(content["access"])
            raise ImageError(f"Label Studio does not take its key ({answer.status}); make another")
        finally:
            connection.close()

    def _inline(self, address: str) -> bytes:
        kind, comma, content = address.partition(",")
        try:
            if not comma or not kind.startswith("data:image/") or not kind.endswith(";base64"):
                raise ValueError
            return base64.b64decode(content, validate=True)
        except (binascii.Error, ValueError):
            raise ImageError("the task's picture is no data:image/...;base64, text") from None

    def _local(self, address: str, folder: Path) -> bytes:
        wanted = parse_qs(urlsplit(address).query).get("d", [""])[0]
        try:
            file = (folder / unquote(wanted)).resolve()
            if not file.is_relative_to(folder) or not file.is_file():
                raise ImageError(f"{shown(address)}: there is no such file in the folder of local files")
            if file.stat().st_size > self._max_bytes:
                raise ImageError(f"{shown(address)}: has more than {self._max_bytes / 2**20:g} MB; save it smaller")
            return file.read_bytes()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ImageError(f"{shown(address)}: cannot be read ({reason})") from None


def shown(address: str) -> str:
    """An address without what may be secret in it: what follows the path; short, and on one line."""
    return ascii(address.partition("?")[0][:150])[1:-1]
