"""The contract of the default fusion, and the paper's formula."""

import numpy as np
import pytest

from knnclip.decision.fusion import FusionSettings, fuse
from knnclip.knowledge import Calibration, Census, Levels
from knnclip.structures import Posterior

TRIED = Calibration(exponent=1.5, reliability=0.6)
EVIDENCE, PAPER = FusionSettings("evidence"), FusionSettings("paper", paper_lambda=0.4, paper_threshold=0.6)


def retrieved(probabilities, similarity, witnesses=3):
    p = np.atleast_2d(np.array(probabilities, np.float32))
    s = np.where(p > 0, np.float32(similarity), -np.inf).astype(np.float32)
    return Posterior(p, s, np.where(p > 0, witnesses, 0))


def levels(c, floor=0.5, typical=0.8):
    return Levels(np.full(c, floor, np.float32), np.full(c, typical, np.float32), known=True)


def census(*rows):
    return Census(np.array(rows), np.array(rows))


def like(*g):
    return np.array(g, np.float32)


@pytest.mark.parametrize("g", [0, 0.5, 1])
def test_without_a_base_retrieval_is_believed_as_far_as_the_mask_is_like_a_stored_one(g):
    final = fuse(None, retrieved([0.7, 0.3], 0.6), like(g), levels(2), census(1, 1), TRIED, EVIDENCE).final[0]
    assert final.tolist() == pytest.approx([0.7 * g, 0.3 * g])


def test_weak_evidence_leaves_classes_without_rows_and_the_unknown_share_alone():
    base = np.array([[0.5, 0.2, 0.1]], np.float32)  # 0.2 unknown; class 0 has no rows
    final = fuse(base, retrieved([0, 0.1, 0.9], -0.1), like(0), levels(3), census(0, 4, 4), TRIED, EVIDENCE).final
    assert final[0, 0] == pytest.approx(0.5)
    assert final[0, 1:].sum() == pytest.approx(0.3)
    assert final[0, 2] > base[0, 2]


def test_strong_evidence_rescues_what_the_base_calls_nothing():
    base = np.array([[0.02, 0.01]], np.float32)
    strong = fuse(base, retrieved([0, 1.0], 0.95), like(1), levels(2), census(5, 5), TRIED, EVIDENCE).final
    weak = fuse(base, retrieved([0, 1.0], -0.1), like(0), levels(2), census(5, 5), TRIED, EVIDENCE).final
    assert strong[0, 1] > 0.5
    assert weak[0].sum() == pytest.approx(0.03, abs=1e-6)


def test_a_class_without_rows_yields_to_a_reliable_store_or_to_nearly_the_same_mask_alone():
    base = np.array([[0.9, 0.05]], np.float32)  # the base is sure of class 0, of which the store knows nothing
    found = {}
    for name, similarity, reliability in [("doubtful", 0.8, 0.2), ("reliable", 0.8, 1.0), ("same", 1.0, 0.2)]:
        evidence = retrieved([0, 1.0], similarity, 5)
        final = fuse(base, evidence, like(1), levels(2), census(0, 5), Calibration(1.5, reliability), EVIDENCE).final
        found[name] = ["base", "store"][int(final[0].argmax())]
    assert found == {"doubtful": "base", "reliable": "store", "same": "store"}


def test_trust_is_what_the_store_has_shown():
    base, evidence = np.array([[0.1, 0.6]], np.float32), retrieved([0.7, 0.3], 0.7)
    taken = [
        fuse(base, evidence, like(1), levels(2), census(5, 5), Calibration(exponent, 0.5), EVIDENCE).final[0, 0]
        for exponent in (0.5, 1, 2, 4)
    ]
    assert (np.diff(taken) < 0).all()


def naive(base, posterior, likeness, known, count, votes):
    """The formula of the docstring, mask by mask and class by class."""
    final = base.astype(float).copy()
    for i in range(len(base)):
        p = posterior.probabilities[i].astype(float)
        if not p.any():
            continue
        c = int(p.argmax())
        s, typical = max(posterior.similarity[i, c], -1), known.typical[c]
        w, g = posterior.witnesses[i, c], likeness[i]
        t = p[c] ** votes.exponent
        lam = t * w / (w + 0.75)
        h = min(max((s - typical) / (1 - typical), 0), 1)
        mu, nu = g * (lam + (1 - lam) * t), g * lam * (votes.reliability + (1 - votes.reliability) * h**2)
        inside = [k for k in range(len(p)) if count.instances[k] > 0]
        m = sum(base[i, k] for k in inside)
        v = 1 - base[i].sum()
        u = 1 - m - v
        for k in range(len(p)):
            if k in inside:
                final[i, k] = (1 - lam) * base[i, k] + p[k] * (lam * m + mu * v + nu * u)
            else:
                final[i, k] = (1 - nu) * base[i, k]
    return final


def test_the_default_fusion_is_its_formula(rng):
    base = rng.dirichlet(np.ones(6), 100)[:, :5].astype(np.float32)
    p = rng.dirichlet(np.full(5, 0.3), 100).astype(np.float32)
    p[:, 1] = 0
    p[:5] = 0
    p = np.divide(p, p.sum(axis=1, keepdims=True), out=np.zeros_like(p), where=p.sum(axis=1, keepdims=True) > 0)
    posterior = Posterior(p, rng.uniform(-0.2, 1, p.shape).astype(np.float32), rng.integers(1, 9, p.shape))
    known = Levels(rng.uniform(0.3, 0.5, 5).astype(np.float32), rng.uniform(0.6, 0.9, 5).astype(np.float32), known=True)
    g, count = rng.uniform(0, 1, 100).astype(np.float32), census(3, 0, 2, 1, 9)
    final = fuse(base, posterior, g, known, count, TRIED, EVIDENCE).final
    np.testing.assert_allclose(final, naive(base, posterior, g, known, count, TRIED), atol=1e-5)


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ((retrieved([0.6, 0.4], 0.9, 1), like(1)), (retrieved([0.6, 0.4], 0.9, 20), like(1))),  # number
        ((retrieved([0.6, 0.4], 0.9), like(0.5)), (retrieved([0.6, 0.4], 0.9), like(0.8))),  # likeness
        ((retrieved([0.6, 0.4], 0.9), like(1)), (retrieved([0.95, 0.05], 0.9), like(1))),  # agreement
    ],
)
def test_more_evidence_weighs_more(less, more):
    base = np.array([[0.1, 0.6]], np.float32)
    a = fuse(base, *less, levels(2), census(5, 5), TRIED, EVIDENCE).final[0, 0]
    b = fuse(base, *more, levels(2), census(5, 5), TRIED, EVIDENCE).final[0, 0]
    assert b > a


@pytest.mark.parametrize("settings", [EVIDENCE, PAPER])
def test_without_neighbours_the_base_stands(settings):
    base = np.array([[0.3, 0.6]], np.float32)
    np.testing.assert_array_equal(
        fuse(base, retrieved([0, 0], 0), like(0), levels(2), census(0, 0), TRIED, settings).final, base
    )


def test_rows_stay_distributions():
    rng = np.random.default_rng(1)
    base = rng.dirichlet(np.ones(6), 200)[:, :5].astype(np.float32)
    p = rng.dirichlet(np.ones(5), 200).astype(np.float32)
    posterior = Posterior(p, rng.uniform(0, 1, p.shape).astype(np.float32), rng.integers(0, 9, p.shape))
    g = rng.uniform(0, 1, 200).astype(np.float32)
    for settings in (EVIDENCE, PAPER):
        final = fuse(base, posterior, g, levels(5), census(1, 0, 3, 4, 5), TRIED, settings).final
        assert final.min() >= 0
        assert final.sum(axis=1).max() <= 1 + 1e-5


def test_the_papers_fusion_is_its_formula():
    base = np.array([[0.5, 0.5], [0.5, 0.5]], np.float32)
    p = np.array([[0.9, 0.1], [0.55, 0.45]], np.float32)
    final = fuse(base, retrieved(p, 0.9), like(0, 0), levels(2), census(1, 1), TRIED, PAPER).final
    np.testing.assert_allclose(final[0], 0.4 * p[0] + 0.6 * base[0], rtol=1e-6)  # 0.9 reaches T
    np.testing.assert_array_equal(final[1], base[1])  # 0.55 does not
