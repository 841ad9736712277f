from __future__ import annotations

import pytest

from knnclip.store import Store
from knnclip.store.cache import FILE_NAME

from .samples import batch, change, new_store, unit


@pytest.fixture
def folder(tmp_path):
    with new_store(tmp_path, batch(1, 20)) as store:
        store.compact()
    return tmp_path / "store"


def problems(folder):
    with Store.open(folder, read_only=True) as store:
        return store.verify()


def test_a_sound_store_has_no_problem(folder):
    assert problems(folder) == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("UPDATE embeddings SET vector = zeroblob(16) WHERE instance_id = 3", "instance 3 has no embedding"),
        ("UPDATE embeddings SET vector = x'0102' WHERE instance_id = 3", "instance 3 has no embedding"),
        ("DELETE FROM embeddings WHERE instance_id = 3", "instance 3 has no embedding"),
        ("UPDATE instances SET rle = x'ffff' WHERE instance_id = 3", "instance 3 has a"),
        ("UPDATE instances SET area_px = 1 WHERE instance_id = 3", "instance 3 has a mask of"),
        ("UPDATE instances SET x1 = 999 WHERE instance_id = 3", "instance 3 has a broken mask"),
        ("UPDATE instances SET class_id = 77 WHERE instance_id = 3", "belongs to a row of classes"),
        ("INSERT INTO images (ref, width_px, height_px, thumbnail) VALUES ('x', 1, 1, '')", "belong to no instance"),
        ("DROP INDEX instances_by_image", "'instances_by_image' in the database is not as"),
        ("UPDATE instances SET purity = 0.123 WHERE instance_id = 3", "the index differs from the database"),
    ],
)
def test_damage_is_found(folder, damage, message):
    change(folder, damage.replace("''", "x''"))
    assert any(message in problem for problem in problems(folder)), problems(folder)


def test_a_damaged_page_is_found_or_explained(folder):
    with (folder / "store.db").open("r+b") as file:
        content = file.read()
        stored = unit(1 * 100_000 + 7).astype("<f2").tobytes()
        file.seek(content.index(stored))
        file.write(bytes(len(stored)))
    assert any("embeddings: what is stored under instance_id 8 is not" in problem for problem in problems(folder))


def test_a_damaged_cache_is_found_but_harmless(folder):
    with (folder / FILE_NAME).open("r+b") as file:
        file.seek(-3, 2)
        file.write(b"x")
    (problem,) = problems(folder)
    assert "fails its checksum" in problem
    with Store.open(folder) as store:
        store.compact()
    assert problems(folder) == []


def test_reporting_stops_somewhere(folder, monkeypatch):
    monkeypatch.setattr("knnclip.store.store.MOST_PROBLEMS", 5)
    change(folder, "UPDATE embeddings SET vector = x'00'")
    assert len(problems(folder)) == 5
