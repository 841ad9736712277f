"""Masks, label maps and unit rows."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from knnclip.datasets import open_dataset
from knnclip.errors import MaskError
from knnclip.ingest import IngestSettings, ingest
from knnclip.segmenter import Segmenter
from knnclip.structures import Mask, image_shapes_agree, masks_from_labels, unit_rows

dense_masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=9)).filter(lambda dense: dense.any())


@settings(deadline=None)
@given(dense_masks)
def test_a_mask_is_its_dense_array_in_a_tight_box(dense):
    mask = Mask.from_dense(dense)
    np.testing.assert_array_equal(mask.to_dense(), dense)
    assert mask.area == dense.sum()
    assert all(edge.any() for edge in (mask.crop[0], mask.crop[-1], mask.crop[:, 0], mask.crop[:, -1]))
    values = np.arange(dense.size).reshape(dense.shape)
    np.testing.assert_array_equal(mask.select(values), values[dense])


@settings(deadline=None)
@given(dense_masks)
def test_encoding_and_decoding_gives_the_same_mask(dense):
    mask = Mask.from_dense(dense)
    again = Mask.decode(mask.encode(), mask.box_xyxy, mask.shape)
    np.testing.assert_array_equal(again.to_dense(), dense)


@pytest.mark.parametrize("wrong", [np.zeros((3, 3)), np.ones(3), np.ones((1, 2, 3))])
def test_what_is_no_mask_is_refused(wrong):
    with pytest.raises(MaskError):
        Mask.from_dense(wrong)


@pytest.mark.parametrize("box", [(0, 0, 9, 2), (-1, 0, 2, 2), (1, 1, 1, 2)])
def test_a_box_outside_the_image_is_refused(box):
    with pytest.raises(MaskError, match="does not lie in"):
        Mask.decode(Mask.from_dense(np.ones((2, 2))).encode(), box, (4, 4))


@settings(deadline=None)
@given(arrays(np.int32, (5, 6), elements=st.integers(0, 4)))
def test_one_mask_for_each_positive_label(labels):
    expected = [labels == value for value in range(1, 5) if (labels == value).any()]
    masks = masks_from_labels(labels)
    assert len(masks) == len(expected)
    for mask, dense in zip(masks, expected, strict=True):
        np.testing.assert_array_equal(mask.to_dense(), dense)


def test_unit_rows_name_the_row_that_has_no_direction():
    rows = np.array([[3.0, 4.0], [1e-3, 0.0]])
    np.testing.assert_allclose(unit_rows(rows, where="test"), [[0.6, 0.8], [1, 0]], rtol=1e-6)
    for wrong in (0.0, np.nan, np.inf):
        with pytest.raises(MaskError, match="embedding 1"):
            unit_rows(np.array([[1.0], [wrong]]), where="test")


def test_masks_of_another_size_are_named():
    fits, other = Mask.from_dense(np.ones((4, 5))), Mask.from_dense(np.ones((5, 4)))
    image = np.zeros((4, 5, 3), np.uint8)
    image_shapes_agree(image, [fits], where="test")
    with pytest.raises(MaskError, match="mask 1 is for 4x5 px, the image has 5x4 px"):
        image_shapes_agree(image, [fits, other], where="test")


@settings(deadline=None)
@given(arrays(bool, (3, 5, 7)).filter(lambda stack: stack.any(axis=(1, 2)).all()))
def test_a_union_has_the_pixels_of_all(stack):
    union = Mask.union([Mask.from_dense(dense) for dense in stack])
    np.testing.assert_array_equal(union.to_dense(), stack.any(axis=0))


@pytest.mark.parametrize("shapes", [[], [(2, 2), (2, 3)]])
def test_a_union_is_of_masks_of_one_image(shapes):
    with pytest.raises(MaskError, match="union"):
        Mask.union([Mask.from_dense(np.ones(shape)) for shape in shapes])


def test_an_answer_is_printed_in_one_line(tmp_path, sample_data):
    train = open_dataset(sample_data / "train")
    with Segmenter.open(tmp_path / "s", "builtin") as segmenter:
        ingest(segmenter, train, train.samples[:2], IngestSettings())
        analysis = segmenter.analyse(train.samples[2].image_path)
        answer = segmenter.label(analysis)
    assert re.fullmatch(r"Segmentation\(320x240 px, \d+ segments: '.+' \d+%.*\)", repr(answer))
    assert re.fullmatch(r"Segment\(1: '.+', \d\.\d\d by retrieval, Mask\(.*\)\)", repr(answer.segments[0]))
    for shown in (answer, answer.segments[0], analysis):
        assert len(repr(shown)) < 250
        assert "\n" not in repr(shown)
