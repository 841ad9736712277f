"""The contract of the default fusion, and the paper's formula."""

import numpy as np
import pytest

from knnclip.fusion import FusionSettings, fuse
from knnclip.structures import Census, Levels, Posterior

EVIDENCE, PAPER = FusionSettings("evidence"), FusionSettings("paper", paper_lambda=0.4, paper_threshold=0.6)


def retrieved(probabilities, similarity, witnesses=3):
    p = np.atleast_2d(np.array(probabilities, np.float32))
    s = np.where(p > 0, np.float32(similarity), -np.inf).astype(np.float32)
    return Posterior(p, s, np.where(p > 0, witnesses, 0))


def levels(c, floor=0.5, typical=0.8):
    return Levels(np.full(c, floor, np.float32), np.full(c, typical, np.float32))


def census(*rows):
    return Census(np.array(rows), np.array(rows))


def test_without_a_base_retrieval_is_believed_from_the_floor_on():
    assert fuse(None, retrieved([0.7, 0.3], 0.6), levels(2), census(1, 1), EVIDENCE).final.tolist() == [
        pytest.approx([0.7, 0.3])
    ]
    assert not fuse(None, retrieved([0.7, 0.3], 0.4), levels(2), census(1, 1), EVIDENCE).final.any()


def test_weak_evidence_leaves_classes_without_rows_and_the_unknown_share_alone():
    base = np.array([[0.5, 0.2, 0.1]], np.float32)  # 0.2 unknown; class 0 has no rows
    final = fuse(base, retrieved([0, 0.1, 0.9], 0.5), levels(3), census(0, 4, 4), EVIDENCE).final
    assert final[0, 0] == pytest.approx(0.5)
    assert final[0, 1:].sum() == pytest.approx(0.3)
    assert final[0, 2] > base[0, 2]


def test_strong_evidence_rescues_what_the_base_calls_nothing():
    base = np.array([[0.02, 0.01]], np.float32)
    strong = fuse(base, retrieved([0, 1.0], 0.95), levels(2), census(5, 5), EVIDENCE).final
    weak = fuse(base, retrieved([0, 1.0], 0.5), levels(2), census(5, 5), EVIDENCE).final
    assert strong[0, 1] > 0.5
    assert weak[0].sum() == pytest.approx(0.03)


@pytest.mark.parametrize(
    ("less", "more"),
    [
        (retrieved([0.6, 0.4], 0.9, 1), retrieved([0.6, 0.4], 0.9, 20)),  # number
        (retrieved([0.6, 0.4], 0.6), retrieved([0.6, 0.4], 0.9)),  # similarity
        (retrieved([0.6, 0.4], 0.9), retrieved([0.95, 0.05], 0.9)),  # agreement
    ],
)
def test_more_evidence_weighs_more(less, more):
    base = np.array([[0.1, 0.6]], np.float32)
    a = fuse(base, less, levels(2), census(5, 5), EVIDENCE).final[0, 0]
    b = fuse(base, more, levels(2), census(5, 5), EVIDENCE).final[0, 0]
    assert b > a


@pytest.mark.parametrize("settings", [EVIDENCE, PAPER])
def test_without_neighbours_the_base_stands(settings):
    base = np.array([[0.3, 0.6]], np.float32)
    np.testing.assert_array_equal(fuse(base, retrieved([0, 0], 0), levels(2), census(0, 0), settings).final, base)


def test_rows_stay_distributions():
    rng = np.random.default_rng(1)
    base = rng.dirichlet(np.ones(6), 200)[:, :5].astype(np.float32)
    p = rng.dirichlet(np.ones(5), 200).astype(np.float32)
    posterior = Posterior(p, rng.uniform(0, 1, p.shape).astype(np.float32), rng.integers(0, 9, p.shape))
    for settings in (EVIDENCE, PAPER):
        final = fuse(base, posterior, levels(5), census(1, 0, 3, 4, 5), settings).final
        assert final.min() >= 0
        assert final.sum(axis=1).max() <= 1 + 1e-5


def test_the_papers_fusion_is_its_formula():
    base = np.array([[0.5, 0.5], [0.5, 0.5]], np.float32)
    p = np.array([[0.9, 0.1], [0.55, 0.45]], np.float32)
    final = fuse(base, retrieved(p, 0.9), levels(2), census(1, 1), PAPER).final
    np.testing.assert_allclose(final[0], 0.4 * p[0] + 0.6 * base[0], rtol=1e-6)  # 0.9 reaches T
    np.testing.assert_array_equal(final[1], base[1])  # 0.55 does not
