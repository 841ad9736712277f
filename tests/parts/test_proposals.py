"""Which masks become proposals, against a naive loop."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knnclip.errors import UsageError
from knnclip.parts.proposals import SAME_IOU, ProposalLimits, best_proposals, enlarged_mask
from knnclip.structures import Mask


def naive(masks, scores, limits):
    kept = []
    for i in sorted(range(len(masks)), key=lambda i: -scores[i]):
        dense = masks[i].to_dense()
        same = [
            (dense & masks[j].to_dense()).sum() > SAME_IOU * (dense | masks[j].to_dense()).sum() for j in kept
        ]  # fmt: skip
        if dense.sum() >= limits.min_area and not any(same) and len(kept) < limits.max_masks:
            kept.append(i)
    return kept


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), min_area=st.integers(1, 60), max_masks=st.integers(1, 12))
def test_small_and_double_masks_are_left_away_and_the_best_kept(seed, min_area, max_masks):
    rng = np.random.default_rng(seed)
    masks = []
    for _ in range(15):
        dense = np.zeros((20, 24), bool)
        x0, y0 = rng.integers(0, 12), rng.integers(0, 10)
        dense[y0 : y0 + rng.integers(1, 12), x0 : x0 + rng.integers(1, 12)] = True
        masks.append(Mask.from_dense(dense))
        dense[y0, x0] = False
        if dense.any():
            masks.append(Mask.from_dense(dense))
    scores = rng.integers(0, 5, len(masks)).astype(np.float32) / 4
    limits = ProposalLimits(min_area=min_area, max_masks=max_masks)
    found = best_proposals((20, 24), masks, scores, limits)
    kept = naive(masks, scores, limits)
    assert [id(mask) for mask in found.masks] == [id(masks[i]) for i in kept]
    np.testing.assert_array_equal(found.scores, scores[kept])


def test_nothing_in_nothing_out():
    assert len(best_proposals((5, 5), [], np.zeros(0, np.float32), ProposalLimits())) == 0


@pytest.mark.parametrize("wrong", [{"min_area": 0}, {"max_masks": 0}])
def test_limits_below_one_are_refused(wrong):
    with pytest.raises(UsageError, match="at least 1"):
        ProposalLimits(**wrong)


@pytest.mark.parametrize("shape", [(20, 30), (20, 31), (47, 63), (400, 300), (10, 15)])
def test_an_enlarged_mask_is_the_dense_one_enlarged(rng, shape):
    small = rng.random((10, 15)) < 0.1
    rows = (np.arange(shape[0]) + 0.5) * 10 / shape[0]
    columns = (np.arange(shape[1]) + 0.5) * 15 / shape[1]
    expected = small[np.ix_(rows.astype(int), columns.astype(int))]
    mask = enlarged_mask(small, shape)
    np.testing.assert_array_equal(mask.to_dense(), expected)
    assert mask.box_xyxy == Mask.from_dense(expected).box_xyxy
