"""Bits flipped by a disk, over the whole database and over exports: what changes the content is found."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing

import pytest

from knnclip.errors import KnnclipError
from knnclip.store import Store
from knnclip.store.archive import pack
from knnclip.store.digests import DIGESTED

from .samples import answers, batch, new_store

FLIPS = 30


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    with new_store(folder, batch(1, 60), batch(2, 30)) as store:
        store.add_class("road", is_thing=False, synonyms=["street"], color=(9, 8, 7))
        store.rename("a", "ape")
        store.merge(["b"], "c")
        store.forget(instance_ids=[3, 4, 70])
        store.set_setting("preset", "p")
        store.export(folder / "file.knnclip")
        expected = answers(store)
    return (folder / "store" / "store.db").read_bytes(), (folder / "file.knnclip").read_bytes(), expected


def content(database):
    """All rows of all tables, read as they are; None where they cannot be."""
    with closing(sqlite3.connect(database)) as connection:
        connection.text_factory = bytes
        try:
            return {
                table: sorted(map(repr, connection.execute(f"SELECT {', '.join(columns)} FROM {table}")))
                for table, columns in DIGESTED.items()
            }
        except sqlite3.Error:
            return None


def flipped(whole, rng):
    place, bit = rng.randrange(len(whole)), rng.randrange(8)
    return whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :], (place, bit)


def found_in_store(folder):
    try:
        with Store.open(folder, read_only=True) as store:
            return store.verify()
    except KnnclipError as error:
        return [str(error)]


@pytest.mark.parametrize("seed", range(FLIPS))
def test_a_flipped_bit_of_the_database_is_found_where_it_changes_content_or_answers(tmp_path, sound, seed):
    whole, _, expected = sound
    (tmp_path / "store").mkdir()
    file = tmp_path / "store" / "store.db"
    file.write_bytes(whole)
    before = content(file)
    file.write_bytes((damaged := flipped(whole, random.Random(seed)))[0])
    if found_in_store(tmp_path / "store"):
        return
    assert content(file) == before, damaged[1]
    with Store.open(tmp_path / "store", read_only=True) as store:
        assert answers(store) == expected, damaged[1]


@pytest.mark.parametrize("seed", range(FLIPS))
def test_a_flipped_bit_of_an_export_is_refused_where_it_changes_content(tmp_path, sound, seed):
    _, whole, expected = sound
    (tmp_path / "file").write_bytes((damaged := flipped(whole, random.Random(seed)))[0])
    try:
        Store.import_file(tmp_path / "new", tmp_path / "file")
    except KnnclipError:
        assert [file.name for file in tmp_path.iterdir()] == ["file"]
        return
    with Store.open(tmp_path / "new") as store:
        assert store.verify() == []
        assert answers(store) == expected, damaged[1]


def battered(whole, rng):
    """Several pieces flipped, blanked or copied elsewhere; some files are cut as well."""
    damaged = bytearray(whole)
    for _ in range(rng.choice([1, 3, 20, 200])):
        place, kind = rng.randrange(len(whole) - 64), rng.randrange(3)
        if kind == 0:
            damaged[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            damaged[place : place + 8] = bytes([rng.choice([0, 255])]) * 8
        else:
            other = rng.randrange(len(whole) - 64)
            damaged[place : place + 64] = whole[other : other + 64]
    return bytes(damaged[: rng.randrange(1, len(whole))] if rng.random() < 0.1 else damaged)


@pytest.mark.parametrize("seed", range(FLIPS))
def test_a_battered_database_in_a_sound_archive_is_refused_or_gives_the_same_answers(tmp_path, sound, seed):
    whole, _, expected = sound
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "store.db").write_bytes(battered(whole, random.Random(seed)))
    pack(tmp_path / "damaged" / "store.db", tmp_path / "file")
    problems = found_in_store(tmp_path / "damaged")
    assert not any("\n" in problem for problem in problems)
    try:
        Store.import_file(tmp_path / "new", tmp_path / "file")
    except KnnclipError as error:
        assert problems
        refused = str(error)
        assert sorted(file.name for file in tmp_path.iterdir()) == ["damaged", "file"]
        assert len(refused.splitlines()) == 1
        return
    assert not problems
    with Store.open(tmp_path / "new") as store:
        assert answers(store) == expected
