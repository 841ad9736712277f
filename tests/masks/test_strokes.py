"""A scribble covers the pixels under its lines, and nothing else."""

import numpy as np
import pytest

from knnclip.errors import MaskError
from knnclip.masks.strokes import draw_strokes


def test_a_thin_line_is_its_pixels():
    drawn = draw_strokes([[(2, 3), (6, 3)]], (8, 10), 1)
    assert np.argwhere(drawn).tolist() == [[3, x] for x in range(2, 7)]


def test_a_single_point_is_a_dot():
    assert draw_strokes([[(4, 2)]], (8, 10), 1).sum() == 1


def test_width_and_several_strokes():
    drawn = draw_strokes([[(0, 10), (39, 10)], [(20, 0), (20, 39)]], (40, 40), 5)
    assert drawn[:, 2].sum() == 5
    assert drawn[35].sum() == 5
    assert drawn[10].all()
    assert drawn[:, 20].all()


def test_what_lies_outside_is_cut_off():
    drawn = draw_strokes([[(-1e12, 5), (1e12, 5)]], (10, 10), 1)
    assert np.flatnonzero(drawn.any(axis=1)).tolist() == [5]
    assert drawn[5].all()


@pytest.mark.parametrize("strokes", [[], [[(50, 50), (60, 60)]], [[(1, 2, 3)]], [[(float("nan"), 1)]], [[]], [[1, 2]]])
def test_no_scribble_is_an_error(strokes):
    with pytest.raises(MaskError, match="scribble"):
        draw_strokes(strokes, (10, 10), 3)
