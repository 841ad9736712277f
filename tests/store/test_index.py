from __future__ import annotations

import numpy as np
import pytest

from knnclip.store import index as index_module
from knnclip.store.index import ROW, Index
from knnclip.store.moments import FOLDS

from .samples import units

RANK = np.zeros(10, dtype=np.int64)


def make_rows(count, *, seed=0, first_id=1):
    rng = np.random.default_rng(seed)
    rows = np.zeros(count, dtype=ROW)
    rows["instance_id"] = np.arange(first_id, first_id + count)
    rows["key"] = rng.integers(0, 2**64, count, dtype=np.uint64)
    rows["class_id"] = rng.integers(1, 5, count)
    rows["image_id"] = rng.integers(1, 9, count)
    rows["fold"] = rows["image_id"] % FOLDS
    rows["purity"] = rng.uniform(0.5, 1, count)
    return rows


def rounded(seed, count, dim=8):
    return units(seed, count, dim).astype(np.float16).astype(np.float32)


def filled(rows, vectors):
    index = Index(vectors.shape[1])
    index.append(rows, vectors)
    return index


def slow_search(rows, vectors, queries, k, rank=RANK):
    """The k nearest by sorting everything with Python's tuples."""
    found = []
    for query in queries.astype(np.float64):
        exact = [float(vector @ query) for vector in vectors.astype(np.float64)]
        ordered = sorted(
            range(len(rows)),
            key=lambda i: (-exact[i], int(rows["key"][i]), int(rank[rows["class_id"][i]]), int(rows["instance_id"][i])),
        )[:k]
        ids = [int(rows["instance_id"][i]) for i in ordered] + [-1] * (k - len(ordered))
        found.append((ids, [np.float32(min(exact[i], 1)) for i in ordered] + [-np.inf] * (k - len(ordered))))
    return found


def assert_same(neighbors, expected):
    for ids, similarity, (want_ids, want_similarity) in zip(
        neighbors.instance_id.tolist(), neighbors.similarity.tolist(), expected, strict=True
    ):
        assert ids == want_ids
        assert similarity == want_similarity


@pytest.fixture(params=[None, 16], ids=["one block", "many blocks"])
def blocks(request, monkeypatch):
    if request.param:
        monkeypatch.setattr(index_module, "BLOCK_ROWS", request.param)


@pytest.mark.parametrize("k", [1, 3, 40, 300, 1000])
@pytest.mark.parametrize("copies", [1, 30, 300], ids=["all different", "groups of equals", "all equal"])
def test_search_agrees_with_the_slow_twin(blocks, k, copies):
    rows = make_rows(300)
    vectors = np.repeat(rounded(1, 300 // copies), copies, axis=0)
    queries = np.concatenate([rounded(2, 5), vectors[:2]])
    assert_same(filled(rows, vectors).search(queries, k, RANK), slow_search(rows, vectors, queries, k))


def test_rows_closer_than_float32_can_tell_are_ordered_exactly(blocks):
    # One-hot queries make the similarity one float16 number; the others differ by one unit in the last place.
    rng = np.random.default_rng(0)
    base = rounded(5, 1, 64)[0]
    vectors = np.repeat(base[None], 200, axis=0)
    for row in vectors:
        place = rng.integers(64)
        row[place] = np.nextafter(np.float16(row[place]), np.float16(rng.choice([-1, 1])))
    rows = make_rows(200)
    queries = np.concatenate([base[None], rounded(6, 20, 64)])
    exact = vectors.astype(np.float64) @ queries.astype(np.float64).T
    assert len(np.unique(exact.astype(np.float32))) < len(np.unique(exact))
    assert_same(filled(rows, vectors).search(queries, 5, RANK), slow_search(rows, vectors, queries, 5))


def test_class_names_order_rows_of_equal_content():
    rows = make_rows(4)
    rows["key"] = 7
    rows["class_id"] = [1, 2, 3, 4]
    vectors = np.repeat(rounded(1, 1), 4, axis=0)
    rank = np.array([0, 2, 0, 3, 1])
    assert filled(rows, vectors).search(vectors[:1], 4, rank).class_id.tolist() == [[2, 4, 1, 3]]


def test_any_order_of_the_same_rows_gives_the_same_bits(blocks):
    rows, vectors, queries = make_rows(200), np.repeat(rounded(1, 50), 4, axis=0), rounded(2, 9)
    expected = filled(rows, vectors).search(queries, 20, RANK)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(200)
        found = filled(rows[order], vectors[order]).search(queries, 20, RANK)
        assert found.similarity.tobytes() == expected.similarity.tobytes()
        assert found.instance_id.tolist() == expected.instance_id.tolist()


def test_rows_added_in_pieces_and_removed_again(blocks):
    rows, vectors, queries = make_rows(150), rounded(1, 150), rounded(2, 4)
    index = Index(8)
    rng = np.random.default_rng(0)
    alive = np.zeros(150, dtype=bool)
    added = 0
    while added < 150 or alive.any():
        count = min(int(rng.integers(0, 40)), 150 - added)
        index.append(rows[added : added + count], vectors[added : added + count])
        alive[added : added + count] = True
        added += count
        gone = rng.random(150) < 0.2 if added < 150 else alive & (rng.random(150) < 0.5)
        removed = index.remove(rows["instance_id"][gone])
        assert sorted(removed["instance_id"]) == sorted(rows["instance_id"][gone & alive])
        alive &= ~gone
        assert index.size == alive.sum()
        assert_same(index.search(queries, 7, RANK), slow_search(rows[alive], vectors[alive], queries, 7))


def test_what_is_missing_is_marked():
    found = filled(make_rows(2), rounded(1, 2)).search(rounded(2, 3), 4, RANK)
    assert found.valid.tolist() == [[True, True, False, False]] * 3
    assert np.isneginf(found.similarity[:, 2:]).all()
    assert found.class_id[0, 2:].tolist() == [0, 0]
    assert Index(8).search(rounded(2, 3), 4, RANK).valid.tolist() == [[False] * 4] * 3
    assert filled(make_rows(2), rounded(1, 2)).search(rounded(2, 3)[:0], 4, RANK).similarity.shape == (0, 4)


def test_dtypes_and_range():
    vectors = np.full((1, 3), np.float32(np.float16(0.5774)))  # a little longer than 1 once rounded
    found = filled(make_rows(1), vectors).search(vectors, 1, RANK)
    assert found.similarity.tolist() == [[1.0]]
    assert [found.similarity.dtype, found.purity.dtype] == [np.float32] * 2
    assert [found.instance_id.dtype, found.class_id.dtype, found.image_id.dtype] == [np.int64] * 3


def test_relabelling_moves_a_class():
    index = filled(make_rows(50), rounded(1, 50))
    before = (index.rows["class_id"] == 1).sum() + (index.rows["class_id"] == 3).sum()
    index.relabel(1, 3)
    assert (index.rows["class_id"] == 3).sum() == before
    assert not (index.rows["class_id"] == 1).any()


@pytest.mark.parametrize("seed", range(4))
def test_a_snapshot_stays_what_it_was(monkeypatch, seed):
    """Whatever is done to the index across blocks; and the index is what it would be without snapshots."""
    monkeypatch.setattr("knnclip.store.index.BLOCK_ROWS", 8)
    rng = np.random.default_rng(seed)
    rows, vectors = make_rows(60), rounded(1, 60)
    index, plain = filled(rows[:30], vectors[:30]), filled(rows[:30], vectors[:30])
    held = []
    for step in range(30):
        taken = index.snapshot()
        held.append((taken, taken.rows.copy(), [block.copy() for block in taken.blocks()]))
        if rng.random() < 0.4:
            held.pop(int(rng.integers(len(held))))
        kind = int(rng.integers(3))
        for one in (index, plain):
            if kind == 0:
                one.append(rows[30 + step : 31 + step], vectors[30 + step : 31 + step])
            elif kind == 1:
                one.remove(rows["instance_id"][[(7 * step) % 60, (11 * step) % 60]])
            else:
                one.relabel(step % 5, (step + 1) % 5)
        np.testing.assert_array_equal(index.rows, plain.rows)
        np.testing.assert_array_equal(index.vectors(np.arange(index.size)), plain.vectors(np.arange(plain.size)))
        for snapshot, own_rows, blocks in held:
            np.testing.assert_array_equal(snapshot.rows, own_rows)
            assert all(np.array_equal(now, then) for now, then in zip(snapshot.blocks(), blocks, strict=True))


def test_without_a_snapshot_nothing_is_copied():
    index = filled(make_rows(50), rounded(1, 50))
    index.snapshot()  # nobody keeps it
    before = index._blocks[0]
    index.remove(np.array([3, 4]))
    assert index._blocks[0] is before
    kept = index.snapshot()
    index.append(make_rows(1, first_id=900), rounded(2, 1))
    assert index._blocks[0] is before
    index.remove(np.array([5]))
    assert index._blocks[0] is not before
    assert kept.size == 48
