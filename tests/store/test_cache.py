from __future__ import annotations

import numpy as np
import pytest

from knnclip.store import cache as cache_module
from knnclip.store import index as index_module
from knnclip.store.cache import CacheError, Stamp, read_cache, write_cache
from knnclip.store.index import Index

from .test_index import filled, make_rows, rounded

STAMP = Stamp(generation=7, token="ab12", last_instance_id=99)


@pytest.mark.parametrize("count", [0, 1, 16, 50])
def test_what_was_written_is_read(tmp_path, monkeypatch, count):
    monkeypatch.setattr(index_module, "BLOCK_ROWS", 16)
    monkeypatch.setattr(cache_module, "BLOCK_ROWS", 16)
    index = filled(make_rows(count), rounded(1, count))
    write_cache(tmp_path / "c", index, STAMP)
    found, stamp = read_cache(tmp_path / "c", 8)
    assert stamp == STAMP
    assert np.array_equal(found.rows, index.rows)
    assert np.array_equal(found.vectors(np.arange(count)), index.vectors(np.arange(count)))


def test_every_flipped_bit_and_every_cut_is_noticed(tmp_path):
    path = tmp_path / "c"
    write_cache(path, filled(make_rows(5), rounded(1, 5)), STAMP)
    sound = path.read_bytes()
    for place in range(len(sound)):
        damaged = bytearray(sound)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(CacheError):
            read_cache(path, 8)
        path.write_bytes(sound[:place])
        with pytest.raises(CacheError):
            read_cache(path, 8)
    path.write_bytes(sound + b"x")
    with pytest.raises(CacheError):
        read_cache(path, 8)


def test_a_missing_file_and_another_dimension_are_refused(tmp_path):
    with pytest.raises(CacheError, match="cannot be read"):
        read_cache(tmp_path / "c", 8)
    write_cache(tmp_path / "c", Index(8), STAMP)
    with pytest.raises(CacheError, match="not those of 0 rows of 9 numbers"):
        read_cache(tmp_path / "c", 9)
