from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from knnclip.errors import StoreError, UsageError
from knnclip.store import Store

from .samples import FINGERPRINT, answers, batch, instance, new_store, thumbnail, unit


def everything(folder):
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


@pytest.fixture
def store(tmp_path):
    with new_store(
        tmp_path,
        [instance(1, "cat", "a.png"), instance(2, "dog", "a.png")],
        [instance(3, "dog", "b.png"), instance(4, "cow", "c.png")],
    ) as store:
        yield store


@pytest.mark.parametrize(
    ("selector", "count", "left", "classes", "images", "sources"),
    [
        ({"class_name": "dog"}, 2, [1, 4], ["cat", "cow"], ["a.png", "c.png"], [1, 2]),
        ({"source_id": 2}, 2, [1, 2], ["cat", "dog"], ["a.png"], [1]),
        ({"instance_ids": [1, 3]}, 2, [2, 4], ["cow", "dog"], ["a.png", "c.png"], [1, 2]),
        ({"instance_ids": [4, 4]}, 1, [1, 2, 3], ["cat", "dog"], ["a.png", "b.png"], [1, 2]),
        ({"instance_ids": []}, 0, [1, 2, 3, 4], ["cat", "cow", "dog"], ["a.png", "b.png", "c.png"], [1, 2]),
    ],
)
@pytest.mark.parametrize("indexed", [True, False])
def test_what_is_forgotten_takes_along_what_lives_through_it(
    store, selector, count, left, classes, images, sources, indexed
):
    if indexed:
        store.search(unit(1)[None], 4)
    assert store.forget(**selector, reason="because") == count
    assert [row.instance_id for row in store.instances()] == left
    found = store.search(unit(1)[None], 4)
    assert sorted(found.instance_id[found.valid].tolist()) == left
    assert [info.name for info in store.vocabulary()] == classes
    assert sorted(store.thumbnails(["a.png", "b.png", "c.png"])) == images
    assert [source.source_id for source in store.sources()] == sources
    assert store.verify() == []


@pytest.mark.parametrize(
    ("selector", "error", "message"),
    [
        ({}, UsageError, "exactly one"),
        ({"class_name": "cat", "source_id": 1}, UsageError, "exactly one"),
        ({"class_name": "cow boy"}, UsageError, "did you mean 'cow'"),
        ({"source_id": 9}, StoreError, "no source 9"),
        ({"instance_ids": [1, 77]}, StoreError, "no instance 77; nothing was forgotten"),
    ],
)
def test_a_selector_that_fits_nothing_is_refused(store, selector, error, message):
    generation = store.generation
    with pytest.raises(error, match=message):
        store.forget(**selector)
    assert store.generation == generation
    assert len(list(store.instances())) == 4


def test_the_reason_is_kept(store):
    store.forget(class_name="dog", reason="was a wolf")
    store.forget(source_id=2, reason="wrong file")
    kept = [dict(event.detail) for event in store.events() if event.kind == "forget"]
    assert kept == [
        {"class_name": "dog", "instances": 2, "reason": "was a wolf"},
        {"source_id": 2, "instances": 1, "reason": "wrong file"},
    ]


def test_a_forgotten_source_may_be_ingested_again(tmp_path):
    with new_store(tmp_path) as store:
        first = store.begin_source("ingest", "data", key="k")
        store.add([instance(1)], first, finished_images=["a.png", "empty.png"])
        assert store.begin_source("ingest", "data", key="k") == first
        store.forget(source_id=first)
        second = store.begin_source("ingest", "data", key="k")
        assert second != first
        assert store.finished_images(second) == set()
        assert store.add([instance(1)], second) == [2]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("reopened", [True, False])
def test_adding_then_forgetting_gives_back_the_answers_to_the_bit(tmp_path, seed, reopened):
    with new_store(tmp_path, batch(seed, 60)) as store:
        store.add_class("declared")
        before = answers(store)
        source = store.begin_source("teach", "on top")
        store.add(batch(seed + 50, 25, names="cdefgh", images=12), source)
        assert answers(store) != before
        if not reopened:
            store.forget(source_id=source)
            assert answers(store) == before
    with Store.open(tmp_path / "store") as store:
        if reopened:
            store.forget(source_id=source)
        assert answers(store) == before


def test_no_byte_of_a_forgotten_vector_is_left_in_any_file(tmp_path):
    rng = np.random.default_rng(0)
    dim = 64
    folder = tmp_path / "store"
    store = Store.create(folder, FINGERPRINT.__class__("e", "w", "p", dim))
    kept: dict[int, bytes] = {}
    gone: list[bytes] = []
    for step in range(25):
        vectors = [unit(step * 1000 + i, dim) for i in range(int(rng.integers(1, 40)))]
        rows = [instance(i, "cat", f"{step}.png", embedding=vector) for i, vector in enumerate(vectors)]
        ids = store.add(rows, store.begin_source("teach", "x"))
        kept |= {row: vector.astype("<f2").tobytes() for row, vector in zip(ids, vectors, strict=True)}
        if step % 5 == 0:
            store.compact()
        chosen = [row for row in kept if rng.random() < 0.3]
        store.forget(instance_ids=chosen)
        gone += [kept.pop(row) for row in chosen]
        if step % 6 == 5:
            files = everything(folder)  # the write-ahead log of an open store included
            assert not any(vector[8:-8] in files for vector in gone)
            assert all(vector[8:-8] in files for vector in kept.values())
    store.close()
    files = everything(folder)
    assert len(gone) > 100
    assert not any(vector[8:-8] in files for vector in gone)
    assert thumbnail("24.png") in files


def test_a_cache_that_another_process_was_about_to_write_is_not_moved_into_place(tmp_path):
    with new_store(tmp_path, batch(1, 30)) as store, Store.open(tmp_path / "store") as other:
        other.search(unit(1)[None], 1)
        mirror = other._mirror
        store.forget(class_name="a")
        mirror.write_cache(other._database)
        assert not list((tmp_path / "store").glob("index.cache*"))


def test_an_index_cache_is_overwritten_before_it_goes(tmp_path):
    with new_store(tmp_path, batch(1, 30)) as store:
        for number, act in enumerate(
            (store.compact, lambda: store.forget(instance_ids=[1]), store.compact, store._newest_mirror)
        ):
            store.compact()
            cache, same_bytes = store.path / "index.cache", tmp_path / f"same bytes {number}"
            os.link(cache, same_bytes)
            act()
            if act == store._newest_mirror:
                store._newest_mirror().write_cache(store._database)
            assert same_bytes.read_bytes().strip(b"\0") == b""


def test_a_cache_that_cannot_be_overwritten_stops_forgetting(tmp_path, monkeypatch):
    with new_store(tmp_path, batch(1, 30)) as store:
        store.compact()

        def refuse(file):
            raise PermissionError(13, "in use", str(file))

        monkeypatch.setattr("knnclip.store.mirror.erase", refuse)
        with pytest.raises(StoreError, match=r"index\.cache cannot be overwritten .*nothing was changed"):
            store.forget(instance_ids=[1])
        assert len(store) == 30


READER = (
    "import sqlite3, sys\n"
    "reader = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True, isolation_level=None)\n"
    "reader.execute('BEGIN'); reader.execute('SELECT count(*) FROM meta').fetchone()\n"
    "print(flush=True); sys.stdin.read(); reader.close()\n"
)


@pytest.mark.parametrize("chance", ["write", "close", "verify", "a later process"])
def test_what_a_reader_kept_in_the_log_is_told_and_emptied_at_the_next_chance(tmp_path, chance, monkeypatch):
    monkeypatch.setattr("knnclip.store.database.LOG_TIMEOUT_S", 0.05)
    folder = tmp_path / "store"
    new_store(tmp_path, batch(1, 30)).close()
    log = folder / "store.db-wal"
    store = Store.open(folder, busy_timeout_s=0.05)
    vector = next(iter(store.labelled(instance_ids=[7]).values())).embedding.astype("<f2").tobytes()
    store.add(batch(2, 3), 1)
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(folder / "store.db")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    reader.stdout.readline()
    store.forget(instance_ids=[7])
    assert log.stat().st_size > 0
    assert any("forgotten ones may be among them" in line for line in store.leftovers())
    if chance == "a later process":
        store.close()
    reader.communicate()
    if chance == "write":
        store.set_setting("x", "y")
        assert log.stat().st_size == 0
    elif chance == "verify":
        assert store.leftovers() == []
        assert log.stat().st_size == 0
    store.close()
    if chance == "a later process":
        with Store.open(folder, read_only=True) as later:
            assert bool(later.leftovers()) == (log.exists() and log.stat().st_size > 0)
        with Store.open(folder) as later:
            assert later.leftovers() == []
    assert vector not in everything(folder)
    assert not log.exists()
