"""The closed-form discriminant, against scikit-learn's on the same covariance and by its formulas."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from knnclip.decision import discriminant
from knnclip.decision.discriminant import (
    LEAST_SHRINKAGE,
    ROW_NUMBERS,
    Discriminant,
    DiscriminantSettings,
    fit,
    mix,
)
from knnclip.errors import UsageError
from knnclip.knowledge import ClassMoments
from knnclip.structures import Cells


def moments(vectors, labels, classes, images=40):
    steps = vectors.astype(np.float64)
    counts = np.bincount(labels, minlength=classes).astype(float)
    sums = np.zeros((classes, vectors.shape[1]))
    np.add.at(sums, labels, steps)
    return ClassMoments(counts, sums, steps.T @ steps, images)


def drawn(seed, count=400, dim=12, classes=4):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    means = rng.normal(size=(classes, dim))
    vectors = means[labels] + 0.6 * rng.normal(size=(count, dim)) @ rng.normal(size=(dim, dim)) / dim**0.5
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), labels


@pytest.mark.parametrize("images", [1, 8, 40, 100_000])
def test_it_is_the_posterior_of_classes_that_share_the_shrunk_covariance(images):
    vectors, labels = drawn(0)
    found = fit(moments(vectors, labels, 4, images)).posterior(vectors[:50])
    means = np.stack([vectors[labels == c].mean(axis=0) for c in range(4)])
    centred = vectors - means[labels]
    within = centred.T @ centred / (len(vectors) - 4)
    a = max(LEAST_SHRINKAGE, 0.6 * images ** (-1 / 3))
    shrunk = (1 - a) * within + a * np.trace(within) / 12 * np.eye(12)
    # The log density of a Gaussian, whose common part in x cancels in the softmax.
    off = vectors[:50, None] - means
    scores = -0.5 * np.einsum("ncd,de,nce->nc", off, np.linalg.inv(shrunk), off) + np.log(np.bincount(labels))
    powers = np.exp(0.3 * (scores - scores.max(axis=1, keepdims=True)))
    np.testing.assert_allclose(found, powers / powers.sum(axis=1, keepdims=True), rtol=1e-4, atol=1e-6)


def test_of_a_diagonal_it_takes_the_numbers_as_independent():
    vectors, labels = drawn(4)
    full = moments(vectors, labels, 4)
    found = fit(replace(full, product=np.diagonal(full.product)))
    means = full.sums / full.instances[:, None]
    within = np.square(vectors - means[labels]).sum(axis=0) / (len(vectors) - 4)
    a = 0.6 * full.images ** (-1 / 3)
    variance = (1 - a) * within + a * within.mean()
    np.testing.assert_allclose(found.weights, (means / variance).T)
    np.testing.assert_allclose(found.bias, np.log(full.instances) - (means**2 / variance).sum(axis=1) / 2)


def test_it_tells_classes_apart_that_differ_in_a_faint_direction():
    """Where the neighbours see only the loud one: the reason for it to be there."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 600)
    vectors = np.column_stack([np.full(600, 3.0), rng.normal(size=(600, 4)), (labels - 0.5) * 0.8])
    vectors[:, 5] += rng.normal(size=600) * 0.05
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    made = fit(moments(vectors[:400], labels[:400], 2, 400))
    right = made.posterior(vectors[400:]).argmax(axis=1) == labels[400:]
    similarity = vectors[400:] @ vectors[:400].T
    nearest = labels[:400][similarity.argmax(axis=1)] == labels[400:]
    assert right.mean() > 0.95
    assert right.mean() > nearest.mean() + 0.05


def test_classes_without_instances_have_nothing():
    vectors, labels = drawn(2, classes=3)
    found = fit(moments(vectors, labels + 1, 5)).posterior(vectors[:9])
    np.testing.assert_array_equal(found[:, [0, 4]], 0)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    empty = fit(moments(vectors[:0], labels[:0], 5, 0)).posterior(vectors[:9])
    np.testing.assert_array_equal(empty, np.zeros((9, 5)))


@pytest.mark.parametrize("count", [1, 2])
def test_a_single_instance_of_each_class_suffices(count):
    vectors = np.eye(6)[:count]
    found = fit(moments(vectors, np.arange(count), count, 1)).posterior(vectors)
    assert np.isfinite(found).all()
    assert found.argmax(axis=1).tolist() == list(range(count))


def test_energy_is_the_log_of_the_sum_of_what_the_posterior_shares(monkeypatch):
    vectors, labels = drawn(6)
    made = fit(moments(vectors, labels, 4))
    scores = vectors @ made.weights + made.bias
    expected = np.log(np.exp(scores).sum(axis=1))
    np.testing.assert_allclose(made.energy(vectors), expected)
    monkeypatch.setattr(discriminant, "ROW_NUMBERS", 9)  # two rows at a time
    np.testing.assert_allclose(made.energy(vectors), expected)
    far = replace(made, bias=made.bias + 1e5)  # exp of such scores is infinite
    np.testing.assert_allclose(far.energy(vectors), expected + 1e5)


def test_without_classes_no_energy_is_high():
    vectors, labels = drawn(2)
    empty = fit(moments(vectors[:0], labels[:0], 5, 0))
    assert empty.energy(vectors[:3]).tolist() == [-np.inf] * 3


def test_cells_are_asked_as_masks_are():
    vectors, labels = drawn(3)
    made = fit(moments(vectors, labels, 4))
    cells = Cells(vectors[:12].reshape(3, 4, 12).astype(np.float16), "tiles")
    expected = made.posterior(cells.embeddings.reshape(12, 12))
    np.testing.assert_array_equal(made.of_cells(cells).reshape(12, 4), expected)


def test_cells_of_many_classes_take_little_beside_the_answer():
    rng = np.random.default_rng(5)
    made = Discriminant(rng.normal(size=(4, 5000)), np.zeros(5000), np.arange(5000), 5000, 0.3, 0.5)
    cells = Cells(rng.normal(size=(30, 40, 4)).astype(np.float16), "tiles")
    tracemalloc.start()
    try:
        found = made.of_cells(cells)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_allclose(found.sum(axis=2), 1, rtol=1e-5)
    assert peak < found.nbytes + 6 * 8 * ROW_NUMBERS


def test_opinions_are_mixed_where_there_are_votes():
    votes = np.array([[0.6, 0.4, 0], [0, 0, 0], [1, 0, 0]], np.float32)
    opinion = np.array([[0.1, 0.5, 0.4], [0.2, 0.3, 0.5], [0, 0.5, 0.5]], np.float32)
    found = mix(votes, opinion, 0.5)
    g = np.sqrt([0.06, 0.2])
    np.testing.assert_allclose(found[0], [*g / g.sum(), 0], rtol=1e-6)
    np.testing.assert_array_equal(found[1], 0)
    np.testing.assert_array_equal(found[2], votes[2])
    np.testing.assert_allclose(mix(votes, opinion, 0.0), votes, rtol=1e-6)


@pytest.mark.parametrize("shares", [(1.0, 0.5), (-0.1, 0.5), (0.5, 1.0), (0.5, -1)])
def test_shares_that_are_none_are_refused(shares):
    with pytest.raises(UsageError, match="lie in 0 to below 1"):
        DiscriminantSettings(*shares)


@pytest.mark.parametrize(("of_each", "expected"), [(1, 0.0), (3, 8 / (8 + 6)), (1000, 3996 / (3996 + 6))])
def test_it_is_trusted_by_what_is_known_beyond_the_first_instance_of_each_class(of_each, expected):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4 * of_each, 6))
    sums = x.reshape(4, of_each, 6).sum(axis=1)
    made = fit(ClassMoments(np.full(4, float(of_each)), sums, x.T @ x, 3))
    assert made.trust == pytest.approx(expected)
