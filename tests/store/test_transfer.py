from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace

import pytest

from knnclip.errors import StoreError
from knnclip.store import Store

from .samples import FINGERPRINT, answers, batch, image, instance, new_store


@pytest.fixture
def exported(tmp_path):
    """An exported store with ties, two rows of one content, and a vocabulary with all it can have."""
    (tmp_path / "one").mkdir()
    rows = batch(1, 40)
    with new_store(
        tmp_path / "one", rows, rows[:10], [replace(row, image=image("z.png")) for row in rows[:5]]
    ) as store:
        store.add_class("road", is_thing=False, synonyms=["street"], color=(9, 8, 7))
        store.rename("a", "ape")
        store.merge(["b"], "c")
        store.forget(instance_ids=[3])
        store.set_setting("preset", "p")
        store.export(tmp_path / "file.knnclip")
        return answers(store), store.sources()


def test_importing_where_nothing_is_makes_an_equal_store(tmp_path, exported):
    count = Store.import_file(tmp_path / "two", tmp_path / "file.knnclip")
    assert count == 54
    with Store.open(tmp_path / "two", fingerprint=FINGERPRINT) as store:
        assert (answers(store), store.sources()) == exported
        assert store.get_setting("preset") == "p"
        assert store.verify() == []
        assert [event.kind for event in store.events()][-2:] == ["setting", "import"]


def test_importing_into_an_empty_store_gives_the_same_answers_as_one_source(tmp_path, exported):
    (tmp_path / "two").mkdir()
    with new_store(tmp_path / "two") as store:
        before = answers(store)
    assert Store.import_file(tmp_path / "two" / "store", tmp_path / "file.knnclip") == 54
    with Store.open(tmp_path / "two" / "store") as store:
        assert answers(store) == exported[0]
        (source,) = store.sources()
        assert (source.kind, source.instances) == ("import", 54)
        assert store.verify() == []
        assert Store.import_file(store.path, tmp_path / "file.knnclip") == 0
        assert len(store.sources()) == 1
        store.forget(source_id=source.source_id)
        store.forget(class_name="road")  # it was added on purpose, so it outlives its rows
        assert answers(store) == before


def test_importing_adds_what_the_store_lacks(tmp_path, exported):
    (tmp_path / "two").mkdir()
    path = tmp_path / "two" / "store"
    with new_store(tmp_path / "two", batch(1, 20), batch(5, 10)) as store:
        store.add_class("way", synonyms=["road"])
        count = Store.import_file(path, tmp_path / "file.knnclip")
        # 54 rows: rows 0..19 are here once (row 2 was forgotten there once, its copy was not), the 10 copies are new
        assert count == 54 - 20
        assert len(list(store.instances())) == 30 + count
        assert store.vocabulary().by_name("road").name == "way"
        assert store.verify() == []
    assert Store.import_file(path, tmp_path / "file.knnclip") == 0


def test_a_file_of_another_encoder_is_refused(tmp_path, exported):
    with Store.create(tmp_path / "other", replace(FINGERPRINT, weights="v2")) as store:
        with pytest.raises(StoreError, match=r"test-encoder/v2/none/8d.*test-encoder/v1/none/8d"):
            Store.import_file(tmp_path / "other", tmp_path / "file.knnclip")
        assert len(store.events()) == 1


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("UPDATE embeddings SET vector = zeroblob(16) WHERE instance_id = 9", "imported instance 9 is damaged"),
        ("UPDATE embeddings SET vector = x'00' WHERE instance_id = 9", "imported instance 9 is damaged"),
        ("CREATE TRIGGER evil AFTER INSERT ON images BEGIN DELETE FROM embeddings; END", "its tables differ"),
        ("PRAGMA user_version = 99", "schema version 99"),
        ("PRAGMA application_id = 1", "not a knnclip store"),
    ],
)
def test_a_damaged_file_is_refused_and_nothing_is_imported(tmp_path, exported, damage, message):
    connection = sqlite3.connect(tmp_path / "file.knnclip")
    connection.execute(damage)
    connection.commit()
    connection.close()
    (tmp_path / "two").mkdir()
    with new_store(tmp_path / "two", [instance(1)]) as store:
        generation = store.generation
        with pytest.raises(StoreError, match=message):
            Store.import_file(store.path, tmp_path / "file.knnclip")
        assert store.generation == generation
        assert store.verify() == []


@pytest.mark.parametrize(
    ("content", "message"), [(None, "does not exist"), (b"", "not a knnclip store"), (b"x" * 9000, "not a knnclip")]
)
def test_what_is_no_export_is_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    with pytest.raises(StoreError, match=message):
        Store.import_file(tmp_path / "new", tmp_path / "file")
    assert not (tmp_path / "new").exists()


def test_a_cut_export_is_refused(tmp_path, exported):
    content = (tmp_path / "file.knnclip").read_bytes()
    (tmp_path / "file.knnclip").write_bytes(content[: len(content) // 2])
    with pytest.raises(StoreError, match="damaged"):
        Store.import_file(tmp_path / "new", tmp_path / "file.knnclip")
    assert not (tmp_path / "new").exists()
    assert not list(tmp_path.glob(".*"))


def test_an_export_is_never_written_over_and_leaves_no_draft(tmp_path, exported):
    with Store.open(tmp_path / "one" / "store", read_only=True) as store:
        with pytest.raises(StoreError, match="exists already"):
            store.export(tmp_path / "file.knnclip")
        with pytest.raises(StoreError, match=r"folder .* does not exist"):
            store.export(tmp_path / "nowhere" / "file")
        store.export(tmp_path / "second")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file.knnclip", "one", "second"]
    shutil.rmtree(tmp_path / "one")
    assert Store.import_file(tmp_path / "back", tmp_path / "second") == 54
