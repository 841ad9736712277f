"""How much may be uploaded, and to whom what was uploaded belongs."""

from pathlib import Path

import pytest

from demo import uploads
from demo.uploads import MAX_CLIENT_BYTES, MAX_SERVER_BYTES, MAX_UPLOAD_BYTES, Uploads, named_paths, uploaded
from knnclip.errors import UsageError


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return Uploads()


def send(kept, client="ann", size_bytes=10):
    """Uploads one file and returns its path."""
    with kept.receiving(client, size_bytes) as folder:
        (folder / "x.png").write_bytes(b"x")
    return str(folder / "x.png")


def test_one_upload_has_a_limit(kept):
    send(kept, size_bytes=MAX_UPLOAD_BYTES)
    with pytest.raises(UsageError, match="at most 2 GB"):
        send(kept, size_bytes=MAX_UPLOAD_BYTES + 1)


def test_a_client_and_the_server_have_totals(kept):
    for _ in range(MAX_CLIENT_BYTES // MAX_UPLOAD_BYTES):
        send(kept, "ann", MAX_UPLOAD_BYTES)
    with pytest.raises(UsageError, match=r"^you have no room for this upload") as error:
        send(kept, "ann", 1)
    assert len(str(error.value).splitlines()) == 1
    for number in range((MAX_SERVER_BYTES - MAX_CLIENT_BYTES) // MAX_UPLOAD_BYTES):
        send(kept, f"bob {number}", MAX_UPLOAD_BYTES)
    with pytest.raises(UsageError, match=r"^this server has no room for this upload"):
        send(kept, "eve", 1)


def test_empty_files_are_counted_too(kept, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_CLIENT_FILES", 3)
    monkeypatch.setattr(uploads, "MAX_SERVER_FILES", 4)
    for client in ("ann", "ann", "ann", "bob"):
        send(kept, client, 0)
    for client, who in (("ann", "you have"), ("eve", "this server has")):
        with pytest.raises(UsageError, match=f"{who} no room"):
            send(kept, client, 0)


def test_what_is_under_way_is_counted_and_what_broke_off_leaves_nothing(kept, tmp_path):
    def break_off():
        with kept.receiving("ann", MAX_UPLOAD_BYTES) as folder:
            (folder / "half").write_bytes(b"x")
            with kept.receiving("ann", MAX_UPLOAD_BYTES), pytest.raises(UsageError, match="no room"):
                send(kept, "ann", 1)
            raise RuntimeError("the client is gone")

    with pytest.raises(RuntimeError):
        break_off()
    assert list((tmp_path / "uploads").iterdir()) == []
    send(kept, "ann", MAX_UPLOAD_BYTES)


def test_what_is_gone_makes_room(kept):
    paths = [send(kept, "ann", MAX_UPLOAD_BYTES) for _ in range(2)]
    kept.claim(paths[0], "ann", "tab")
    kept.drop("tab")
    assert not Path(paths[0]).exists()
    send(kept, "ann", MAX_UPLOAD_BYTES)
    Path(paths[1]).unlink()  # as Gradio deletes what is old
    send(kept, "ann", MAX_UPLOAD_BYTES)
    assert not Path(paths[1]).parent.exists()


def test_an_upload_is_of_its_client_and_then_of_the_session_that_opened_it(kept):
    path = send(kept)
    for client in ("bob", ""):
        with pytest.raises(UsageError, match="not uploaded"):
            kept.claim(path, client, "tab")
        assert not kept.belongs(path, client)
    kept.claim(path, "ann", "tab")
    kept.claim(path, "ann", "tab")
    with pytest.raises(UsageError, match="not uploaded"):
        kept.claim(path, "ann", "other tab")
    for wrong in (None, 5, "", "/etc/passwd", path + "/..", [path], {}):
        with pytest.raises(UsageError, match="not uploaded"):
            kept.claim(wrong, "ann", "tab")


def test_only_what_was_uploaded_is_opened(kept, tmp_path):
    path = send(kept)
    assert uploaded(path) == Path(path).resolve()
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(b"x")
    for wrong in (str(tmp_path / "pictures" / "a.png"), "/etc/passwd", "\0", None, "http://x/y", str(tmp_path)):
        with pytest.raises(UsageError, match="not uploaded"):
            uploaded(wrong)


def test_paths_are_found_however_deep():
    deep = {"path": "end"}
    for _ in range(5000):
        deep = [{"a": deep}]
    assert list(named_paths(deep)) == ["end"]
    assert set(named_paths([{"path": "a", "b": [{"path": "c"}]}, "path", ({"path": "d"},)])) == {"a", "c", "d"}
