"""Assembly against a per-pixel twin, and the conventions of its segments."""

import numpy as np
import pytest

from knnclip.decision.assembly import AssemblySettings, assemble
from knnclip.decision.atoms import partition
from knnclip.structures import UNKNOWN, Beliefs, DenseBeliefs, Mask, Proposals
from knnclip.vocabulary import ClassInfo, Vocabulary

VOCABULARY = Vocabulary.of(
    [
        ClassInfo(5, "car", True, (1, 2, 3)),
        ClassInfo(2, "road", False, (4, 5, 6)),
        ClassInfo(300, "sky", False, (7, 8, 9)),
    ]
)  # columns: car, road, sky
ALL = AssemblySettings(min_piece_px=1)


def run(dense, final, scores=None, settings=ALL):
    shape = dense.shape[1:]
    masks = tuple(Mask.from_dense(mask) for mask in dense)
    given = Proposals(shape, masks, np.ones(len(masks), np.float32) if scores is None else np.array(scores, np.float32))
    final = np.array(final, np.float32).reshape(len(masks), 3)
    return assemble(given, partition(given), Beliefs(None, final, final), VOCABULARY, settings)


def test_semantic_map_equals_the_per_pixel_twin():
    rng = np.random.default_rng(5)
    dense = rng.random((6, 9, 11)) < 0.4
    final = rng.dirichlet(np.ones(4), 6)[:, :3]
    scores = rng.uniform(0.1, 1, 6).astype(np.float32)
    got = run(dense, final, scores)
    for y in range(9):
        for x in range(11):
            on = dense[:, y, x]
            p = (scores[on, None] * final[on]).sum(0) / scores[on].sum() if on.any() else np.zeros(3)
            best = [*p, 1 - p.sum()]
            want = [5, 2, 300, UNKNOWN][int(np.argmax(best))]
            assert got.semantic[y, x] == want
            assert got.confidence[y, x] == pytest.approx(max(best), abs=1e-5)


def halves(h=4, w=8):
    dense = np.zeros((2, h, w), bool)
    dense[0, :, : w // 2], dense[1, :, w // 2 :] = True, True
    return dense


def test_stuff_is_one_segment_and_a_thing_one_for_each_piece():
    dense = np.zeros((4, 3, 8), bool)
    for i in range(4):
        dense[i, :, 2 * i : 2 * i + 2] = True
    car, road = [1, 0, 0], [0, 1, 0]
    got = run(dense, [car, road, car, road])
    assert sorted(got.pieces.class_id.tolist()) == [2, 5, 5]
    assert [mask.area for mask in got.pieces.masks] == [6, 12, 6]


def test_what_is_covered_by_no_mask_is_unknown_and_a_segment_without_proposal():
    dense = halves()[:1]
    got = run(dense, [[1, 0, 0]])
    assert (got.semantic[:, 4:] == UNKNOWN).all()
    assert got.pieces.class_id.tolist() == [5, UNKNOWN]
    assert got.pieces.proposal.tolist() == [0, -1]


def test_small_pieces_of_things_are_no_segments():
    dense = np.zeros((2, 6, 6), bool)
    dense[1, 0, 0] = True
    dense[0] = ~dense[1]
    got = run(dense, [[0, 1, 0], [1, 0, 0]], settings=AssemblySettings(min_piece_px=4))
    assert got.semantic[0, 0] == 5
    assert got.panoptic[0, 0] == 0
    assert got.pieces.class_id.tolist() == [2]
    assert set(np.unique(got.panoptic)) == {0, 1}


def test_panoptic_ids_are_one_to_s_and_belong_to_the_pieces():
    rng = np.random.default_rng(2)
    dense = rng.random((9, 16, 16)) < 0.3
    got = run(dense, rng.dirichlet(np.ones(4), 9)[:, :3], settings=AssemblySettings(min_piece_px=3))
    assert set(np.unique(got.panoptic)) - {0} == set(range(1, len(got.pieces.masks) + 1))
    for i, mask in enumerate(got.pieces.masks, start=1):
        np.testing.assert_array_equal(mask.to_dense(), got.panoptic == i)
        assert (mask.select(got.semantic) == got.pieces.class_id[i - 1]).all()


def test_the_proposal_that_stands_for_a_segment_believes_in_it_and_lies_in_it():
    dense = np.concatenate([halves(), np.ones((1, 4, 8), bool)])
    got = run(dense, [[0.9, 0.1, 0], [0.1, 0.9, 0], [0.5, 0.5, 0]])
    assert dict(zip(got.pieces.class_id.tolist(), got.pieces.proposal.tolist(), strict=True)) == {5: 0, 2: 1}


def test_no_proposals_at_all():
    got = run(np.zeros((0, 3, 3), bool), np.zeros((0, 3)))
    assert (got.semantic == UNKNOWN).all()
    assert got.pieces.class_id.tolist() == [UNKNOWN]


def test_ties_go_to_the_first_name_whatever_the_class_ids():
    got = run(np.ones((1, 2, 2), bool), [[0, 0.5, 0.5]])
    assert (got.semantic == 2).all()  # road before sky


def test_what_is_unknown_is_cut_along_the_largest_regions_that_are_unknown_as_a_whole():
    dense = np.zeros((6, 4, 12), bool)
    dense[0, :, :4], dense[1, :, 4:6], dense[2, :, 6:8], dense[3, :, 8:] = True, True, True, True  # four columns
    dense[4, :, 4:8] = True  # the middle two together
    dense[5] = True  # everything: not unknown as a whole
    nobody, car = [0, 0, 0], [1, 0, 0]
    got = run(dense, [car, nobody, nobody, nobody, nobody, nobody], scores=[1, 1, 1, 1, 1, 0.1])
    assert got.pieces.class_id.tolist() == [5, UNKNOWN, UNKNOWN]
    assert [mask.box_xyxy for mask in got.pieces.masks] == [(0, 0, 4, 4), (4, 0, 8, 4), (8, 0, 12, 4)]


def test_unknown_pixels_within_a_region_that_the_masks_name_are_cut_along_it():
    """Where places spread what the masks gave to one class, unknown can win pixels of regions that it does not win."""
    final = [[0.45, 0.15, 0], [0.45, 0.15, 0]]
    spread = np.zeros((4, 8, 3), np.float32)
    spread[..., :2] = 0.4, 0.6  # of 0.6 neither car nor road gets more than 0.4
    masks = tuple(Mask.from_dense(mask) for mask in halves())
    given = Proposals((4, 8), masks, np.ones(2, np.float32))
    final = np.array(final, np.float32)
    beliefs = Beliefs(None, final, final, dense=DenseBeliefs(spread, "tiles", 0.5))
    got = assemble(given, partition(given), beliefs, VOCABULARY, ALL)
    assert got.pieces.class_id.tolist() == [UNKNOWN, UNKNOWN]
    assert [mask.box_xyxy for mask in got.pieces.masks] == [(0, 0, 4, 4), (4, 0, 8, 4)]


def test_what_no_proposal_covers_is_one_unknown_piece():
    dense = np.zeros((1, 4, 8), bool)
    dense[0, :, :4] = True
    got = run(dense, [[1, 0, 0]])
    assert [mask.box_xyxy for mask in got.pieces.masks] == [(0, 0, 4, 4), (4, 0, 8, 4)]
    assert got.pieces.class_id.tolist() == [5, UNKNOWN]
