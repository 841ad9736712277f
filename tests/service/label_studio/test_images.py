"""Where pictures are read from, and where never: nothing that a task says leads to another machine or file."""

import base64
import socket
import threading

import pytest

from knnclip.errors import ImageError, UsageError
from knnclip.service.label_studio.images import TaskImages
from tests.service.label_studio.conftest import KEY


def images_of(studio, **options):
    given = {"others": (), "folder": None, "max_bytes": 1000} | options
    return TaskImages(studio.address, KEY, **given)


def test_an_upload_is_read_with_a_short_lived_token_that_the_key_is_changed_for(studio):
    studio.files = {"/data/upload/1/a%20b.png": b"content"}
    assert images_of(studio).read("/data/upload/1/a%20b.png") == b"content"
    assert images_of(studio).read(f"{studio.address}/data/upload/1/a%20b.png") == b"content"
    assert ("/data/upload/1/a%20b.png", "Bearer short") in studio.asked


def test_an_older_key_is_sent_as_it_is(studio):
    images = TaskImages(studio.address, "0123abcd", others=(), folder=None, max_bytes=1000)
    with pytest.raises(ImageError, match="answered 401"):
        images.read("/data/upload/1/a.png")
    assert studio.asked == [("/data/upload/1/a.png", "Token 0123abcd")]


FOREIGN = [
    "http://{}/x.png", "HTTP://{}/x.png", "//{}/x.png", "https://{}/x.png", "http://user@{}/x.png", "http://{}#@/x.png",
    "http://localhost@{}/x.png", "ftp://{}/x.png", "gopher://{}/x", "http://[::1]@{}/", "\\\\{}\\x", "http:/{}/x",
]  # fmt: skip


@pytest.mark.parametrize("address", FOREIGN)
def test_no_address_leads_to_another_machine(studio, address):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.05)
        other = f"127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(ImageError):
            images_of(studio).read(address.format(other))
        with pytest.raises(TimeoutError):
            listening.accept()


@pytest.mark.parametrize(
    "address", ["file:///etc/hostname", "/etc/hostname", "s3://bucket/x", "x.png", "", None, 5, "\0"]
)
def test_what_is_no_address_of_label_studio_is_refused(studio, address):
    with pytest.raises(ImageError):
        images_of(studio).read(address)


def test_it_may_lead_on_to_what_is_allowed_alone_and_the_key_stays(studio, serving):
    storage, foreign = serving(), serving()
    storage.open = foreign.open = True
    storage.files = foreign.files = {"/bucket/a.png?signed=1": b"stored"}
    studio.files = {
        "/tasks/1/presign": f"{storage.address}/bucket/a.png?signed=1",
        "/tasks/2/presign": f"{foreign.address}/bucket/a.png?signed=1",
        "/round": "/round",
        "/file": "file:///etc/hostname",
    }
    images = images_of(studio, others=[storage.address])
    assert images.read("/tasks/1/presign") == b"stored"
    assert storage.asked == [("/bucket/a.png?signed=1", None)], "the key is Label Studio's alone"
    with pytest.raises(ImageError, match="--images-from") as refused:
        images.read("/tasks/2/presign")
    assert "signed" not in str(refused.value)
    assert foreign.asked == []
    with pytest.raises(ImageError, match="leads on"):
        images.read("/round")
    with pytest.raises(ImageError, match="expected an address"):
        images.read("/file")


def test_a_picture_is_read_no_further_than_its_limit(studio):
    studio.files = {"/large": b"x" * 1001, "/right": b"x" * 1000}
    assert len(images_of(studio).read("/right")) == 1000
    with pytest.raises(ImageError, match="save it smaller"):
        images_of(studio).read("/large")


def test_an_answer_without_end_has_one(studio, monkeypatch):
    monkeypatch.setattr("knnclip.service.label_studio.images.WHOLE_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip():
            connection, _ = listening.accept()
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            try:
                while not done.wait(0.02):
                    connection.sendall(b"x" * 70_000)
            except OSError:
                pass

        done = threading.Event()
        thread = threading.Thread(target=drip)
        thread.start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(ImageError, match="was not here after"):
            TaskImages(address, None, others=(), folder=None, max_bytes=2**40).read("/x")
        done.set()
        thread.join()


def test_local_files_are_those_in_the_folder(studio, tmp_path):
    folder = tmp_path / "served"
    (folder / "in").mkdir(parents=True)
    (folder / "in" / "a b.png").write_bytes(b"local")
    (tmp_path / "secret.png").write_bytes(b"secret")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    images = images_of(studio, folder=folder)
    assert images.read("/data/local-files/?d=in/a%20b.png") == b"local"
    for wrong in (
        "../secret.png",
        "in/../../secret.png",
        "link.png",
        str(tmp_path / "secret.png"),
        "",
        "in",
        "x" * 900,
        "%00",
    ):
        with pytest.raises(ImageError) as refused:
            images.read(f"/data/local-files/?d={wrong}")
        assert "secret" not in str(refused.value)
    assert studio.asked == []


def test_a_picture_may_come_with_the_task(studio):
    inline = "data:image/png;base64," + base64.b64encode(b"content").decode()
    assert images_of(studio).read(inline) == b"content"
    for wrong in ("data:text/html;base64,AAAA", "data:image/png,AAAA", "data:image/png;base64,?", "data:"):
        with pytest.raises(ImageError, match="no data:image"):
            images_of(studio).read(wrong)


@pytest.mark.parametrize("address", ["localhost:8080", "ftp://x", "http://", "http://a:b@c", "http://x:99999"])
def test_an_address_of_label_studio_that_is_none_is_told_at_the_start(address):
    with pytest.raises(UsageError, match="http://host:port"):
        TaskImages(address, None, others=(), folder=None, max_bytes=1)
