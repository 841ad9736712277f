"""A stand-in for Label Studio: it serves pictures to who brings its key, as the real one does."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

RECORDED = json.loads((Path(__file__).parent / "recorded.json").read_text())
"""What Label Studio 1.23.2 sent to a back end: of a project with a brush, two tasks, and one annotation.

Recorded over loopback; names and addresses of people are blank.
"""

KEY = "header.body.signature"


class LabelStudio:
    """What it serves, by path, and what it was asked."""

    def __init__(self, port):
        self.address = f"http://127.0.0.1:{port}"
        self.files = {}  # path with query -> bytes, or an address to redirect to
        self.asked = []  # (path, Authorization)
        self.open = False  # whether it asks for no key


@pytest.fixture
def serving():
    """Starts servers on loopback."""
    servers = []

    def serve():
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_POST(self):
                sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                studio.asked.append((self.path, None))
                right = self.path == "/api/token/refresh" and sent == {"refresh": KEY}
                self.answer(200 if right else 401, json.dumps({"access": "short"} if right else {}).encode())

            def do_GET(self):
                brought = self.headers.get("Authorization")
                studio.asked.append((self.path, brought))
                found = studio.files.get(self.path)
                if not studio.open and brought != "Bearer short":
                    self.answer(401, b"{}")
                elif isinstance(found, str):
                    self.send_response(302)
                    self.send_header("Location", found)
                    self.end_headers()
                else:
                    self.answer(200 if found is not None else 404, found or b"")

            def answer(self, status, content):
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        studio = LabelStudio(server.server_port)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return studio

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def studio(serving, picture):
    """One with the pictures of the recorded tasks."""
    started = serving()
    started.files = {task["data"]["image"]: picture for task in RECORDED["predict"]["tasks"]}
    return started
