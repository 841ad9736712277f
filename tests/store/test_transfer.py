from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace

import pytest

from knnclip.errors import StoreError
from knnclip.store import Store
from knnclip.store.archive import pack, unpack

from .samples import FINGERPRINT, answers, batch, change, image, instance, new_store


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


def packed_again(tmp_path, *statements, digests=True):
    """The export with its database changed, and a manifest that fits: what a hostile hand makes of it."""
    folder = tmp_path / "unpacked"
    folder.mkdir()
    unpack(tmp_path / "file.knnclip", folder / "store.db")
    change(folder, *statements, digests=digests)
    (tmp_path / "file.knnclip").unlink()
    pack(folder / "store.db", tmp_path / "file.knnclip")


HUGE = "4000000000"
DAMAGES = [
    ("UPDATE embeddings SET vector = zeroblob(16) WHERE instance_id = 9", "instance 9 has no embedding"),
    ("UPDATE embeddings SET vector = x'00' WHERE instance_id = 9", "instance 9 has no embedding"),
    ("DELETE FROM embeddings WHERE instance_id = 9", "instance 9 has no embedding"),
    ("CREATE TRIGGER evil AFTER INSERT ON images BEGIN DELETE FROM embeddings; END", "its tables differ"),
    ("CREATE TABLE evil (x)", "its tables differ"),
    ("PRAGMA user_version = 99", "schema version 99"),
    ("PRAGMA application_id = 1", "not a knnclip store"),
    (f"UPDATE instances SET x1 = {HUGE}, y1 = {HUGE} WHERE instance_id = 9", "instance 9 has a broken mask"),
    ("UPDATE instances SET x0 = -1 WHERE instance_id = 9", "instance 9 has a broken mask"),
    (f"UPDATE images SET width_px = {HUGE}, height_px = {HUGE}", r"image \d+ is broken: an image of 4000000000x"),
    ("UPDATE instances SET rle = x'ffffffff' WHERE instance_id = 9", "instance 9 has a broken mask"),
    ("UPDATE instances SET rle = CAST('oooooooooooooo0' AS BLOB) WHERE instance_id = 9", "more than 7 digits"),
    ("UPDATE instances SET rle = x'' WHERE instance_id = 9", "empty, cut off"),
    ("UPDATE instances SET key = zeroblob(16) WHERE instance_id = 9", "instance 9 has a content key that does not"),
    ("UPDATE instances SET given_name = 'dog' WHERE instance_id = 9", "instance 9 has a content key that does not"),
    ("UPDATE instances SET class_id = 77 WHERE instance_id = 9", "does not exist"),
    ("UPDATE images SET thumbnail = CAST('no picture' AS BLOB)", r"image \d+ is broken: the thumbnail is not a JPEG"),
    ("UPDATE images SET thumbnail = zeroblob(100000000)", "is broken|too big"),
    ("UPDATE images SET ref = printf('%.*c', 20000, 'x') WHERE image_id = 1", "20,000 characters"),
    ("UPDATE classes SET name = printf('%.*c', 2000, 'x') WHERE name = 'ape'", "2000 characters"),
    ("UPDATE classes SET name = '  ' WHERE name = 'ape'", "names that cannot be"),
    ("UPDATE classes SET synonyms = '[1]' WHERE name = 'ape'", "names that cannot be"),
    ("UPDATE classes SET synonyms = printf('%.*c', 99999, '[') WHERE name = 'ape'", "names that cannot be"),
    ("""UPDATE classes SET synonyms = '["c"]' WHERE name = 'ape'""", "which class . has too"),
    ("UPDATE classes SET declared = 0", "was made for instances and has none"),
    ("UPDATE sources SET description = printf('%.*c', 20000, 'x')", "20,000 characters"),
    ("DELETE FROM meta", "names 0 encoders"),
    ("UPDATE meta SET complete_since = 1000", "the event log has"),
    (
        "INSERT INTO events VALUES ((SELECT max(generation) + 1 FROM events), x'', '', 'x', '[')",
        "is not one that knnclip",
    ),
    ("DELETE FROM sqlite_sequence WHERE name = 'instances'", "the next instance would have the id"),
    ("INSERT INTO removed VALUES (9, 1)", "instance 9 is there, though it is noted as removed"),
]


@pytest.mark.parametrize("new", [True, False], ids=["into a new store", "into a store"])
@pytest.mark.parametrize(("damage", "message"), DAMAGES)
def test_a_hostile_file_is_refused_and_nothing_is_imported(tmp_path, exported, damage, message, new):
    packed_again(tmp_path, "PRAGMA ignore_check_constraints = ON", damage)
    (tmp_path / "two").mkdir()
    with new_store(tmp_path / "two", [instance(1)]) as store:
        generation = store.generation
        path = tmp_path / "two" / "new" if new else store.path
        with pytest.raises(StoreError, match=message) as raised:
            Store.import_file(path, tmp_path / "file.knnclip")
        assert "\n" not in str(raised.value)
        assert store.generation == generation
        assert store.verify() == []
    assert [file.name for file in (tmp_path / "two").iterdir()] == ["store"]


def test_a_row_that_a_disk_changed_is_refused(tmp_path, exported):
    packed_again(tmp_path, "UPDATE instances SET purity = purity / 2 WHERE instance_id = 9", digests=False)
    with pytest.raises(StoreError, match="what is stored under instance_id 9 is not what was written"):
        Store.import_file(tmp_path / "new", tmp_path / "file.knnclip")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("content", "message"), [(None, "does not exist"), (b"", "not a knnclip store"), (b"x" * 9000, "not a knnclip")]
)
def test_what_is_no_export_is_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    with pytest.raises(StoreError, match=message):
        Store.import_file(tmp_path / "new", tmp_path / "file")
    assert not (tmp_path / "new").exists()


GOOD = {"format": "knnclip store", "schema": 2, "files": {"store.db": {"bytes": 1, "sha256": "0" * 64}}}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "does not hold"),
        ({"manifest.json": b"{}"}, "does not hold"),
        ({"manifest.json": b"{}", "store.db": b"x", "../evil": b"x"}, "does not hold"),
        ({"manifest.json": b"{}", "store.db": b"x"}, "says nothing of a store"),
        ({"manifest.json": b"nothing", "store.db": b"x"}, "cannot be unpacked"),
        ({"manifest.json": b"[" * 60_000, "store.db": b"x"}, "cannot be unpacked"),
        ({"manifest.json": b" " * 100_000, "store.db": b"x"}, "has 100,000 bytes"),
        ({"manifest.json": GOOD | {"schema": 1}, "store.db": b"x"}, "schema version 1, this knnclip reads 2"),
        ({"manifest.json": GOOD | {"files": []}, "store.db": b"x"}, "does not give bytes and sha256"),
        ({"manifest.json": GOOD, "store.db": b"x"}, "is not what manifest.json says"),
        ({"manifest.json": GOOD, "store.db": b"x" * 9000}, "is not what manifest.json says"),
    ],
)
def test_an_archive_of_something_else_is_refused(tmp_path, entries, message):
    with zipfile.ZipFile(tmp_path / "file", "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, json.dumps(content) if isinstance(content, dict) else content)
    with pytest.raises(StoreError, match=message):
        Store.import_file(tmp_path / "new", tmp_path / "file")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_an_archive_that_unpacks_to_more_than_it_is_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "file", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", json.dumps(GOOD))
        archive.writestr("store.db", bytes(10_000_000))
    with pytest.raises(StoreError, match="is compressed, or larger than the file"):
        Store.import_file(tmp_path / "new", tmp_path / "file")


def test_a_cut_export_is_refused(tmp_path, exported):
    content = (tmp_path / "file.knnclip").read_bytes()
    for length in (len(content) // 2, len(content) - 1, 100):
        (tmp_path / "file.knnclip").write_bytes(content[:length])
        with pytest.raises(StoreError, match=r"not a knnclip store|cannot be unpacked"):
            Store.import_file(tmp_path / "new", tmp_path / "file.knnclip")
    assert not (tmp_path / "new").exists()
    assert not list(tmp_path.glob(".*"))


def test_a_damaged_store_is_not_exported(tmp_path, exported):
    change(tmp_path / "one" / "store", "UPDATE classes SET name = 'x' WHERE name = 'ape'", digests=False)
    with (
        Store.open(tmp_path / "one" / "store", read_only=True) as store,
        pytest.raises(StoreError, match="is damaged, hence not exported: classes"),
    ):
        store.export(tmp_path / "second")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file.knnclip", "one"]


@pytest.mark.parametrize("name", ["n" * 300, f"{'n' * 300}/x"], ids=["long", "in a long one"])
def test_a_path_that_no_system_takes_is_one_line(tmp_path, exported, name):
    with Store.open(tmp_path / "one" / "store") as store, pytest.raises(StoreError, match="cannot be written"):
        store.export(tmp_path / name)


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
