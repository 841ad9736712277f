from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from knnclip.errors import StoreError
from knnclip.store import Store
from knnclip.structures import Mask

from .samples import DIM, FINGERPRINT, answers, batch, image, instance, mask, new_store, unit, units


def test_what_is_added_is_found_at_once_and_after_opening_again(tmp_path):
    with new_store(tmp_path) as store:
        assert store.search(unit(1)[None], 3).valid.tolist() == [[False] * 3]
        source = store.begin_source("teach", "first")
        (first,) = store.add([instance(1, "cat")], source)
        assert store.search(unit(1)[None], 1).instance_id.tolist() == [[first]]
        (second,) = store.add([instance(2, "dog")], source)
        assert store.search(unit(2)[None], 1).instance_id.tolist() == [[second]]
        assert store.search(unit(2)[None], 1).similarity[0, 0] == pytest.approx(1, abs=1e-3)
    with Store.open(tmp_path / "store", fingerprint=FINGERPRINT) as store:
        assert store.search(units(3, 1), 5).valid.tolist() == [[True, True, False, False, False]]


def test_a_row_comes_back_as_it_was(tmp_path):
    rows = [instance(1, "cat", "a.png", purity=0.625, origin="proposal"), instance(2, "dog", "ü/🚦.png")]
    with new_store(tmp_path) as store:
        source = store.begin_source("teach", "x")
        ids = store.add(rows, source)
        for row_id, row in zip(ids, rows, strict=True):
            found = store.instance(row_id)
            assert (found.class_name, found.image_ref) == (row.class_name, row.image.ref)
            assert (found.purity, found.origin, found.source_id) == (row.purity, row.origin, source)
            assert np.array_equal(found.mask.to_dense(), row.mask.to_dense())
            evidence = store.evidence([row_id, 12345])[row_id]
            assert evidence.box_xyxy == row.mask.box_xyxy
            assert (evidence.image_width_px, evidence.image_height_px) == (16, 12)
            assert (evidence.class_name, evidence.class_id) == (found.class_name, found.class_id)
        assert store.evidence(np.array([], dtype=np.int64)) == {}
        assert store.thumbnails(["a.png", "nowhere"]) == {"a.png": rows[0].image.thumbnail}
        with pytest.raises(StoreError, match="no instance 99"):
            store.instance(99)


def test_rows_taken_out_are_ready_to_be_added_again(tmp_path):
    with new_store(tmp_path) as store:
        kept, taken = store.begin_source("teach", "kept"), store.begin_source("teach", "taken")
        (first,) = store.add([instance(1, "cat", "a.png")], kept)
        store.add([instance(2, "dog", "b.png", purity=0.75, origin="proposal"), instance(3, "dog", "a.png")], taken)
        before = answers(store)
        rows = store.labelled(source_id=taken)
        assert list(store.labelled(instance_ids=[first, 999])) == [first]
        store.forget(source_id=taken)
        assert answers(store) != before
        assert store.labelled(source_id=taken) == {}
        store.add(list(rows.values()), store.begin_source("teach", "taken"))
        assert answers(store) == before
        assert store.thumbnails(["b.png"]) == {"b.png": image("b.png").thumbnail}


def test_the_example_of_a_class_is_its_largest_annotated_instance(tmp_path):
    small, large = Mask.from_dense(np.eye(12, 16)), Mask.from_dense(np.ones((12, 16)))
    rows = [
        replace(instance(1, "cat"), mask=small),
        replace(instance(2, "cat"), mask=large, origin="proposal"),
        replace(instance(3, "dog"), mask=small, origin="proposal"),
        replace(instance(4, "dog"), mask=large, origin="proposal"),
    ]
    with new_store(tmp_path) as store:
        store.add_class("empty")
        ids = store.add(rows, store.begin_source("teach", "x"))
        vocabulary = store.vocabulary()
        examples = {vocabulary.by_id(class_id).name: row for class_id, row in store.examples().items()}
        assert examples == {"cat": ids[0], "dog": ids[3]}


def test_instances_are_read_page_by_page(tmp_path, monkeypatch):
    monkeypatch.setattr("knnclip.store.reading.PAGE_INSTANCES", 4)
    rows = batch(1, 24)
    with new_store(tmp_path, rows) as store:
        assert [row.class_name for row in store.instances()] == [row.class_name for row in rows]
        chosen = [i for i, row in enumerate(rows, start=1) if row.class_name == "b"]
        assert [row.instance_id for row in store.instances("b")] == chosen


def test_the_same_content_is_stored_once_in_a_source_and_again_in_another(tmp_path):
    with new_store(tmp_path) as store:
        first, second = store.begin_source("teach", "1"), store.begin_source("teach", "2")
        ids = store.add([instance(1), instance(2), instance(1)], first)
        assert ids == [1, 2, 1]
        generation = store.generation
        assert store.add([instance(2), instance(1)], first) == [2, 1]
        assert store.generation == generation
        (again,) = store.add([instance(1)], second)
        assert store.search(unit(1)[None], 2).instance_id.tolist() == [[1, again]]
        store.rename("cat", "dog")
        assert store.add([instance(1)], first) == [1]


def test_an_ingest_continues_where_it_stopped(tmp_path):
    with new_store(tmp_path) as store:
        source = store.begin_source("ingest", "folder", key="k")
        store.add([instance(1, ref="a.png")], source, finished_images=["a.png"])
        store.add([], source, finished_images=["b.png"])
    with Store.open(tmp_path / "store") as store:
        assert store.begin_source("ingest", "folder", key="k") == source
        assert store.begin_source("ingest", "folder", key="other") != source
        assert store.finished_images(source) == {"a.png", "b.png"}
        (known, _) = store.sources()
        assert (known.kind, known.description, known.instances, known.finished_images) == ("ingest", "folder", 1, 2)


def test_a_batch_with_one_bad_row_leaves_nothing(tmp_path):
    with new_store(tmp_path, [instance(1)]) as store:
        before, generation = answers(store), store.generation
        bad = [
            replace(instance(3), embedding=np.full(DIM, np.nan, dtype=np.float32)),
            replace(instance(3), purity=2.0),
            replace(instance(3), image=image("a.png", (13, 16)), mask=mask(3, (13, 16))),
        ]
        for row in bad:
            with pytest.raises(StoreError, match="new instance 1"):
                store.add([instance(2, "new", "new.png"), row], 1, finished_images=["new.png"])
        with pytest.raises(StoreError, match="no source 7"):
            store.add([instance(2, "new")], 7)
        assert answers(store) == before
        assert store.generation == generation
        assert store.finished_images(1) == set()
        assert store.verify() == []


def test_settings_and_facts(tmp_path):
    with new_store(tmp_path, batch(1, 10, images=3)) as store:
        assert store.get_setting("preset") is None
        store.set_setting("preset", "builtin")
        store.set_setting("preset", "other")
        store.set_setting("generation", "not a number")  # a setting is in nobody's way
    with Store.open(tmp_path / "store", read_only=True) as store:
        assert store.get_setting("preset") == "other"
        facts = store.info()
        assert (facts.instances, facts.images, facts.sources, len(store)) == (10, 3, 1, 10)
        assert facts.settings == {"generation": "not a number", "preset": "other"}
        assert facts.fingerprint == FINGERPRINT
        assert facts.generation == store.generation == len(store.events())
        assert facts.size_bytes == (tmp_path / "store" / "store.db").stat().st_size


@pytest.mark.parametrize("k", [0, -1])
def test_k_is_at_least_one(tmp_path, k):
    with new_store(tmp_path) as store, pytest.raises(StoreError, match="at least 1"):
        store.search(unit(1)[None], k)


@pytest.mark.parametrize("query", [np.zeros((1, DIM)), np.full((1, DIM), np.nan), units(1, 1, DIM + 1), unit(1)])
def test_bad_queries_are_refused(tmp_path, query):
    with new_store(tmp_path, [instance(1)]) as store, pytest.raises(StoreError, match="query 0"):
        store.search(query, 1)


@pytest.mark.parametrize("seed", range(3))
def test_any_order_of_the_same_rows_gives_the_same_answers(tmp_path, seed):
    rng = np.random.default_rng(seed)
    rows = batch(seed, 80)
    rows += [replace(row, image=image(f"copy {i}.png")) for i, row in enumerate(rows[:20])]  # ties in similarity
    queries = np.concatenate([units(9, 4), [row.embedding for row in rows[:8]]])
    found = []
    for variant in range(3):
        folder = tmp_path / str(variant)
        folder.mkdir()
        order = rng.permutation(len(rows)) if variant else np.arange(len(rows))
        with new_store(folder) as store:
            sources = [store.begin_source("teach", "x") for _ in range(3)]
            for piece in np.array_split(order, 9):
                store.add([rows[i] for i in piece], sources[int(rng.integers(3))])
                if rng.random() < 0.3:
                    store.search(queries, 3)
            found.append(answers(store, 15, queries))
    assert found[0] == found[1] == found[2]


def test_threads_share_a_store(tmp_path):
    failures: list[BaseException] = []
    with new_store(tmp_path, batch(0, 50)) as store:

        def work(number):
            try:
                source = store.begin_source("teach", str(number))
                for i in range(10):
                    row = instance(1000 * number + i, f"class {number}", f"{number}.png")
                    (row_id,) = store.add([row], source)
                    found = store.search(row.embedding[None], 3)
                    assert row_id in found.instance_id
                    assert store.evidence([row_id])[row_id].class_name == f"class {number}"
                    assert len(store) >= 50
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len(store) == 100
        assert store.verify() == []


def test_another_process_is_seen_at_the_next_search(tmp_path):
    with new_store(tmp_path, batch(1, 20)) as store, Store.open(tmp_path / "store", read_only=True) as reader:
        answers(reader)
        source = store.begin_source("teach", "x")
        store.add(batch(2, 20, names="xyz"), source)
        assert answers(reader) == answers(store)
        store.rename("x", "new name")
        store.merge(["y"], "a")
        assert answers(reader) == answers(store)
        store.forget(class_name="b")
        assert answers(reader) == answers(store)
        store.compact()
        store.forget(source_id=source)
        assert answers(reader) == answers(store)
