"""Who may ask the app for what: names, origins, logins, sessions and uploads of clients, over the wire."""

import json
import socket
import threading
import time
import uuid
from contextlib import contextmanager

import pytest
from gradio_client import Client, handle_file

from demo.api import ENDPOINTS
from demo.attempts import FREE
from tests.demo.server import COOKIE, OTHER_COOKIE, ask, served, started


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """The app with one store for all."""
    with started(tmp_path_factory.mktemp("gate")) as server:
        yield server


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """The app with a password."""
    with started(tmp_path_factory.mktemp("guarded"), "--auth", "ann:secret") as server:
        yield server


def call(address, name, *data, cookie=COOKIE):
    """What an endpoint answers: the event and its data."""
    status, text = ask(address, "POST", f"/gradio_api/call/{name}", {"data": list(data)}, Cookie=cookie)
    if status != 200:
        return status, text
    event = json.loads(text)["event_id"]
    _, text = ask(address, "GET", f"/gradio_api/call/{name}/{event}", Cookie=cookie)
    lines = [line for line in text.splitlines() if line and "heartbeat" not in line]
    return lines[0].removeprefix("event: "), json.loads(lines[1].removeprefix("data: "))


def upload(address, content=b"x", cookie=COOKIE, name="x.png", **headers):
    """The answer to an upload."""
    form = b'--b\r\nContent-Disposition: form-data; name="files"; filename="%s"\r\n\r\n%s\r\n--b--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b", "Cookie": cookie} | headers
    return ask(address, "POST", "/gradio_api/upload", form % (name.encode(), content), **headers)


@contextmanager
def another_machine():
    """A socket that stands for another machine; it keeps who has connected to it."""
    connected = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.1)
        done = threading.Event()

        def accept():
            while not done.is_set():
                try:
                    connection, _ = listening.accept()
                except TimeoutError:
                    continue
                connected.append(connection.recv(100))
                connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}", connected
        finally:
            time.sleep(0.3)
            done.set()
            thread.join()


META = {"_type": "gradio.FileData"}
ADDRESSES = ["http://{}/x.png", "HTTP://{}/x.png", "https://{}/x.png", "file://{}/x", "//{}/x", "ftp://{}/x"]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("name", ["segment", "import", "ingest_zip", "rename", "teach"])
def test_nothing_that_a_client_sends_reaches_another_machine(app, name, address):
    with another_machine() as (machine, connected):
        url = address.format(machine)
        file = {"path": url, "url": url, "orig_name": "x.png", "meta": META}
        arguments = {"ingest_zip": (file, []), "rename": ("car", file), "teach": ("x", [[file]])}.get(name, (file,))
        event, data = call(app.address, name, *arguments)
        assert event == "error"
        assert "not uploaded" in data["error"]
    assert connected == []


def test_not_even_by_the_address_beside_an_own_upload(app):
    with another_machine() as (machine, connected):
        (path,) = json.loads(upload(app.address)[1])
        event, data = call(app.address, "segment", {"path": path, "url": f"http://{machine}/x.png", "meta": META})
        assert event == "error"
        assert "not an image" in data["error"]
    assert connected == []


@pytest.mark.parametrize("route", ["file=", "proxy=", "file/", "custom_component/x/client/x/"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_no_route_fetches_an_address(app, route, address):
    with another_machine() as (machine, connected):
        status, _ = ask(app.address, "GET", f"/gradio_api/{route}{address.format(machine)}", Cookie=COOKIE)
        assert status in (403, 404)
    assert connected == []


def test_components_and_events_of_the_page_do_not_fetch_either(app):
    config = json.loads(ask(app.address, "GET", "/config", Cookie=COOKIE)[1])
    with another_machine() as (machine, connected):
        file = {"path": f"http://{machine}/x.zip", "url": f"http://{machine}/x.zip", "meta": META}
        for listener in config["dependencies"]:
            body = {
                "data": [file] * len(listener["inputs"]), "event_data": file, "fn_index": listener["id"],
                "trigger_id": None, "session_hash": "fetching",
            }  # fmt: skip
            ask(app.address, "POST", "/gradio_api/queue/join", body, Cookie=COOKIE)
        # One that works comes after all those before it.
        assert call(app.address, "classes")[0] == "complete"
    assert connected == []


def test_an_upload_is_opened_by_its_client_alone(app, tmp_path):
    picture = next((app.log.parent / "index_store/demo/data/val/images").iterdir())
    (path,) = json.loads(upload(app.address, picture.read_bytes())[1])
    file = {"path": path, "orig_name": "mine.png", "meta": META}
    for cookie in (OTHER_COOKIE, ""):
        event, data = call(app.address, "segment", file, cookie=cookie)
        assert (event, "not uploaded" in data["error"]) == ("error", True)
        assert ask(app.address, "GET", f"/gradio_api/file={path}", Cookie=cookie)[0] == 403
    assert ask(app.address, "GET", f"/gradio_api/file={path}", Cookie=COOKIE)[0] == 200
    assert call(app.address, "segment", file)[0] == "complete"
    assert path != json.loads(upload(app.address, picture.read_bytes())[1])[0], "each upload has a path of its own"


def test_what_the_server_hands_out_is_no_upload(app):
    client = Client(app.address, verbose=False, download_files=False)
    exported = client.predict(api_name="/export")["path"]
    event, data = call(app.address, "import", {"path": exported, "meta": META})
    assert (event, "not uploaded" in data["error"]) == ("error", True)


FOREIGN = [
    {"Host": "evil.example", "Origin": "http://evil.example"},
    {"Host": "evil.example:7860"},
    {"Host": ""},
    {"Host": "localhost.evil.example"},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://[:::"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_foreign_page_can_neither_change_nor_read_nor_upload_anything(app, headers):
    body = {"data": ["tree"]}
    for method, path, sent in (
        ("POST", "/gradio_api/call/forget", body),
        ("POST", "/gradio_api/run/forget", body),
        ("POST", "/gradio_api/queue/join", {"data": ["tree"], "fn_index": 12, "session_hash": "foreign"}),
        ("POST", "/gradio_api/upload", b""),
        ("GET", "/config", None),
        ("GET", "/gradio_api/heartbeat/foreign", None),
    ):
        status, text = ask(app.address, method, path, sent, Cookie=COOKIE, **headers)
        assert status == 403, path
        assert len(text.splitlines()) <= 1
    assert upload(app.address, **headers)[0] == 403
    event, (found,) = call(app.address, "classes")
    assert (event, "tree" in {info["name"] for info in found}) == ("complete", True)


def test_its_own_pages_and_programs_are_served(app):
    port = app.address.rpartition(":")[2]
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}", "localhost:9999"):
        headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
        assert ask(app.address, "GET", "/config", **headers)[0] == 200
    assert ask(app.address, "GET", "/", **{"Sec-Fetch-Site": "cross-site"})[0] == 200, "a link from elsewhere"


def test_a_proxy_is_served_under_its_name(tmp_path):
    with served(tmp_path, "--store", "s", "--allowed-host", "demo.example.org") as address:
        assert ask(address, "GET", "/config", Host="demo.example.org")[0] == 200
        assert ask(address, "GET", "/config", Host="other.example.org")[0] == 403


def test_no_session_is_used_or_ended_by_another_client(app):
    name = uuid.uuid4().hex
    body = {"data": [], "fn_index": 6, "session_hash": name}
    assert ask(app.address, "POST", "/gradio_api/queue/join", body, Cookie=COOKIE)[0] == 200
    for method, path, sent in (
        ("POST", "/gradio_api/queue/join", body),
        ("POST", "/gradio_api/run/undo", {"data": [], "session_hash": name}),
        ("POST", "/gradio_api/cancel", {"session_hash": name, "fn_index": 6, "event_id": "x"}),
        ("GET", f"/gradio_api/queue/data?session_hash={name}", None),
        ("GET", f"/gradio_api/heartbeat/{name}", None),
    ):
        status, text = ask(app.address, method, path, sent, Cookie=OTHER_COOKIE)
        assert (status, "somebody else's" in text) in ((403, True), (403, False)), path


EVERY_ROUTE = [
    ("GET", "/config"), ("GET", "/gradio_api/info"), ("GET", "/gradio_api/heartbeat/x"), ("POST", "/gradio_api/upload"),
    ("GET", "/gradio_api/queue/data?session_hash=x"), ("GET", "/gradio_api/file=x"),
    ("POST", "/gradio_api/queue/join"), ("POST", "/gradio_api/call/classes"), ("GET", "/gradio_api/call/classes/x"),
    ("POST", "/gradio_api/run/classes"), ("POST", "/gradio_api/cancel"), ("POST", "/gradio_api/reset"),
    ("GET", "/gradio_api/upload_progress?upload_id=x"), ("POST", "/gradio_api/stream/x"),
    ("POST", "/gradio_api/stream/x/close"), ("GET", "/gradio_api/stream/x/1/1/playlist.m3u8"),
    ("POST", "/gradio_api/component_server"), ("POST", "/gradio_api/process_recording"),
    ("GET", "/gradio_api/deep_link?session_hash=x"), ("GET", "/gradio_api/run-history/buckets"),
    ("POST", "/gradio_api/run-history/connect"), ("POST", "/gradio_api/vibe-edit"), ("GET", "/monitoring/summary"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), EVERY_ROUTE, ids=str)
def test_with_a_password_no_route_does_anything_without_a_login(guarded, method, path):
    status, text = ask(guarded.address, method, path, {"data": [], "session_hash": "x"} if method == "POST" else None)
    assert status in (401, 404)
    assert "data" not in text
    assert len(text.splitlines()) <= 1


def log_in(address, password):
    form = f"username=ann&password={password}".encode()
    return ask(address, "POST", "/login", form, **{"Content-Type": "application/x-www-form-urlencoded"})


def test_guessing_is_slowed_down(guarded):
    assert log_in(guarded.address, "secret")[0] == 200
    answers = [log_in(guarded.address, f"guess{number}")[0] for number in range(FREE + 2)]
    assert answers == [*[400] * FREE, 429, 429]
    status, text = log_in(guarded.address, "secret")
    assert (status, "try again in" in text) == (429, True)
    time.sleep(1.2)
    assert log_in(guarded.address, "secret")[0] == 200
    assert log_in(guarded.address, "wrong")[0] == 400, "who knew it begins anew"


def test_an_upload_too_large_is_refused_before_it_is_read(app):
    status, text = upload(app.address, **{"Content-Length": str(3 * 2**30)})
    assert (status, "at most 2 GB" in text, len(text.splitlines())) == (413, True, 1)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"data": 5}', b"[" * 100_000, b"{" * 9, b"\xff", b"9" * 5000]
)
@pytest.mark.parametrize("path", ["queue/join", "call/classes", "run/classes", "cancel"])
def test_a_body_that_is_no_call_is_one_line(app, path, body):
    before = app.log.read_text()
    status, text = ask(
        app.address, "POST", f"/gradio_api/{path}", body, Cookie=COOKIE, **{"Content-Type": "application/json"}
    )
    assert status in (400, 404)
    assert len(text.splitlines()) == 1
    assert app.log.read_text() == before


@pytest.mark.parametrize("kind", ["text/plain", "", "application/x-www-form-urlencoded", "application/jsonx"])
def test_a_body_of_another_type_is_refused_and_not_quoted(app, kind):
    status, text = ask(
        app.address, "POST", "/gradio_api/call/classes", b'{"data": ["quoted"]}', **{"Content-Type": kind}
    )
    assert (status, "application/json" in text, "quoted" in text) == (415, True, False)


ENDINGS = [
    {}, {"session_hash": "q"}, {"fn_index": "x", "event_id": 5}, {"fn_index": 6, "event_id": [1]},
    {"fn_index": float("inf"), "event_id": "x"}, {"event_id": "x" * 100},
    {"fn_index": True, "event_id": "x"}, {"fn_index": 6, "event_id": "\ud800"},
]  # fmt: skip


@pytest.mark.parametrize("body", ENDINGS, ids=lambda body: f"{body!r:.40}")
def test_what_ends_nothing_is_one_line(app, body):
    before = app.log.read_text()
    status, text = ask(app.address, "POST", "/gradio_api/cancel", {"session_hash": "ending"} | body, Cookie=COOKIE)
    assert (status, "expected" in text, len(text.splitlines())) == (400, True, 1)
    assert app.log.read_text() == before


@pytest.mark.parametrize("path", ["call/classes/unknown", "queue/data?session_hash=unknown", "call/segment/%7f"])
def test_an_answer_that_nobody_asked_for_is_one_line(app, path):
    before = app.log.read_text()
    status, text = ask(app.address, "GET", f"/gradio_api/{path}", Cookie=COOKIE)
    assert status in (400, 404)
    assert len(text.splitlines()) == 1
    assert app.log.read_text() == before


def test_the_answers_of_a_session_are_not_read_by_another_client_as_those_of_a_call(app):
    name = uuid.uuid4().hex
    body = {"data": [], "fn_index": 9, "session_hash": name}
    assert ask(app.address, "POST", "/gradio_api/queue/join", body, Cookie=COOKIE)[0] == 200
    for cookie in (OTHER_COOKIE, ""):
        assert ask(app.address, "GET", f"/gradio_api/call/classes/{name}", Cookie=cookie)[0] == 403


@pytest.mark.parametrize("path", ["call/..", "run/..", "run/%00", "call/nothing", "run/draw_points"])
def test_a_call_of_nothing_is_one_line_whatever_number_it_brings(app, path):
    before = app.log.read_text()
    body = {"data": ["x"], "fn_index": 3, "session_hash": "nothing"}
    status, text = ask(app.address, "POST", f"/gradio_api/{path}", body, Cookie=COOKIE)
    assert (status, len(text.splitlines())) == (404, 1)
    assert app.log.read_text() == before


@pytest.mark.parametrize("name", ["\ud800", "x" * 20_000, 5, {}], ids=["half a pair", "long", "number", "object"])
def test_a_file_has_a_name_that_is_text(app, name):
    (path,) = json.loads(upload(app.address)[1])
    event, data = call(app.address, "segment", {"path": path, "orig_name": name, "meta": META})
    assert (event, "expected a file" in data["error"]) == ("error", True)


def test_what_a_list_of_choices_has_not_is_not_quoted(app):
    """Neither at length nor with half of a surrogate pair, which breaks the answer off."""
    config = json.loads(ask(app.address, "GET", "/config", Cookie=COOKIE)[1])
    show = next(item["id"] for item in config["dependencies"] if item["api_name"] == "show")
    for wrong in ("\ud800", "x" * 5000, "a\nb"):
        session = uuid.uuid4().hex
        body = {"data": ["", wrong], "fn_index": show, "session_hash": session}
        assert ask(app.address, "POST", "/gradio_api/queue/join", body, Cookie=COOKIE)[0] == 200
        _, text = ask(app.address, "GET", f"/gradio_api/queue/data?session_hash={session}", Cookie=COOKIE)
        (done,) = (line for line in text.splitlines() if "process_completed" in line)
        message = json.loads(done.removeprefix("data: "))["output"]["error"]
        assert len(message) < 600
        assert len(message.splitlines()) == 1


def test_a_body_without_end_is_refused(app):
    status, text = ask(app.address, "POST", "/gradio_api/call/classes", {"data": ["x" * 5 * 2**20]}, Cookie=COOKIE)
    assert (status, "upload files instead" in text) == (413, True)


WRONG = [
    None, True, 1.5, float("nan"), float("inf"), -1, 2**63, 10**400, "", "x", "\ud800", "x" * 20_000, "\0", "../../etc",
    [], [None], [[]], [[[]]], [[[1, 2, 3]]], [[["x", 1]]], [1.5], ["\ud800"], {}, {"path": None}, {"path": 5},
    {"path": "x"}, {"path": ["x"], "meta": META}, {"path": "x", "meta": META}, {"a": {"path": "/etc/passwd"}},
]  # fmt: skip


@pytest.mark.parametrize("name", ENDPOINTS)
def test_wrong_arguments_are_one_line_that_says_what_was_expected(app, name):
    """With everything that is not what it should be, in every place, and with too few and too many."""
    before = app.log.read_text()
    client = Client(app.address, verbose=False)
    parameters = client.view_api(return_format="dict", print_info=False)["named_endpoints"][f"/{name}"]["parameters"]
    right = {"str": "nothing", "int": 1, "float": 1.0, "list[int]": [], "list[str]": [], "list[list[list[float]]]": []}
    usual = [right.get(parameter["python_type"]["type"]) for parameter in parameters]
    tried = [[*usual, "more"], [*usual, None, None]] + ([usual[:-1], []] if usual else [])
    tried += [[*usual[:place], wrong, *usual[place + 1 :]] for place in range(len(usual)) for wrong in WRONG]
    for arguments in tried:
        event, data = call(app.address, name, *arguments)
        assert event == "error", arguments
        assert data["error"], arguments
        assert len(data["error"].splitlines()) == 1
        assert len(data["error"]) < 400
        assert "the server failed" not in data["error"], arguments
        assert str(app.temporary) not in data["error"]
    assert call(app.address, "classes")[0] == "complete"
    assert app.log.read_text() == before, "nothing is in the log"


def test_wrong_data_to_the_page_is_no_traceback(app):
    before = app.log.read_text()
    config = json.loads(ask(app.address, "GET", "/config", Cookie=COOKIE)[1])
    for listener in config["dependencies"]:
        if listener["api_visibility"] == "public":
            continue
        for wrong in (None, 5, float("nan"), "\ud800", [], [[{}]], {"index": "x"}, {"index": 10**30}, {"name": {}}):
            count = len(listener["inputs"])
            for data in ([wrong] * count, [], [wrong] * (count + 1)):
                body = {"data": data, "event_data": wrong, "fn_index": listener["id"], "session_hash": "wrong-data"}
                status, text = ask(app.address, "POST", "/gradio_api/queue/join", body, Cookie=COOKIE)
                assert status == 200 or len(text.splitlines()) == 1
    assert call(app.address, "classes")[0] == "complete"
    time.sleep(1)
    assert app.log.read_text() == before, "nothing is in the log"


def test_the_client_of_the_readme_works_with_a_password(guarded):
    time.sleep(2)  # whoever guessed before must wait
    client = Client(guarded.address, auth=("ann", "secret"), verbose=False)
    picture = next((guarded.log.parent / "index_store/demo/data/val/images").iterdir())
    assert client.predict(handle_file(str(picture)), api_name="/segment")["segments"]


def test_the_modules_of_the_canvas_are_served_and_nothing_beside_them(guarded):
    status, text = ask(guarded.address, "GET", "/workbench/main.js")
    assert (status, "export function start" in text) == (200, True)
    for path in ("x.js", "../workbench.html", "%2e%2e/workbench.css", "main", ""):
        assert ask(guarded.address, "GET", f"/workbench/{path}")[0] == 404, path
