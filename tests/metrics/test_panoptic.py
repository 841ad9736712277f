"""Panoptic quality against a slow twin that goes segment by segment, and on the real sample."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pil

from knnclip.errors import DatasetError
from knnclip.images import ids_from_rgb
from knnclip.metrics.panoptic import PanopticQuality, SegmentInfo, segment_infos

NAMES, THINGS = ("cat", "dog", "sky", "never"), (True, True, False, False)


def slow(images):
    """(PQ, SQ, RQ) of the classes, straight from the definition."""
    tp, fp, fn, iou = (dict.fromkeys(range(len(NAMES)), 0) for _ in range(4))
    for truth, true_segments, prediction, said_segments in images:
        void, matched_true, matched_said = truth == 0, set(), set()
        for t in true_segments:
            for s in said_segments:
                a, b = truth == t.segment_id, prediction == s.segment_id
                if t.is_crowd or t.category != s.category:
                    continue
                value = (a & b).sum() / (a | (b & ~void)).sum()
                if value > 0.5:
                    tp[t.category] += 1
                    iou[t.category] += value
                    matched_true.add(t.segment_id)
                    matched_said.add(s.segment_id)
        for t in true_segments:
            fn[t.category] += t.segment_id not in matched_true and not t.is_crowd
        for s in said_segments:
            free = void.copy()
            for t in true_segments:
                if t.is_crowd and t.category == s.category:
                    free |= truth == t.segment_id
            own = prediction == s.segment_id
            fp[s.category] += s.segment_id not in matched_said and not (own & free).sum() / own.sum() > 0.5
    rows = []
    for c in range(len(NAMES)):
        whole = tp[c] + fp[c] / 2 + fn[c] / 2
        rows.append((iou[c] / whole, iou[c] / max(tp[c], 1), tp[c] / whole) if whole else None)
    return rows


def random_side(rng, shape, crowds):
    """A map of blocks, some void, and what the blocks are; ids have gaps."""
    ids = rng.permutation(np.arange(1, 40))[: rng.integers(1, 8)] * 1000
    blocks = rng.choice(np.append(ids, 0), size=(shape[0] // 4, shape[1] // 4))
    image = blocks.repeat(4, 0).repeat(4, 1)
    image[rng.random(shape) < 0.1] = rng.choice(np.append(ids, 0))
    present = [int(i) for i in np.unique(image) if i]
    return image, [SegmentInfo(i, int(rng.integers(0, 3)), bool(crowds and rng.random() < 0.2)) for i in present]


@settings(deadline=None, max_examples=100)
@given(seed=st.integers(0, 2**32 - 1), alike=st.booleans())
def test_scores_are_those_of_the_slow_twin(seed, alike):
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(2):
        truth, segments = random_side(rng, (16, 20), crowds=True)
        if alike:  # mostly the truth under other ids, so that there is something to match
            prediction = np.where(rng.random(truth.shape) < 0.15, 0, truth) + np.where(truth > 0, 7, 0)
            prediction[prediction == 7] = 0
            present = {int(i) for i in np.unique(prediction)}
            said = [SegmentInfo(s.segment_id + 7, s.category) for s in segments if s.segment_id + 7 in present]
        else:
            prediction, said = random_side(rng, (16, 20), crowds=False)
        images.append((truth, segments, prediction, said))
    counted = PanopticQuality(NAMES, THINGS)
    for image in images:
        counted.update(*image)
    expected = slow(images)
    if not any(expected):
        return
    scores = counted.compute()
    for row, wanted in zip(scores.classes, expected, strict=True):
        if wanted is None:
            assert np.isnan(row.pq)
        else:
            np.testing.assert_allclose((row.pq, row.sq, row.rq), wanted, atol=1e-12)
    for mean, chosen in ((scores.all, range(4)), (scores.things, (0, 1)), (scores.stuff, (2, 3))):
        there = [expected[c] for c in chosen if expected[c] is not None]
        if there:
            np.testing.assert_allclose((mean.pq, mean.sq, mean.rq), np.mean(there, axis=0), atol=1e-12)


def test_an_iou_of_exactly_one_half_is_no_match():
    truth = np.array([[1, 1, 2, 2]])
    counted = PanopticQuality(("a", "b"), (True, True))
    counted.update(truth, [SegmentInfo(1, 0), SegmentInfo(2, 1)], np.array([[5, 0, 0, 0]]), [SegmentInfo(5, 0)])
    assert counted.tp_fp_fn.tolist() == [[0, 1, 1], [0, 0, 1]]


@pytest.mark.parametrize(
    ("truth", "segments", "message"),
    [
        ([[1, 2]], [SegmentInfo(1, 0)], "pixels of segment 2, which its list has not"),
        ([[1, 1]], [SegmentInfo(1, 0), SegmentInfo(2, 0)], "segment 2 is listed in the truth but has no pixel"),
        ([[1, 1]], [SegmentInfo(1, 0), SegmentInfo(1, 0)], "must differ"),
        ([[1, 1 << 24]], [SegmentInfo(1, 0), SegmentInfo(1 << 24, 0)], "lie between 1 and"),
        ([[1], [1]], [SegmentInfo(1, 0)], "shape"),
    ],
)
def test_maps_and_lists_must_agree(truth, segments, message):
    counted = PanopticQuality(NAMES, THINGS)
    with pytest.raises(DatasetError, match=message):
        counted.update(np.array(truth), segments, np.array([[3, 3]]), [SegmentInfo(3, 0)])
    # What was refused leaves no trace.
    counted.update(np.array([[3, 3]]), [SegmentInfo(3, 0)], np.array([[9, 9]]), [SegmentInfo(9, 0)])
    assert counted.compute().all.pq == 1


def test_nothing_to_score_is_an_error():
    with pytest.raises(DatasetError, match="no segment of the set is scored"):
        PanopticQuality(NAMES, THINGS).compute()


def test_the_real_sample(shared_data):
    """Predictions that are the truth are perfect; shuffled ones are what the slow twin says."""
    folder = shared_data / "panoptic_sample"
    content = json.loads((folder / "panoptic_examples.json").read_text())
    categories = content["categories"]
    column = {category["id"]: i for i, category in enumerate(categories)}
    perfect = PanopticQuality([c["name"] for c in categories], [bool(c["isthing"]) for c in categories])
    for annotation in content["annotations"]:
        ids = ids_from_rgb(np.asarray(Pil.open(folder / "panoptic_examples" / annotation["file_name"])))
        segments = segment_infos(annotation["segments_info"], column)
        said = [SegmentInfo(s.segment_id, s.category) for s in segments]
        perfect.update(ids, segments, ids, said)
    scores = perfect.compute()
    assert (scores.all.pq, scores.things.pq, scores.stuff.pq) == (1, 1, 1)
