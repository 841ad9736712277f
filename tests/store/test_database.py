from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from knnclip.errors import StoreError
from knnclip.store import Store

from ..mounts import mounted
from .samples import FINGERPRINT, answers, batch, change, instance, new_store, unit


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        ({}, "holds no store.db"),
        ({"image.png": b"x"}, "holds no store.db"),
        (b"a file", "is not a folder"),
        ({"store.db": b""}, "not a knnclip store"),
        ({"store.db": b"random" * 999}, "is not an SQLite database"),
        ({"store.db": b"SQLite format 3\0" + b"x" * 9999}, "not an SQLite database|damaged"),
    ],
)
@pytest.mark.parametrize("read_only", [True, False])
def test_what_is_not_a_store_is_refused(tmp_path, content, message, read_only):
    path = tmp_path / "s"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.mkdir()
        for name, written in content.items():
            (path / name).write_bytes(written)
    with pytest.raises(StoreError, match=message) as raised:
        Store.open(path, read_only=read_only)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_database_of_something_else_and_another_schema_are_refused(tmp_path):
    new_store(tmp_path).close()
    for version, remedy in ((99, "upgrade"), (1, "make the store anew")):
        change(tmp_path / "store", f"PRAGMA user_version = {version}")
        with pytest.raises(StoreError, match=f"schema version {version}, this knnclip reads 2; {remedy}"):
            Store.open(tmp_path / "store")
    change(tmp_path / "store", "PRAGMA application_id = 0")
    with pytest.raises(StoreError, match="SQLite database but not a knnclip store"):
        Store.open(tmp_path / "store")


def test_another_encoder_is_refused_by_name(tmp_path):
    new_store(tmp_path).close()
    other = replace(FINGERPRINT, preprocessing="resize")
    with pytest.raises(StoreError, match=r"test-encoder/v1/none/8d.*test-encoder/v1/resize/8d.*--store"):
        Store.open(tmp_path / "store", fingerprint=other)


def test_a_store_is_made_once_and_never_over_something_else(tmp_path):
    Store.create(tmp_path / "deep" / "er" / "s", FINGERPRINT).close()
    with pytest.raises(StoreError, match="something is there already"):
        Store.create(tmp_path / "deep" / "er" / "s", FINGERPRINT)
    (tmp_path / "file").write_text("x")
    for taken in ("file", "deep", "file/below"):
        with pytest.raises(StoreError, match="cannot be made"):
            Store.create(tmp_path / taken, FINGERPRINT)
    (tmp_path / "empty").mkdir()
    Store.create(tmp_path / "empty", FINGERPRINT).close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["deep", "empty", "file"]
    assert (tmp_path / "file").read_text() == "x"


def test_a_read_only_store_answers_and_refuses_changes(tmp_path):
    with new_store(tmp_path, batch(1, 20)) as store:
        expected = answers(store)
    before = (tmp_path / "store" / "store.db").read_bytes()
    with Store.open(tmp_path / "store", read_only=True) as store:
        assert answers(store) == expected
        assert store.verify() == []
        for attempt in (
            lambda: store.add([instance(1)], 1),
            lambda: store.begin_source("teach", "x"),
            lambda: store.add_class("x"),
            lambda: store.rename("a", "z"),
            lambda: store.merge(["a"], "b"),
            lambda: store.forget(class_name="a"),
            lambda: store.set_setting("x", "y"),
            store.compact,
        ):
            with pytest.raises(StoreError, match="read-only"):
                attempt()
    assert (tmp_path / "store" / "store.db").read_bytes() == before
    assert not (tmp_path / "store" / "index.cache").exists()


def test_a_store_on_a_read_only_file_system(tmp_path):
    with new_store(tmp_path, batch(1, 20)) as store:
        expected = answers(store)
    view = tmp_path / "view"
    with mounted(view, "--bind", str(tmp_path / "store")):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(view)], check=True)
        with Store.open(view, read_only=True) as store:
            assert answers(store) == expected
            store.export(tmp_path / "file")
            with pytest.raises(StoreError, match="read-only"):
                store.add_class("x")
        with pytest.raises(StoreError, match="read_only"), Store.open(view) as store:
            store.add_class("x")


def test_a_full_disk_loses_only_the_batch_that_did_not_fit(tmp_path):
    with new_store(tmp_path, batch(1, 20)) as store:
        before = answers(store)
        connection = store._database._connection
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(StoreError, match="disk is full"):
            store.add(batch(2, 400), 1, finished_images=["new.png"])
        assert answers(store) == before
        assert store.finished_images(1) == set()
        connection.execute("PRAGMA max_page_count = 1000000")
        assert len(store.add(batch(2, 400), 1)) == 400
        assert store.verify() == []


def test_a_really_full_disk(tmp_path):
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=3m", "tmpfs"):
        with Store.create(tmp_path / "small" / "s", FINGERPRINT) as store:
            source, done = store.begin_source("ingest", "x"), []
            with pytest.raises(StoreError, match=r"disk is full|disk I/O"):
                done.extend(len(store.add(batch(step, 100), source)) for step in range(1000))
            kept = sum(done)
            assert kept > 0
            assert len(list(store.instances())) == kept
        with Store.open(tmp_path / "small" / "s", read_only=True) as store:
            assert len(list(store.instances())) == kept
            assert store.verify() == []
            store.export(tmp_path / "file")
    assert Store.import_file(tmp_path / "rescued", tmp_path / "file") == kept


def test_a_second_writer_waits_and_then_says_who_is_in_the_way(tmp_path):
    with new_store(tmp_path, [instance(1)]) as store:
        with Store.open(tmp_path / "store", busy_timeout_s=0.05) as second, store._database.write():
            with pytest.raises(StoreError, match="locked by another process"):
                second.add([instance(2)], 1)
            assert second.search(unit(1)[None], 1).instance_id.tolist() == [[1]]
        with Store.open(tmp_path / "store") as second:
            begun = time.monotonic()
            holder = subprocess.Popen(
                [
                    "python3",
                    "-c",
                    "import sqlite3,sys,time; c=sqlite3.connect(sys.argv[1]); c.execute('BEGIN IMMEDIATE'); "
                    "print(flush=True); time.sleep(0.5); c.rollback()",
                    str(tmp_path / "store" / "store.db"),
                ],
                stdout=subprocess.PIPE,
            )
            holder.stdout.readline()
            assert second.add([instance(2)], 1) == [2]
            assert time.monotonic() > begun
            holder.communicate()
        assert store.verify() == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET detail = '{}'",
        "DELETE FROM events WHERE generation = 2",
        "INSERT OR REPLACE INTO events VALUES (2, x'', '', '', '')",
        "INSERT INTO events VALUES (99, x'', '', '', '')",
    ],
)
def test_the_event_log_only_grows(tmp_path, statement):
    with new_store(tmp_path, [instance(1)]) as store:
        before = store.events()
        with pytest.raises(sqlite3.IntegrityError, match="only grows"):
            change(tmp_path / "store", statement)
        assert store.events() == before
        assert [event.generation for event in before] == [1, 2, 3]
        assert [event.kind for event in before] == ["create", "source", "add"]


def test_a_closed_store_says_so(tmp_path):
    store = new_store(tmp_path)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="after it was closed"):
        store.vocabulary()


def test_the_path_is_taken_as_it_is(tmp_path, monkeypatch):
    name = "a b%20c#d?e=f ü🚦"
    Store.create(tmp_path / name, FINGERPRINT).close()
    monkeypatch.chdir(tmp_path)
    for read_only in (True, False):
        with Store.open(name, read_only=read_only) as store:
            assert store.path.name == name
            monkeypatch.chdir("/")
            assert len(store) == 0
            monkeypatch.chdir(tmp_path)


def test_an_old_sqlite_is_refused_by_its_version(tmp_path, monkeypatch):
    new_store(tmp_path).close()
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    for attempt in (lambda: Store.open(tmp_path / "store"), lambda: Store.create(tmp_path / "new", FINGERPRINT)):
        with pytest.raises(StoreError, match=r"needs SQLite 3\.37 or newer"):
            attempt()
    assert not (tmp_path / "new").exists()


def test_a_commit_waits_for_the_disk_itself(tmp_path):
    with new_store(tmp_path) as store:
        connection = store._database._connection
        for name, value in (("synchronous", 2), ("fullfsync", 1), ("checkpoint_fullfsync", 1), ("secure_delete", 1)):
            assert connection.execute(f"PRAGMA {name}").fetchone() == (value,)


def test_a_file_system_that_refuses_locks_is_told_from_another_writer(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_):
        raise OSError(37, "No locks available")

    with (
        new_store(tmp_path, [instance(1)]) as store,
        Store.open(tmp_path / "store", busy_timeout_s=0.05) as second,
        store._database.write(),
    ):
        with pytest.raises(StoreError, match="locked by another process"):
            second.add([instance(2)], 1)
        monkeypatch.setattr(fcntl, "lockf", refuse)
        with pytest.raises(StoreError, match="a file system that refuses locks"):
            second.add([instance(2)], 1)
        monkeypatch.undo()


def test_a_writer_checks_what_a_killed_one_left_and_reads_it_only_then(tmp_path):
    with new_store(tmp_path, batch(1, 20)) as store:
        store.compact()
    change(tmp_path / "store", "UPDATE instances SET purity = purity / 2 WHERE instance_id = 9", digests=False)
    with Store.open(tmp_path / "store"):
        pass  # closed in order: nothing is read that is not asked for
    killed = (
        "import os, sys\n"
        "from knnclip.store import Store\n"
        "store = Store.open(sys.argv[1]); store.set_setting('x', 'y'); os._exit(9)\n"
    )
    subprocess.run([sys.executable, "-c", killed, str(tmp_path / "store")], check=False)
    with pytest.raises(StoreError, match="is damaged: instances: what is stored under instance_id 9"):
        Store.open(tmp_path / "store")
    with Store.open(tmp_path / "store", read_only=True) as store:
        assert len(store.verify()) == 1
