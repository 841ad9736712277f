"""What is believed of places beside what is believed of masks."""

import numpy as np
import pytest

from knnclip.decision import dense as module
from knnclip.decision.dense import mean_over, mixed, winners
from knnclip.parts.pooling import interpolation
from knnclip.structures import DenseBeliefs, Mask

ATOMS = np.repeat([[0, 0, 0, 1, 1, 2, 2, 2]], 6, axis=0).astype(np.int32)  # (6, 8)
SCORES = np.array([[0.5, 0.3, 0.1, 0.1], [0.2, 0.1, 0.1, 0.6], [0.05, 0.05, 0.8, 0.1]])  # three classes, and unknown


def believed(weight=0.5, supported=(True, True, False), seed=0, grid=(3, 4), layout="tiles"):
    q = np.random.default_rng(seed).dirichlet(np.ones(3), grid).astype(np.float32) * np.array(supported, np.float32)
    q /= np.maximum(q.sum(axis=2, keepdims=True), 1e-9)
    return DenseBeliefs(q.astype(np.float32), layout, weight)


def by_hand(scores, labels, dense):
    """Every class at every pixel by the formula; the classes that win nowhere are few enough here."""
    down = interpolation(labels.shape[0], dense.probabilities.shape[0], dense.layout)
    across = interpolation(labels.shape[1], dense.probabilities.shape[1], dense.layout)
    powers = np.einsum("yh,hwc,xw->yxc", down, dense.probabilities.astype(float) ** dense.weight, across)
    supported = dense.probabilities.any(axis=(0, 1))
    p = scores[labels]
    g = np.where(supported, p[..., :-1] ** (1 - dense.weight) * powers, 0)
    shared = np.where(supported, p[..., :-1], 0).sum(axis=2, keepdims=True)
    p = p.copy()
    p[..., :-1] = np.where(supported, shared * g / g.sum(axis=2, keepdims=True), p[..., :-1])
    return p


@pytest.mark.parametrize("layout", ["tiles", "corners"])
@pytest.mark.parametrize("weight", [0.3, 0.5, 0.7])
def test_each_pixel_has_the_best_of_the_mixture(layout, weight):
    dense = believed(weight, layout=layout)
    column, confidence = winners(SCORES, ATOMS, dense)
    expected = by_hand(SCORES, ATOMS, dense)
    np.testing.assert_array_equal(column, expected.argmax(axis=2))
    np.testing.assert_allclose(confidence, expected.max(axis=2), rtol=1e-5)
    assert len(np.unique(column[ATOMS == 0])) == 2, "places differ within a mask"


def test_strips_make_no_difference(monkeypatch):
    whole = winners(SCORES, ATOMS, believed())
    monkeypatch.setattr(module, "STRIP_NUMBERS", 1)
    for one, other in zip(whole, winners(SCORES, ATOMS, believed()), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_without_a_dense_opinion_that_of_the_atom_holds():
    column, confidence = winners(SCORES, ATOMS, None)
    np.testing.assert_array_equal(column, np.array([0, 3, 2])[ATOMS])
    np.testing.assert_allclose(confidence, np.array([0.5, 0.6, 0.8], np.float32)[ATOMS])


def test_what_the_masks_gave_to_unknown_and_to_classes_without_instances_stays():
    sure = np.zeros((3, 4, 3), np.float32)
    sure[..., 0] = 1
    column, confidence = winners(SCORES, ATOMS, DenseBeliefs(sure, "tiles", 0.9))
    np.testing.assert_array_equal(column[ATOMS == 1], 3)
    np.testing.assert_array_equal(column[ATOMS == 2], 2)
    np.testing.assert_array_equal(column[ATOMS == 0], 0)
    np.testing.assert_allclose(confidence[ATOMS == 0], 0.5, rtol=1e-6)  # all that the only supported class had


def test_where_places_rule_out_all_that_the_masks_are_for_the_masks_stand():
    """To the last bit: one instance a class makes the discriminant that sure."""
    q = np.zeros((3, 4, 3), np.float32)
    q[..., 1] = 1
    q[0, 0] = [1, 0, 0]
    column, confidence = winners(np.array([[0.9, 0, 0, 0.1]]), np.zeros_like(ATOMS), DenseBeliefs(q, "tiles", 0.5))
    np.testing.assert_array_equal(column, 0)
    np.testing.assert_allclose(confidence, 0.9, rtol=1e-6)


def test_a_map_that_speaks_of_no_class_changes_nothing():
    silent = DenseBeliefs(np.zeros((3, 4, 3), np.float32), "tiles", 0.5)
    for one, other in zip(winners(SCORES, ATOMS, silent), winners(SCORES, ATOMS, None), strict=True):
        np.testing.assert_allclose(one, other)


def test_segments_share_by_the_mean_over_them():
    dense = believed()
    half = Mask.from_dense(ATOMS == 0)
    mean = mean_over(dense, (half, Mask.from_dense(np.ones_like(ATOMS))), ATOMS.shape)
    down, across = interpolation(6, 3, "tiles"), interpolation(8, 4, "tiles")
    full = np.einsum("yh,hwc,xw->yxc", down, dense.probabilities, across)
    np.testing.assert_allclose(mean, [full[ATOMS == 0].mean(axis=0), full.mean(axis=(0, 1))], rtol=1e-5)
    final = np.array([[0.5, 0.3, 0.1]], np.float32)
    found = mixed(final, mean[:1], 0.5)
    g = np.sqrt(final[0, :2] * mean[0, :2])
    np.testing.assert_allclose(found[0], [*(0.8 * g / g.sum()), 0.1], rtol=1e-5)
