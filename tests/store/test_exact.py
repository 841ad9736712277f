from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from knnclip.store.exact import exact_similarity, float32_error, nearest_first

from .samples import units


def rounded(seed, count, dim):
    return units(seed, count, dim).astype(np.float16).astype(np.float32)


@pytest.mark.parametrize("dim", [1, 2, 7, 38, 256, 768])
def test_the_float64_product_is_the_true_one_in_any_order(dim):
    queries, rows = rounded(1, 3, dim), rounded(2, 5, dim)
    found = exact_similarity(queries, np.broadcast_to(rows, (3, 5, dim)))
    for i, query in enumerate(queries):
        for j, row in enumerate(rows):
            true = sum(Fraction(float(a)) * Fraction(float(b)) for a, b in zip(query, row, strict=True))
            assert Fraction(float(found[i, j])) == true
            order = np.random.default_rng(i * 5 + j).permutation(dim)
            running = 0.0
            for a, b in zip(query[order].tolist(), row[order].tolist(), strict=True):
                running += a * b
            assert running == found[i, j]


def test_numbers_below_the_smallest_normal_float16_are_exact_too():
    tiny = np.array([2.0**-24, 3 * 2.0**-24, np.sqrt(0.5), np.sqrt(0.5)], dtype=np.float16).astype(np.float32)
    true = sum(Fraction(float(a)) ** 2 for a in tiny)
    assert Fraction(float(exact_similarity(tiny[None], tiny[None, None])[0, 0])) == true


@pytest.mark.parametrize("dim", [8, 256, 1024])
def test_float32_is_never_wrong_by_more_than_the_bound(dim):
    queries, rows = rounded(3, 50, dim), rounded(4, 200, dim)
    exact = queries.astype(np.float64) @ rows.astype(np.float64).T
    worst = np.abs(queries @ rows.T - exact).max()
    running = np.zeros((50, 200), dtype=np.float32)
    for d in range(dim):  # the worst order of summation for float32
        running += queries[:, d : d + 1] * rows[None, :, d]
    worst = max(worst, np.abs(running - exact).max())
    assert 0 < worst < float32_error(dim)


def test_the_order_is_similarity_then_content_then_class_name_then_id():
    similarity = np.array([0.5, 0.9, 0.5, 0.5, 0.5])
    key = np.array([2**63 + 1, 9, 3, 3, 3], dtype=np.uint64)
    rank = np.array([0, 0, 1, 0, 0])
    ids = np.array([1, 2, 3, 5, 4])
    assert nearest_first(similarity, key, rank, ids).tolist() == [1, 4, 3, 2, 0]
