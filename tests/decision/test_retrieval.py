"""The vectorised vote against a slow, obvious twin, and what the cap and the balance are for."""

import math

import numpy as np
import pytest

from knnclip.decision.retrieval import UNTRIED, VoteSettings, calibrate, first_of_group, posterior
from knnclip.errors import UsageError
from knnclip.knowledge import Census
from knnclip.structures import Neighbors
from knnclip.vocabulary import ClassInfo, Vocabulary


def vocabulary(*ids):
    return Vocabulary.of(ClassInfo(i, f"class {i:03d}", True, (0, 0, 0)) for i in ids)


def neighbors(rows):
    """rows: per query a list of (similarity, class, image, purity); shorter rows are padded."""
    n, k = len(rows), max((len(row) for row in rows), default=0)
    out = Neighbors(
        np.full((n, k), -np.inf, np.float32),
        np.full((n, k), -1, np.int64),
        np.full((n, k), -1, np.int64),
        np.full((n, k), -1, np.int64),
        np.zeros((n, k), np.float32),
    )
    for q, row in enumerate(rows):
        for j, (s, c, i, p) in enumerate(row):
            out.similarity[q, j], out.class_id[q, j], out.image_id[q, j], out.purity[q, j] = s, c, i, p
            out.instance_id[q, j] = 100 * q + j
    return out


def slow_posterior(rows, vocab, images, settings):
    result = np.zeros((len(rows), len(vocab)))
    columns = {info.class_id: c for c, info in enumerate(vocab)}
    for q, row in enumerate(rows):
        seen = set()
        for rank, (s, c, i, p) in enumerate(row):
            if c not in columns or (c, i) in seen:
                continue
            seen.add((c, i))
            w = math.exp(s / settings.tau) if settings.weight == "softmax" else 1 / (2 + rank)
            result[q, columns[c]] += w * p / max(images[columns[c]], 1) ** settings.balance
        if result[q].sum() > 0:
            result[q] /= result[q].sum()
    return result


@pytest.mark.parametrize("weight", ["softmax", "rank"])
@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_posterior_equals_the_slow_twin(weight, balance):
    rng = np.random.default_rng(3)
    settings = VoteSettings(k=12, weight=weight, tau=0.1, balance=balance)
    rows = []
    for _ in range(40):
        length = int(rng.integers(0, 13))
        similarity = np.sort(rng.uniform(-1, 1, length).astype(np.float32))[::-1]
        rows.append(
            [
                (float(s), int(rng.integers(1, 6)), int(rng.integers(0, 4)), float(rng.uniform(0.5, 1)))
                for s in similarity
            ]
        )
    vocab = vocabulary(4, 1, 3, 9)  # class 2 and 5 are not in it, 9 has no rows
    images = np.array([7, 1, 30, 0])
    got = posterior(neighbors(rows), vocab, Census(images, images), settings)
    np.testing.assert_allclose(got.probabilities, slow_posterior(rows, vocab, images, settings), atol=1e-5)
    for q, row in enumerate(rows):
        for c, info in enumerate(vocab):
            mine = [item for item in row if item[1] == info.class_id]
            assert got.witnesses[q, c] == len({item[2] for item in mine})
            assert got.similarity[q, c] == (max(np.float32(item[0]) for item in mine) if mine else -np.inf)


def test_ten_pieces_of_one_image_are_one_witness():
    row = [(0.9, 1, 0, 1.0)] * 10 + [(0.9, 2, 1, 1.0), (0.9, 2, 2, 1.0)]
    census = Census(np.array([10, 2]), np.array([1, 2]))
    got = posterior(neighbors([row]), vocabulary(1, 2), census, VoteSettings(balance=0))
    assert got.probabilities[0, 1] > got.probabilities[0, 0]
    assert got.witnesses.tolist() == [[1, 2]]


def test_balance_lets_one_click_win_over_a_large_ingest_at_equal_similarity():
    row = [(0.8, 2, 5, 1.0), (0.8, 1, 7, 1.0), (0.8, 1, 8, 1.0)]
    census = Census(np.array([5000, 1]), np.array([400, 1]))
    unbalanced = posterior(neighbors([row]), vocabulary(1, 2), census, VoteSettings(balance=0)).probabilities
    balanced = posterior(neighbors([row]), vocabulary(1, 2), census, VoteSettings(balance=0.5)).probabilities
    assert unbalanced[0].argmax() == 0
    assert balanced[0].argmax() == 1


@pytest.mark.parametrize(
    ("n", "k", "ids"),
    [(0, 5, (1, 2)), (3, 0, (1, 2)), (2, 4, ())],  # no queries; an empty store; an empty vocabulary
)
def test_degenerate_sizes_are_defined(n, k, ids):
    empty = Neighbors(
        np.full((n, k), -np.inf, np.float32),
        *(np.full((n, k), -1, np.int64) for _ in range(3)),
        np.zeros((n, k), np.float32),
    )
    census = Census(np.zeros(len(ids), np.int64), np.zeros(len(ids), np.int64))
    got = posterior(empty, vocabulary(*ids), census, VoteSettings())
    assert got.probabilities.shape == (n, len(ids))
    assert not got.probabilities.any()


def test_first_of_group_equals_the_slow_twin():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 3, (50, 9)), rng.integers(0, 3, (50, 9))
    slow = [
        [(x, y) not in list(zip(p[:j], q[:j], strict=True)) for j, (x, y) in enumerate(zip(p, q, strict=True))]
        for p, q in zip(a, b, strict=True)
    ]
    np.testing.assert_array_equal(first_of_group(a, b), slow)


@pytest.mark.parametrize("wrong", [{"k": 0}, {"tau": 0.0}, {"weight": "plurality"}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(UsageError):
        VoteSettings(**wrong)


def held_out(shares, right, n=200):
    """Neighbours of n rows of which the share ``right`` has the true class on top, with so much of the votes."""
    gap = 0.1 * math.log(shares / (1 - shares))
    rows = [[(0.9, 1, 10 * q, 1.0), (0.9 - gap, 2, 10 * q + 1, 1.0)] for q in range(n)]
    return neighbors(rows), np.where(np.arange(n) < right * n, 1, 2)


def voted(found):
    census = Census(np.array([5, 5]), np.array([5, 5]))
    return posterior(found, vocabulary(1, 2), census, VoteSettings(k=2, tau=0.1)).probabilities


@pytest.mark.parametrize(("shares", "right"), [(0.7, 0.7), (0.7, 0.4), (0.6, 0.9), (0.9, 0.99)])
def test_calibration_takes_the_share_of_the_votes_to_the_share_that_is_right(shares, right):
    found, truth = held_out(shares, right, 20_000)
    got = calibrate(voted(found), truth, vocabulary(1, 2))
    expected = min(max(math.log(right) / math.log(shares), 0.5), 4)
    assert got.exponent == pytest.approx(expected, rel=0.02)
    assert got.reliability == pytest.approx(right, abs=0.01)


def test_a_store_that_cannot_be_asked_is_trusted_with_caution():
    empty = calibrate(np.zeros((0, 2), np.float32), np.zeros(0, int), vocabulary(1, 2))
    assert empty == UNTRIED
    found, truth = held_out(0.7, 1.0, 4)
    few = calibrate(voted(found), truth, vocabulary(1, 2))
    assert UNTRIED.reliability < few.reliability < 0.5
