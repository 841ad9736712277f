"""One segment as JSON, for files, the API and the page."""

import json

import numpy as np
import pytest

from knnclip.output.segment_json import segment_json
from knnclip.structures import UNKNOWN, ClassScore, Evidence, Mask, Segment


def segment(class_name="car", **settings):
    dense = np.zeros((10, 20), dtype=bool)
    dense[2:6, 3:9] = True
    plain = {
        "segment_id": 7, "class_id": 2, "class_name": class_name, "is_thing": True, "confidence": 1 / 3,
        "decision": "retrieval", "mask": Mask.from_dense(dense),
        "scores": (ClassScore(2, "car", None, 2 / 3, 1 / 3),),
        "evidence": (Evidence(11, 0.123456789, 2, "car", "a/b.png", 640, 480, (1, 2, 3, 4), 5),),
    }  # fmt: skip
    return Segment(**(plain | settings))


def test_all_of_a_segment_is_there_with_its_units():
    assert segment_json(segment()) == {
        "segment_id": 7, "class": "car", "is_thing": True, "decision": "retrieval", "confidence": 1 / 3, "area_px": 24,
        "box_xyxy": [3, 2, 9, 6],
        "scores": [{"class": "car", "base": None, "retrieval": 2 / 3, "discriminant": None, "final": 1 / 3}],
        "evidence": [
            {"instance_id": 11, "similarity": 0.123456789, "class": "car", "image": "a/b.png", "box_xyxy": [1, 2, 3, 4],
             "source_id": 5}
        ],
    }  # fmt: skip


def test_the_reasons_can_be_left_out():
    whole, short = segment_json(segment()), segment_json(segment(), explained=False)
    assert short == {key: value for key, value in whole.items() if key not in ("scores", "evidence")}


@pytest.mark.parametrize("explained", [True, False])
def test_numbers_survive_the_way_through_a_file_to_the_bit(explained):
    unknown = segment(None, class_id=UNKNOWN, decision="unknown", scores=(), evidence=())
    for one in (segment(), unknown):
        plain = segment_json(one, explained=explained)
        assert json.loads(json.dumps(plain)) == plain
