"""Outlines give their masks back to the pixel, whatever the mask."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from knnclip.datasets.polygons import mask_from_polygons
from knnclip.output.exports.outlines import joined, outlines
from knnclip.structures import Mask

MASKS = arrays.arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14))).filter(np.any)


def filled(rings, shape):
    return mask_from_polygons([ring.ravel().tolist() for ring in rings], shape).to_dense()


@given(MASKS)
@settings(deadline=None, max_examples=300)
def test_one_line_around_all_pieces_and_holes_is_the_mask(dense):
    rings = [ring for piece in outlines(Mask.from_dense(dense)) for ring in (piece.outer, *piece.holes)]
    assert (filled([joined(rings)], dense.shape) == dense).all()


@given(MASKS)
@settings(deadline=None, max_examples=300)
def test_pieces_with_their_holes_are_the_mask(dense):
    pieces = outlines(Mask.from_dense(dense))
    assert (filled([joined([piece.outer, *piece.holes]) for piece in pieces], dense.shape) == dense).all()


def test_a_ring_runs_along_the_sides_of_pixels():
    dense = np.zeros((9, 12), bool)
    dense[2:7, 3:10] = True
    dense[4, 5] = False
    (piece,) = outlines(Mask.from_dense(dense))
    assert sorted(piece.outer.tolist()) == [[3, 2], [3, 7], [10, 2], [10, 7]]
    assert [sorted(hole.tolist()) for hole in piece.holes] == [[[5, 4], [5, 5], [6, 4], [6, 5]]]


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (60, 80)])
def test_a_noisy_mask_of_any_size_is_given_back(shape, rng):
    dense = rng.random(shape) < 0.6
    dense.flat[0] = True
    pieces = outlines(Mask.from_dense(dense))
    assert (filled([joined([piece.outer, *piece.holes]) for piece in pieces], shape) == dense).all()
