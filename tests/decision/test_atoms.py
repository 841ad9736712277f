"""Atoms against the definition: pixels of equal cover, nothing more and nothing less."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from knnclip.decision.atoms import partition
from knnclip.structures import Mask, Proposals


def proposals(dense, shape):
    masks = tuple(Mask.from_dense(mask) for mask in dense if mask.any())
    return Proposals(shape, masks, np.ones(len(masks), np.float32))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9), st.integers(0, 7))
def test_atoms_are_the_classes_of_equal_cover(seed, h, w, n):
    dense = np.random.default_rng(seed).random((n, h, w)) < 0.4
    given_masks = proposals(dense, (h, w))
    atoms = partition(given_masks)
    cover = (
        np.stack([mask.to_dense().ravel() for mask in given_masks.masks], axis=1)
        if len(given_masks)
        else np.zeros((h * w, 0), bool)
    )
    np.testing.assert_array_equal(atoms.covers[atoms.labels.ravel()], cover)
    assert len(atoms) == len(np.unique(cover, axis=0))
    np.testing.assert_array_equal(np.bincount(atoms.labels.ravel(), minlength=len(atoms)), atoms.area_px)


def test_atoms_are_numbered_in_reading_order():
    dense = np.zeros((1, 2, 3), bool)
    dense[0, 0, 1:] = True
    assert partition(proposals(dense, (2, 3))).labels.tolist() == [[0, 1, 1], [0, 0, 0]]
