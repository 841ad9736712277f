"""Boundary regions against erosion, one class at a time, as the paper defines them."""

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from knnclip.metrics.boundary import boundary_width, near_borders
from knnclip.metrics.semantic import count_pixels


def eroded_away(mask, distance):
    """The pixels of a binary mask that so many erosions take from it, the outside of the image being none of it."""
    padded = np.pad(mask.astype(np.uint8), 1)
    return mask & (cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=distance)[1:-1, 1:-1] == 0)


def blocks(rng, shape, classes):
    coarse = rng.integers(-1, classes, (5, 5)).astype(np.int16)
    return cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_NEAREST).astype(np.int32)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_regions_are_what_erosion_takes(seed):
    rng = np.random.default_rng(seed)
    labels = blocks(rng, (int(rng.integers(1, 50)), int(rng.integers(1, 50))), 4)
    distance = int(rng.integers(1, 6))
    other = np.roll(labels, 3, axis=1)
    near = near_borders(labels.astype(np.int16), other.astype(np.int16), distance)
    for bit, found in ((1, labels), (2, other)):
        for c in np.unique(found):
            mask = found == c
            np.testing.assert_array_equal((near & bit > 0) & mask, eroded_away(mask, distance))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_counts_are_those_of_the_slow_twin(seed):
    rng = np.random.default_rng(seed)
    truth, prediction = (blocks(rng, (120, 150), 3) for _ in range(2))
    distance = boundary_width(truth.shape)
    counts = count_pixels(truth, prediction, 3).boundary
    for c in range(3):
        # What the truth does not say is of no class in either map.
        true, said = (eroded_away(mask & (truth >= 0), distance) for mask in (truth == c, prediction == c))
        assert counts[c].tolist() == [(true & said).sum(), true.sum(), said.sum()]


def test_the_width_is_two_percent_of_the_diagonal_and_at_least_one():
    assert [boundary_width(shape) for shape in ((360, 480), (3, 4), (1000, 1))] == [12, 1, 20]


def test_numbering_the_classes_differently_changes_nothing(rng):
    truth, prediction = (np.maximum(blocks(rng, (60, 80), 4), 0) for _ in range(2))
    order = rng.permutation(4)
    again = count_pixels(order[truth].astype(np.int32), order[prediction].astype(np.int32), 4).boundary
    np.testing.assert_array_equal(again[order], count_pixels(truth, prediction, 4).boundary)


def test_a_shift_costs_more_at_the_border_than_in_the_area():
    truth = np.zeros((100, 100), np.int32)
    truth[:, 50:] = 1
    moved = np.roll(truth, 1, axis=1)
    moved[:, 0] = 0
    common, true, said = count_pixels(truth, moved, 2).boundary[1]
    assert common / (true + said - common) < 49 / 50
    same = count_pixels(truth, truth, 2).boundary
    assert same[:, 0].tolist() == same[:, 1].tolist()


def test_many_classes_and_large_images_are_counted_alike(rng):
    """Beyond what a histogram of 16 bits holds the counts come another way."""
    truth, prediction = (blocks(rng, (60, 80), 4) for _ in range(2))
    few, many = (count_pixels(truth, prediction, classes) for classes in (4, 900))
    np.testing.assert_array_equal(few.confusion[:, :4], many.confusion[:4, :4])
    np.testing.assert_array_equal(few.confusion[:, 4], many.confusion[:4, 900])
    np.testing.assert_array_equal(few.boundary, many.boundary[:4])
