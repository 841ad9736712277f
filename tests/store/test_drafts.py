from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from knnclip.errors import StoreError
from knnclip.store import Store
from knnclip.store.drafts import PREFIX, abandoned, draft_folder, erase

from .samples import FINGERPRINT, batch, new_store

ROOT = Path(__file__).parents[2]


def killed_in_a_draft(parent):
    """A draft with a file in it, whose process was killed."""
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from knnclip.store.drafts import draft_folder\n"
        "with draft_folder(Path(sys.argv[1])) as draft:\n"
        "    (draft / 'store.db').write_bytes(b'vectors')\n"
        "    print(draft, flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(parent)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    draft = Path(process.stdout.readline().strip())
    assert abandoned(parent) == []  # somebody holds it
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return draft


def test_erasing_overwrites_before_it_deletes(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"secret" * 400_000)
    os.link(file, tmp_path / "same bytes")
    erase(file)
    erase(file)
    assert not file.exists()
    assert (tmp_path / "same bytes").read_bytes() == bytes(2_400_000)


def test_what_a_link_leads_to_is_left_alone(tmp_path):
    (tmp_path / "other").write_bytes(b"of somebody else")
    (tmp_path / "link").symlink_to(tmp_path / "other")
    erase(tmp_path / "link")
    assert (tmp_path / "other").read_bytes() == b"of somebody else"
    assert not (tmp_path / "link").is_symlink()


def test_a_draft_is_gone_after_its_block_and_also_when_that_raises(tmp_path):
    def fail():
        with draft_folder(tmp_path) as draft:
            (draft / "deep").mkdir()
            (draft / "deep" / "file").write_bytes(b"x")
            os.link(draft / "deep" / "file", tmp_path / "same bytes")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [file.name for file in tmp_path.iterdir()] == ["same bytes"]
    assert (tmp_path / "same bytes").read_bytes() == b"\0"


@pytest.mark.parametrize("act", ["create", "export", "import", "merge"])
def test_what_a_killed_process_left_is_told_and_erased_by_the_next_act(tmp_path, act):
    with new_store(tmp_path, batch(1, 5)) as store:
        (tmp_path / "out").mkdir()
        store.export(tmp_path / "out" / "file")
    place = tmp_path / "out" if act == "export" else tmp_path
    draft = killed_in_a_draft(place)
    os.link(draft / "store.db", tmp_path / "out" / "same bytes")
    if act != "export":
        with Store.open(tmp_path / "store", read_only=True) as store:
            (line,) = store.leftovers()
        assert str(draft) in line
    if act == "create":
        Store.create(tmp_path / "new", FINGERPRINT).close()
    elif act == "export":
        with Store.open(tmp_path / "store", read_only=True) as store:
            store.export(tmp_path / "out" / "second")
    else:
        Store.import_file(tmp_path / ("new" if act == "import" else "store"), tmp_path / "out" / "file")
    assert not list(place.glob(f"{PREFIX}*"))
    assert (tmp_path / "out" / "same bytes").read_bytes() == bytes(7)


def test_leftovers_are_cleared_away_where_the_store_may_be_written(tmp_path):
    with new_store(tmp_path, batch(1, 5)) as store:
        draft = killed_in_a_draft(tmp_path)
        cache = store.path / "index.cache.1-ab"
        cache.write_bytes(b"half")
        with draft_folder(tmp_path):
            (line,) = store.leftovers()
        assert str(cache) in line
        assert not draft.exists()
        store.compact()
        assert store.leftovers() == []


def test_a_file_system_without_locks_is_told(tmp_path, monkeypatch):
    class Refused:
        def execute(self, statement):
            raise sqlite3.OperationalError("database is locked")

        def close(self):
            pass

    monkeypatch.setattr("knnclip.store.drafts._lock", lambda folder: Refused())
    with pytest.raises(StoreError, match="cannot be locked"):
        Store.create(tmp_path / "new", FINGERPRINT)
    assert list(tmp_path.iterdir()) == []
