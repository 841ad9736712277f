"""The sums that a discriminant is made of: exact, of whatever is stored, and of nothing else."""

import json
import tracemalloc
import zlib

import numpy as np
import pytest

from knnclip.store import Store, moments
from knnclip.store.cache import FILE_NAME, MAGIC, CacheError, Stamp, read_cache, write_cache
from knnclip.store.index import BLOCK_ROWS, ROW, TAKEN_NUMBERS, Index
from knnclip.store.moments import FOLDS, GRID, Moments, fold_of
from knnclip.store.schema import MAX_DIM

from .samples import FINGERPRINT, batch
from .test_index import filled, make_rows, rounded


def by_hand(rows, vectors):
    """In Python's whole numbers, which have no limit."""
    steps = [[round(float(x) * GRID) for x in vector] for vector in vectors]
    dim = len(steps[0])
    products = [[[0] * dim for _ in range(dim)] for _ in range(FOLDS)]
    sums = {}
    for row, x in zip(rows, steps, strict=True):
        fold = int(row["fold"])
        for i in range(dim):
            for j in range(dim):
                products[fold][i][j] += x[i] * x[j]
        total = sums.setdefault((int(row["class_id"]), fold), [0] * (dim + 1))
        for i, value in enumerate([*x, 1]):
            total[i] += value
    return products, sums


def same(moments, expected):
    products, sums = expected
    return [product.tolist() for product in moments.products] == products and {
        key: total.tolist() for key, total in moments.sums.items()
    } == sums


def test_sums_are_those_of_whole_numbers():
    rows, vectors = make_rows(200), rounded(1, 200)
    assert same(filled(rows, vectors).moments, by_hand(rows, vectors))


def test_what_is_removed_and_relabelled_leaves_the_sums_of_the_rest():
    rows, vectors = make_rows(200), rounded(2, 200)
    index = filled(rows, vectors)
    gone = rows["instance_id"] % 3 == 0
    index.remove(rows["instance_id"][gone])
    index.relabel(2, 4)
    left = rows[~gone].copy()
    left["class_id"][left["class_id"] == 2] = 4
    assert same(index.moments, by_hand(left, vectors[~gone]))


def test_nothing_is_left_of_what_came_and_went():
    rows, vectors = make_rows(90), rounded(3, 90)
    index = filled(rows[:40], vectors[:40])
    before = index.moments
    index.append(rows[40:], vectors[40:])
    assert not index.moments.same_as(before)
    index.remove(rows["instance_id"][40:])
    assert index.moments.same_as(before)
    index.remove(rows["instance_id"][:40])
    assert index.moments.same_as(Moments.empty(8))


def test_a_snapshot_keeps_its_own():
    rows, vectors = make_rows(60), rounded(4, 60)
    index = filled(rows[:30], vectors[:30])
    taken = index.snapshot()
    index.append(rows[30:], vectors[30:])
    index.remove(rows["instance_id"][:10])
    assert same(taken.moments, by_hand(rows[:30], vectors[:30]))


def test_the_cache_brings_them_back(tmp_path):
    index = filled(make_rows(70), rounded(5, 70))
    write_cache(tmp_path / FILE_NAME, index, Stamp(1, "", 70))
    found, _ = read_cache(tmp_path / FILE_NAME, 8)
    assert found.moments.same_as(index.moments)


@pytest.mark.parametrize("without", [None, 0, 3])
def test_a_fold_may_be_left_out(without):
    rows, vectors = make_rows(120), rounded(6, 120)
    counts, sums, product = filled(rows, vectors).moments.of_classes(np.array([1, 3, 9]), without)
    kept = rows["fold"] != (-1 if without is None else without)
    steps = np.rint(vectors * GRID).astype(np.float64) / GRID
    for column, class_id in enumerate((1, 3, 9)):
        own = steps[kept & (rows["class_id"] == class_id)]
        assert counts[column] == len(own)
        np.testing.assert_array_equal(sums[column], own.sum(axis=0))
    np.testing.assert_array_equal(product, steps[kept].T @ steps[kept])


def test_images_are_dealt_into_folds_by_name():
    dealt = np.bincount([fold_of(f"image {number}.png") for number in range(4000)], minlength=FOLDS)
    assert len(dealt) == FOLDS
    assert dealt.min() > 900
    assert fold_of("street.jpg") == fold_of("street.jpg")


@pytest.mark.parametrize("form", ["{}.png", "img_{:05d}.jpg", "0001TP_{:06d}.png", "a/{:03d}.png"])
def test_neighbouring_names_are_dealt_into_all_folds(form):
    assert {fold_of(form.format(number)) for number in range(100, 124)} == set(range(FOLDS))


def test_a_store_has_the_same_whatever_the_order(tmp_path):
    instances = batch(3, 60)
    found = []
    for number, order in enumerate((np.arange(60), np.random.default_rng(0).permutation(60))):
        with Store.create(tmp_path / str(number), FINGERPRINT) as store:
            store.add([instances[i] for i in order], store.begin_source("ingest", "x"))
            extra = store.begin_source("teach", "y")
            store.add(batch(9, 20), extra)
            store.forget(source_id=extra)
            with store.view() as view:
                found.append(view.moments())
    for one, other in zip(
        (found[0].instances, found[0].sums, found[0].product),
        (found[1].instances, found[1].sums, found[1].product),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
    assert found[0].images == found[1].images
    assert found[0].instances.sum() == 60


def test_verify_adds_up_again(tmp_path, monkeypatch):
    with Store.create(tmp_path / "s", FINGERPRINT) as store:
        store.add(batch(3, 60), store.begin_source("ingest", "x"))
        assert store.verify() == []
        index = store._newest_mirror().index
        products = index.moments.products
        spoiled = products[0].copy()
        spoiled[0, 0] += 1
        monkeypatch.setattr(index, "moments", Moments((spoiled, *products[1:]), index.moments.sums))
        assert any("does not add up" in problem for problem in store.verify())


def test_the_longest_vectors_cost_no_square_of_their_length():
    rows, vectors = make_rows(3), np.full((3, MAX_DIM), MAX_DIM**-0.5, dtype=np.float32)
    tracemalloc.start()
    try:
        index = filled(rows, vectors)
        index.snapshot()
        _, _, product = index.moments.of_classes(np.array([1, 2, 3]))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert product.shape == (MAX_DIM,)
    assert peak < BLOCK_ROWS * MAX_DIM * 4 + 2**24, "bytes: one block of vectors, and little beside it"


def test_many_rows_are_taken_away_some_at_a_time():
    count = 30_000
    rows = make_rows(count)
    index = filled(rows, np.resize(rounded(8, 500, 128), (count, 128)))
    tracemalloc.start()
    try:
        index.remove(rows["instance_id"])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert index.moments.same_as(Moments.empty(128))
    assert peak < 3 * 8 * TAKEN_NUMBERS


@pytest.mark.parametrize("field", ["size", "sums"])
def test_a_cache_that_counts_below_nothing_counts_as_absent(tmp_path, field):
    path, length = tmp_path / FILE_NAME, len(MAGIC)
    write_cache(path, Index(8), Stamp(1, "", 0))
    found = path.read_bytes()
    end = length + 4 + int.from_bytes(found[length : length + 4], "little")
    header = json.loads(found[length + 4 : end])
    step = {"size": ROW.itemsize + 16, "sums": 16 + 8 * 9}[field]
    text = json.dumps({**header, field: -1}).encode()
    rest = found[end + 4 : len(found) - step]
    start = MAGIC + len(text).to_bytes(4, "little") + text + zlib.crc32(text).to_bytes(4, "little")
    path.write_bytes(start + rest)
    with pytest.raises(CacheError, match="has"):
        read_cache(path, 8)


def test_of_long_vectors_the_diagonal_is_kept_as_exactly(tmp_path, monkeypatch):
    rows, vectors = make_rows(90), rounded(7, 90)
    full = filled(rows[:60], vectors[:60]).moments
    monkeypatch.setattr(moments, "MOST_FULL", 7)
    index = filled(rows, vectors)
    index.remove(rows["instance_id"][60:])
    for own, whole in zip(index.moments.products, full.products, strict=True):
        np.testing.assert_array_equal(own, np.diagonal(whole))
    write_cache(tmp_path / FILE_NAME, index, Stamp(1, "", 90))
    found, _ = read_cache(tmp_path / FILE_NAME, 8)
    assert found.moments.same_as(index.moments)
