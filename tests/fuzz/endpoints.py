"""A hostile client of the running demo: one request or call each attempt, of wrong types, paths, bodies and routes.

What the app looks up or connects to is seen from within: a hook of Python's writes it down, in the app and in what it
starts. So an attempt fails for a look-up of a name as well as for a connection.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import random
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from gradio import FileData
from PIL import Image as Pil

from demo.api import ENDPOINTS
from knnclip.service.refusals import FAILED
from tests.demo.server import Server, started
from tests.fuzz import sets
from tests.fuzz.mutations import VALUES, mutate

PATIENCE_S = 60
"""For one answer; nothing that is sent here takes a second."""

RESIDENT_BYTES = 2**30
"""More than this the app never needs for pictures and sets as small as these."""

LONGEST_LINE = 700
"""Characters of a message: what a data set may look like takes a long line, and nothing takes more."""

WATCH = """
import os, sys
def watch(event, arguments):
    if event in ("socket.connect", "socket.sendto") or event.startswith("socket.gethostby") or "addrinfo" in event:
        with open(os.environ["WATCHED"], "a") as file:
            print(event, arguments[-1] if event == "socket.connect" else arguments, file=file)
sys.addaudithook(watch)
"""
"""Python runs this before the app; what is looked up while the app starts is its own."""

COOKIES = ("knnclip-client=" + "A" * 22, "knnclip-client=" + "B" * 22)
META = {"_type": "gradio.FileData"}
NAMES = (
    "http://name.invalid/x.png", "https://name.invalid/x", "//name.invalid/x", r"\\name.invalid\x", "file:///etc/passwd",
)  # fmt: skip
HEADERS = (
    {"Host": "evil.example"}, {"Host": ""}, {"Origin": "null"}, {"Origin": "http://evil.example"},
    {"Origin": "http://[::"}, {"Sec-Fetch-Site": "cross-site"}, {"Content-Type": "text/plain"}, {"Cookie": "x" * 5000},
    {"Content-Type": "application/json; charset=x"}, {"Cookie": "knnclip-client=\xff"}, {"Content-Length": "x"},
    {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "javascript"}, {"Expect": "100-continue"},
)  # fmt: skip
ROUTES = (
    "call/{}", "call/{}/{}", "run/{}", "queue/join", "queue/data?session_hash={}", "cancel", "reset", "heartbeat/{}",
    "file={}", "upload_progress?upload_id={}", "proxy={}", "component_server", "stream/{}", "info", "upload", "{}",
)  # fmt: skip
PIECES = (
    "classes", "segment", "..", "%2e%2e%2f", "%00", "x" * 3000, "%ff", "http://name.invalid/", "/etc/passwd", "é", "{}",
    "",
)  # fmt: skip

KEYS = ("path", "name", "segments", "segment", "point", "box", "strokes", "width", "index", "instance_id", "version")
"""Of what the canvas sends."""


@dataclass
class Attack:
    """The app under attack, and what the client has of it."""

    server: Server
    watched: Path
    uploads: list[str] = field(default_factory=list)  # of the client with the first cookie
    foreign: list[str] = field(default_factory=list)  # of the one with the second
    listeners: list[Mapping[str, Any]] = field(default_factory=list)  # those of the page
    said: str = ""  # in the log when the app had started
    looked_up: str = ""  # by then

    def __call__(self, root: Path, rng: random.Random) -> str:
        """One attempt; ``AssertionError`` says what was not as it should be."""
        what = rng.choices((self._call, self._event, self._route, self._file), (8, 4, 5, 1))[0](root, rng)
        assert self.server.process.poll() is None, f"{what}: the app has ended"
        log = self.log()
        assert log == self.said, f"{what}: {log.removeprefix(self.said)[-2000:]}"
        seen = self.watched.read_text()
        assert seen == self.looked_up, f"{what}: {seen.removeprefix(self.looked_up)}"
        resident = _resident_bytes(self.server.process.pid)
        assert resident < RESIDENT_BYTES, f"{what}: {resident / 2**30:.1f} GB"
        return what

    def log(self) -> str:
        """What the app said; what is no HTTP the server refuses before the app sees it."""
        return self.server.log.read_text().replace("WARNING:  Invalid HTTP request received.\n", "")

    def _call(self, root: Path, rng: random.Random) -> str:
        """A named endpoint with arguments some of which are not what they should be."""
        name = rng.choice(list(ENDPOINTS))
        hints = [hint for key, hint in get_type_hints(ENDPOINTS[name]._do).items() if key not in ("session", "return")]
        arguments = [self._right(hint, rng) for hint in hints]
        for place in rng.sample(range(len(hints)), min(len(hints), rng.choice((1, 1, 2)))):
            arguments[place] = self._wrong(rng)
        if rng.random() < 0.15:
            arguments = arguments[:-1] if arguments and rng.random() < 0.5 else [*arguments, self._wrong(rng)]
        self.call(name, arguments)
        return f"{name}{_shown(arguments)}"

    def _event(self, root: Path, rng: random.Random) -> str:
        """A listener of the page, with what the page never sends."""
        listener = rng.choice(self.listeners)
        data = [self._wrong(rng) for _ in range(len(listener["inputs"]) + rng.choice((0, 0, 0, 1)))]
        event = {key: self._wrong(rng) for key in rng.sample(KEYS, 3)} if rng.random() < 0.7 else self._wrong(rng)
        if isinstance(event, dict) and rng.random() < 0.3:
            event["path"] = rng.choice(self.uploads)
        session = f"s{rng.randrange(10**9)}"
        body = {
            "data": data,
            "event_data": event,
            "fn_index": listener["id"],
            "session_hash": session,
            "trigger_id": None,
        }
        status, text = self.ask("POST", "/gradio_api/queue/join", _json(body))
        if status == 200:
            text = self._last_message(session)
            output = json.loads(text)["output"]
            message = output.get("error") or ((output.get("data") or [None])[0] or {})
            if isinstance(message, dict) and message.get("kind") == "error":
                message = message["text"]
            if isinstance(message, str):
                _check_line(message)
        else:
            _check_line(text)
        self._check_paths(text)
        return f"{listener['api_name']}{_shown(data)} with {_shown(event)}"

    def _route(self, root: Path, rng: random.Random) -> str:
        """Any route, with a body, a method and headers of any kind."""
        route = rng.choice(ROUTES).format(*rng.choices(PIECES, k=3))
        path = ("/gradio_api/" if rng.random() < 0.8 else "/") + "".join(c if c.isascii() else "%c3%a9" for c in route)
        path = path.replace(" ", "%20")
        body = None
        method = rng.choice(("GET", "GET", "POST", "POST", "POST", "PUT", "HEAD", "OPTIONS"))
        if method == "POST":
            file = root / "body.json"
            file.write_text(json.dumps({"data": ["x", [1]], "fn_index": 3, "session_hash": "x", "event_id": "y"}))
            mutate(file, rng)
            body = file.read_bytes() if file.exists() else b""
        headers = rng.choice(HEADERS) if rng.random() < 0.4 else {}
        status, text = self.ask(method, path, body, **headers)
        what = f"{method} {path[:60]} {headers} {body!r:.300} {status}"
        # Gradio's status for any call that fails on the route without a queue.
        assert status < 500 or ("/run/" in path and text.startswith('{"error":')), f"{what}: {text[:300]}"
        if status >= 400 and method != "HEAD":
            _check_line(text, what)
        self._check_paths(text)
        return what

    def _file(self, root: Path, rng: random.Random) -> str:
        """A picture, an archive or an export that was spoiled before it was uploaded."""
        name, file = rng.choice((("segment", "x.png"), ("ingest_zip", "x.zip"), ("import", "x.knnclip")))
        if name == "segment":
            sets.picture(root / file)
        else:
            sets.SETS[rng.choice(list(sets.SETS))](root / "set")
            sets.archive(root / file, root / "set")
        done = mutate(root / file, rng)
        content = (root / file).read_bytes() if (root / file).exists() else b""
        path = self.upload(content, file, COOKIES[0])
        given = {"path": path, "orig_name": file, "meta": META}
        self.call(name, [given, []] if name == "ingest_zip" else [given])
        return f"{name}, {done}"

    def call(self, name: str, arguments: list[Any]) -> None:
        """Calls an endpoint and judges its answer."""
        status, text = self.ask("POST", f"/gradio_api/call/{name}", _json({"data": arguments}))
        if status == 200:
            event = json.loads(text)["event_id"]
            status, text = self.ask("GET", f"/gradio_api/call/{name}/{event}")
            found = [line for line in text.splitlines() if line and "heartbeat" not in line and line != "data: null"]
            kind, data = found[0], json.loads(found[1].removeprefix("data: "))
            assert kind in ("event: complete", "event: error"), text[:300]
            if kind == "event: error":
                _check_line(data["error"])
                self._check_paths(data["error"])
        else:
            _check_line(text)
        self._check_paths(text)

    def upload(self, content: bytes, name: str, cookie: str) -> str:
        """The path of what was uploaded."""
        form = b'--b\r\nContent-Disposition: form-data; name="files"; filename="%s"\r\n\r\n%s\r\n--b--\r\n'
        headers = {"Content-Type": "multipart/form-data; boundary=b", "Cookie": cookie}
        _, text = self.ask("POST", "/gradio_api/upload", form % (name.encode(), content), **headers)
        return str(json.loads(text)[0])

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
        """The status and the text of an answer, which must end as it should."""
        connection = http.client.HTTPConnection(self.server.address.split("//")[1], timeout=PATIENCE_S)
        given = {"Content-Type": "application/json", "Cookie": COOKIES[0]} | headers
        connection.request(method, path, body, given)
        with connection.getresponse() as answer:
            if path.startswith("/gradio_api/heartbeat/") and answer.status == 200:
                return 200, ""  # it has no end
            return answer.status, answer.read().decode(errors="replace")

    def _last_message(self, session: str) -> str:
        connection = http.client.HTTPConnection(self.server.address.split("//")[1], timeout=PATIENCE_S)
        connection.request("GET", f"/gradio_api/queue/data?session_hash={session}", headers={"Cookie": COOKIES[0]})
        with connection.getresponse() as answer:
            lines = [line.removeprefix("data: ") for line in answer.read().decode().splitlines() if line]
        return next(line for line in lines if json.loads(line)["msg"] == "process_completed")

    def _check_paths(self, text: str) -> None:
        """What the app hands out lies in one folder, whose files have their paths in their addresses; nothing else."""
        served = r"/knnclip-demo-\w+/served/(pictures|uploads|downloads-\w+|[0-9a-f]{64})/"
        left = re.sub(re.escape(str(self.server.temporary)) + served, "", text)
        folder = str(self.server.log.parent)
        assert folder not in left, f"a path of the server: {left[max(left.index(folder) - 200, 0) :][:500]}"

    def _right(self, hint: Any, rng: random.Random) -> Any:
        if hint is FileData:
            return {"path": rng.choice(self.uploads), "orig_name": "x.png", "meta": META}
        return {int: 1, float: 2.0, str: "tree", list[int]: [1], list[str]: []}.get(hint, [[[5.0, 5.0]]])

    def _wrong(self, rng: random.Random) -> Any:
        value = rng.choice((*VALUES, *NAMES, "file", "file", "name", "deep", "many", "paths"))
        if value == "file":
            path = rng.choice((*self._server_paths(), *self.foreign, *self.uploads, *NAMES, rng.choice(VALUES)))
            name = rng.choice(("x.png", None, rng.choice(VALUES)))
            return {"path": path, "url": rng.choice(NAMES), "orig_name": name, "meta": META}
        if value == "name":
            return "".join(
                rng.choice("ab\0\x1b\u202e\ud800\udfff\ufeff\u2028é😀\n<") for _ in range(rng.choice((1, 5, 300)))
            )
        if value == "deep":
            return _nested(rng.choice((5, 200, 900)), rng)
        if value == "many":
            return [rng.choice(VALUES) for _ in range(rng.choice((10, 3000)))]
        return rng.choice(self._server_paths()) if value == "paths" else value

    def _server_paths(self) -> tuple[str, ...]:
        # With two strokes each, so that what is quoted of them is told from what the app says of itself.
        files = (self.server.log, self.server.log.parent / "index_store" / "demo" / "store" / "store.db")
        return ("/etc/passwd", "/proc/self/environ", "/dev/zero", *(str(file).replace("/", "//") for file in files))


@contextmanager
def hostile_client(folder: Path) -> Iterator[Attack]:
    """Starts the app in ``folder`` and yields the attempts on it."""
    (folder / "sitecustomize.py").write_text(WATCH)
    watched = folder / "watched"
    watched.touch()
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    with started(folder, environment={"PYTHONPATH": path, "WATCHED": str(watched)}) as server:
        attack = Attack(server, watched)
        picture = io.BytesIO()
        Pil.new("RGB", (sets.W, sets.H), "red").save(picture, "PNG")
        for uploads, cookie in ((attack.uploads, COOKIES[0]), (attack.foreign, COOKIES[1])):
            uploads.append(attack.upload(picture.getvalue(), "x.png", cookie))
        config = json.loads(attack.ask("GET", "/config")[1])
        hidden = [item for item in config["dependencies"] if item["api_visibility"] != "public"]
        attack.listeners += [item for item in hidden if all(event != "unload" for _, event in item["targets"])]
        attack.said, attack.looked_up = attack.log(), watched.read_text()
        assert attack.looked_up, "what the app looks up while it starts is seen"
        yield attack


def _check_line(text: str, what: str = "") -> None:
    assert text, f"{what}: no message"
    assert len(text.splitlines()) <= 1, f"{what}: more than a line: {text[:300]}"
    assert len(text) <= LONGEST_LINE, f"{what}: {len(text):,} characters: {text[:300]}"
    assert FAILED not in text, f"{what}: the server failed"


def _nested(depth: int, rng: random.Random) -> Any:
    value: Any = rng.choice(VALUES)
    wrap: Callable[[Any], Any] = rng.choice(
        (lambda inner: [inner], lambda inner: {"path": inner}, lambda inner: {"a": inner})
    )
    for _ in range(depth):
        value = wrap(value)
    return value


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body).encode()


def _resident_bytes(process_id: int) -> int:
    """What a process has in memory; 0 where the system has no such file."""
    status = Path(f"/proc/{process_id}/status")
    found = re.search(r"VmRSS:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) * 1024 if found else 0


def _shown(value: object) -> str:
    return f"{value!r:.150}"
