"""Answers kept and shown again."""

import numpy as np
import pytest

from knnclip.projects.maps import KeptAnswer, gains, kept, laid_over, resize_mask, resized, restored
from knnclip.projects.records import Correction
from knnclip.structures import Mask, Segment, Segmentation
from knnclip.vocabulary import ClassInfo, Vocabulary

GRASS, SOIL = ClassInfo(3, "grass", False, (0, 1, 2)), ClassInfo(300, "soil", True, (3, 4, 5), ("earth",))
VOCABULARY = Vocabulary.of([GRASS, SOIL])


def answer(semantic, vocabulary=VOCABULARY):
    semantic = np.array(semantic, dtype=np.int32)
    ids = np.unique(semantic).tolist()
    panoptic = np.searchsorted(ids, semantic).astype(np.int32) + 1
    segments = []
    for number, class_id in enumerate(ids, start=1):
        info = vocabulary.by_id(class_id) if class_id else None
        mask = Mask.from_dense(panoptic == number)
        name, thing = (info.name, info.is_thing) if info else (None, False)
        decision = "retrieval" if info else "unknown"
        segments.append(Segment(number, class_id, name, thing, number / 4, decision, mask, (), ()))
    confidence = (panoptic / 4).astype(np.float32)
    return Segmentation(semantic, panoptic, confidence, tuple(segments), vocabulary)


def seen(shown):
    return shown.semantic.tolist(), shown.panoptic.tolist(), shown.confidence.tolist(), [
        (item.segment_id, item.class_id, item.class_name, item.is_thing, item.decision, item.mask.area)
        for item in shown.segments
    ]  # fmt: skip


def test_what_is_kept_is_shown_again():
    before = answer([[0, 3, 3], [300, 300, 3]])
    again = restored(KeptAnswer.decode(*kept(before).encode()), VOCABULARY, {})
    assert seen(again) == seen(before)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (Vocabulary.of([GRASS, ClassInfo(8, "earth", True, (0, 0, 0), ("soil",))]), [[0, 3], [8, 3]]),
        (Vocabulary.of([GRASS]), [[0, 3], [0, 3]]),
    ],
)
def test_classes_are_known_by_their_names(now, expected):
    shown = restored(kept(answer([[0, 3], [300, 3]])), now, {})
    assert shown.semantic.tolist() == expected
    assert {item.class_id for item in shown.segments} == set(np.unique(expected).tolist())


def test_later_corrections_lie_on_earlier_ones_and_what_is_covered_is_gone():
    before = answer([[3, 3, 3], [300, 300, 300]])
    corrections = [
        Correction(1, Mask.from_dense(np.array([[1, 1, 1], [0, 0, 0]])), "earth"),
        Correction(2, Mask.from_dense(np.array([[0, 0, 1], [0, 0, 1]])), None),
    ]
    shown = laid_over(before, (2, 3), corrections)
    assert shown.semantic.tolist() == [[300, 300, 0], [300, 300, 0]]
    assert shown.panoptic.tolist() == [[3, 3, 4], [2, 2, 4]]
    assert [(item.segment_id, item.class_name, item.mask.area) for item in shown.segments] == [
        (2, "soil", 2), (3, "soil", 2), (4, None, 2),
    ]  # fmt: skip
    assert shown.confidence[0, 0] == 1.0


def test_sizes_change_by_the_nearest_pixel():
    values = np.arange(6).reshape(2, 3)
    larger = resized(values, (4, 6))
    assert larger[::2, ::2].tolist() == values.tolist() == larger[1::2, 1::2].tolist()
    assert resized(larger, (2, 3)).tolist() == values.tolist()
    assert resize_mask(Mask.from_dense(values == 5), (4, 6)).box_xyxy == (4, 2, 6, 4)
    assert resize_mask(Mask.from_dense(np.eye(100)[:, :1]), (1, 1)) is None


def test_gains_are_told_from_one_percent_on():
    before, after = np.full((10, 100), 3), np.full((10, 100), 3)
    after[0, :9] = 300
    assert gains(before, answer(after)) == {}
    after[0, 9] = 300
    assert gains(before, answer(after)) == {"soil": 0.01}
    after[5] = 0
    assert gains(before, answer(after)) == {"soil": 0.01}
