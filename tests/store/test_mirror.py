from __future__ import annotations

import shutil

import pytest

from knnclip.store import Store
from knnclip.store import mirror as mirror_module
from knnclip.store.archive import unpack
from knnclip.store.cache import FILE_NAME, read_cache

from .samples import DIM, answers, batch, new_store


@pytest.fixture
def folder(tmp_path):
    """A store with a cache that lacks some additions, a merge and a removal, and what it has to answer."""
    with new_store(tmp_path, batch(1, 60)) as store:
        store.compact()
        stale = tmp_path / "stale.cache"
        shutil.copy(tmp_path / "store" / FILE_NAME, stale)
        store.add(batch(2, 30, names="bcxy"), store.begin_source("teach", "more"))
        store.merge(["x"], "c")
        store.forget(instance_ids=[5, 6, 61, 62])
        assert not (tmp_path / "store" / FILE_NAME).exists()
        shutil.copy(stale, tmp_path / "store" / FILE_NAME)
    return tmp_path / "store"


def asked(folder):
    with Store.open(folder, read_only=True) as store:
        return answers(store)


def fresh(folder):
    (folder / FILE_NAME).unlink(missing_ok=True)
    return asked(folder)


def test_a_cache_that_lags_is_caught_up(folder):
    lagging = asked(folder)
    assert read_cache(folder / FILE_NAME, DIM)[0].size == 60
    assert lagging == fresh(folder)


@pytest.mark.parametrize("place", [0, 20, 40, 200, 1500, -1])
def test_a_flipped_bit_changes_no_answer(folder, place):
    damaged = bytearray((folder / FILE_NAME).read_bytes())
    damaged[place] ^= 16
    (folder / FILE_NAME).write_bytes(damaged)
    assert asked(folder) == fresh(folder)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.999])
def test_a_cut_cache_changes_no_answer(folder, share):
    content = (folder / FILE_NAME).read_bytes()
    (folder / FILE_NAME).write_bytes(content[: int(len(content) * share)])
    assert asked(folder) == fresh(folder)


def test_a_cache_from_before_compacting_is_built_again(folder):
    stale = (folder / FILE_NAME).read_bytes()
    with Store.open(folder) as store:
        store.compact()
    (folder / FILE_NAME).write_bytes(stale)
    assert asked(folder) == fresh(folder)


def test_a_cache_of_another_store_is_not_used(folder, tmp_path):
    (tmp_path / "other").mkdir()
    with new_store(tmp_path / "other", batch(9, 60)) as other:
        other.compact()
    shutil.copy(tmp_path / "other" / "store" / FILE_NAME, folder / FILE_NAME)
    assert asked(folder) == fresh(folder)


@pytest.mark.parametrize("later", [0, 1, 5])
def test_a_cache_from_after_a_restored_backup_is_not_used(tmp_path, later):
    folder = tmp_path / "store"
    with new_store(tmp_path, batch(1, 40)) as store:
        store.export(tmp_path / "backup")
        store.add(batch(2, 40, names="pq"), 1)
        store.forget(instance_ids=[1, 2, 3])
        store.compact()
    cache = (folder / FILE_NAME).read_bytes()
    (folder / "store.db").unlink()
    unpack(tmp_path / "backup", folder / "store.db")
    with Store.open(folder) as store:
        for i in range(later):  # the generations of the two histories now overlap
            store.add(batch(10 + i, 3), 1)
    (folder / FILE_NAME).write_bytes(cache)
    assert asked(folder) == fresh(folder)


def test_closing_writes_the_cache_when_it_would_be_missed(tmp_path, monkeypatch):
    monkeypatch.setattr(mirror_module, "WORTH_WRITING", 50)
    monkeypatch.setattr("knnclip.store.store.WORTH_WRITING", 50)
    cache = tmp_path / "store" / FILE_NAME
    with new_store(tmp_path, batch(1, 40)) as store:
        store.search(batch(1, 1)[0].embedding[None], 1)
    assert not cache.exists()
    with Store.open(tmp_path / "store") as store:
        store.add(batch(2, 60), 1)  # never searched
    assert read_cache(cache, DIM)[0].size == 100
    before = cache.read_bytes()
    with Store.open(tmp_path / "store", read_only=True) as store:
        expected = answers(store)
    with Store.open(tmp_path / "store") as store:
        store.add(batch(3, 5), 1)
        answers(store)
    assert cache.read_bytes() == before
    with Store.open(tmp_path / "store") as store:
        store.forget(instance_ids=range(101, 106))
        assert not cache.exists()
        assert answers(store) == expected
    assert read_cache(cache, DIM)[0].size == 100
    assert asked(tmp_path / "store") == expected


def test_drafts_of_a_killed_process_are_cleared_away(tmp_path):
    with new_store(tmp_path, batch(1, 10)) as store:
        (tmp_path / "store" / f"{FILE_NAME}.123-ab").write_bytes(b"half")
        store.forget(instance_ids=[1])
        assert sorted(file.name for file in (tmp_path / "store").glob("index*")) == []
