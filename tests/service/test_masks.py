"""Masks as JSON and back, to the pixel, whatever their holes and pieces."""

import numpy as np
import pytest

from knnclip.service.masks import mask_json, mask_of_polygons, mask_of_rle
from knnclip.structures import Mask


def drawn(name):
    dense = np.zeros((60, 80), dtype=bool)
    if name == "ring with an island":
        dense[5:50, 5:60] = True
        dense[10:40, 10:50] = False
        dense[20:30, 20:30] = True
    elif name == "corners that touch":
        dense[10:20, 10:20] = dense[20:30, 20:30] = True
    elif name == "all but a pixel":
        dense[:] = True
        dense[30, 40] = False
    else:
        dense[:] = np.random.default_rng(3).random(dense.shape) < 0.5
    return dense


@pytest.mark.parametrize("name", ["ring with an island", "corners that touch", "all but a pixel", "noise"])
def test_what_is_written_is_read_back_to_the_pixel(name):
    dense = drawn(name)
    mask = Mask.from_dense(dense)
    assert (mask_of_rle(mask_json(mask, "rle")["rle"], dense.shape).to_dense() == dense).all()
    outlined = mask_json(mask, "polygons")["polygons"]
    assert (mask_of_polygons(outlined, dense.shape).to_dense() == dense).all()
    assert mask_json(mask, "none") is None


def test_polygons_that_people_draw_are_united_and_their_holes_left_out():
    square, inner, other = (
        [10, 10, 40, 10, 40, 40, 10, 40],
        [20, 20, 30, 20, 30, 30, 20, 30],
        [25, 25, 50, 25, 50, 50, 25, 50],
    )
    expected = np.zeros((60, 80), dtype=bool)
    expected[10:40, 10:40] = True
    expected[20:30, 20:30] = False
    expected[25:50, 25:50] = True
    assert (mask_of_polygons([[square, inner], [other]], (60, 80)).to_dense() == expected).all()


def test_a_hole_may_begin_at_the_border():
    square, flush = [10, 10, 40, 10, 40, 40, 10, 40], [10, 20, 30, 20, 30, 30, 10, 30]
    expected = np.zeros((60, 80), dtype=bool)
    expected[10:40, 10:40] = True
    expected[20:30, 10:30] = False
    assert (mask_of_polygons([[square, flush]], (60, 80)).to_dense() == expected).all()
