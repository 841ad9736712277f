"""Scores against a slow twin made of sets, and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knnclip.errors import DatasetError, UsageError
from knnclip.metrics.semantic import SemanticConfusion, seen_scores

NAMES = ("a", "b", "c")


def scored(truth, prediction, names=NAMES):
    confusion = SemanticConfusion(names)
    confusion.update(np.array(truth, np.int32), np.array(prediction, np.int32))
    return confusion


def test_by_hand():
    # a: 2 of 3 hit, b: 1 of 2 hit, c: in no truth but answered once; one pixel ignored, one unknown
    scores = scored([[0, 0, 0], [1, 1, -1]], [[0, 0, 2], [1, -1, 0]]).compute()
    assert scores.miou == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert scores.miou_truth == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert scores.macc == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert scores.pacc == pytest.approx(3 / 5)
    assert scores.fwiou == pytest.approx((3 * 2 / 3 + 2 * 1 / 2) / 5)
    assert scores.coverage == pytest.approx(4 / 5)
    assert scores.classes_with_truth == 2


def test_a_class_in_neither_truth_nor_answer_is_left_out_of_the_mean():
    scores = scored([[0, 0]], [[0, 0]]).compute()
    assert scores.miou == 1
    assert np.isnan(scores.classes[1].iou)


def test_abstaining_is_a_miss():
    assert scored([[0, 0]], [[0, -1]]).compute().classes[0].iou == pytest.approx(1 / 2)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_equals_the_slow_twin(seed):
    rng = np.random.default_rng(seed)
    images = [(rng.integers(-1, 3, (5, 6)), rng.integers(-1, 3, (5, 6))) for _ in range(3)]
    confusion = SemanticConfusion(NAMES)
    for truth, prediction in images:
        confusion.update(truth.astype(np.int32), prediction.astype(np.int32))
    pixels = [
        (t, p) for truth, prediction in images for t, p in zip(truth.flat, prediction.flat, strict=True) if t >= 0
    ]
    for c, row in enumerate(confusion.compute().classes):
        both = sum(t == c and p == c for t, p in pixels)
        either = sum(t == c or p == c for t, p in pixels)
        assert row.iou == pytest.approx(both / either if either else float("nan"), nan_ok=True)
        assert row.truth_px == sum(t == c for t, _ in pixels)


def test_wrong_input_is_refused():
    with pytest.raises(DatasetError, match="no pixel"):
        scored([[-1]], [[0]]).compute()
    with pytest.raises(UsageError, match="must agree"):
        scored([[0]], [[0, 0]])
    with pytest.raises(UsageError, match="beyond"):
        scored([[3]], [[0]])


def test_abstaining_is_free_in_the_other_convention_and_both_are_told():
    scores = scored([[0, 0, 1, 1]], [[0, -1, 1, 0]]).compute()
    assert scores.miou == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert scores.miou_answered == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert scores.coverage == pytest.approx(3 / 4)
    # A class of which nothing was answered is not there in that convention.
    assert scored([[0, 0, 1]], [[0, 0, -1]]).compute().miou_answered == 1
    nothing = scored([[0, 1]], [[-1, -1]]).compute()
    assert (nothing.miou, nothing.coverage) == (0, 0)
    assert np.isnan(nothing.miou_answered)


def test_seen_and_unseen_classes():
    scores = scored([[0, 0, 1, 1, 2, 2]], [[0, 0, 1, 2, 2, 2]]).compute()
    split = seen_scores(scores, {"a", "c", "never heard of"})
    assert split.seen == pytest.approx((1 + 2 / 3) / 2)
    assert split.unseen == pytest.approx(1 / 2)
    assert split.harmonic == pytest.approx(2 * split.seen * split.unseen / (split.seen + split.unseen))
    assert np.isnan(seen_scores(scores, {"a", "b", "c"}).harmonic)
    assert seen_scores(scored([[0, 1]], [[1, 0]]).compute(), {"a"}).harmonic == 0


def test_a_degenerate_set_is_refused():
    with pytest.raises(DatasetError, match="1 class cannot be scored"):
        SemanticConfusion(["only"])


def test_borders_that_were_not_counted_have_no_score():
    confusion = SemanticConfusion(NAMES)
    confusion.matrix += np.eye(3, 4, dtype=np.int64)
    assert np.isnan(confusion.compute().boundary_iou)
    assert scored([[0, 1]], [[0, 1]]).compute().boundary_iou == 1
