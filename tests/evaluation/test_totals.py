"""Totals: what they add up, and that they do not grow."""

import json
import pickle

import numpy as np
import pytest

from knnclip.errors import DatasetError
from knnclip.evaluation.record import ImageRecord, cells_of, instance_annotation
from knnclip.evaluation.report.tables import as_content, write_scores
from knnclip.evaluation.totals import SetClasses, Totals
from knnclip.files import as_json, write_csv
from knnclip.metrics.panoptic import SegmentCounts
from knnclip.metrics.semantic import count_pixels
from knnclip.structures import Mask

CLASSES = SetClasses(("cat", 'dog, "big"\n<b>', "sky"), (True, True, False))


def record(number, rng, *, objects=False):
    truth, answer = (rng.integers(-1, 3, (20, 30)).astype(np.int32) for _ in range(2))
    made = ImageRecord(
        f"{number}.jpg", count_pixels(truth, answer, 3), compared={"base": cells_of(rng.integers(0, 9, (3, 4)))}
    )
    if not objects:
        return made
    square = np.zeros((40, 50), bool)
    square[5:25, 5:25] = True
    near = np.roll(square, 2, axis=0)
    return ImageRecord(
        made.ref,
        made.pixels,
        segments=SegmentCounts(np.array([0.7, 0, 0]), np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]])),
        instances=(instance_annotation(Mask.from_dense(square), 0, iscrowd=0),),
        detections=(instance_annotation(Mask.from_dense(near), 0, score=0.5),),
    )


def total(records):
    found = Totals(CLASSES)
    for item in records:
        found.add(item)
    return found


def test_memory_does_not_grow_with_the_number_of_images(rng):
    sizes = [len(pickle.dumps(total(record(n, rng) for n in range(count)))) for count in (2, 60)]
    assert sizes[1] == pytest.approx(sizes[0], rel=1e-3)


def test_all_of_it_is_scored(rng):
    scores = total(record(n, rng, objects=True) for n in range(3)).compute()
    assert scores.images == 3
    assert scores.panoptic is not None
    assert scores.panoptic.classes[0].pq == pytest.approx(0.7)
    assert scores.panoptic.things.pq == pytest.approx(0.35)
    # IoU 18 * 20 / (22 * 20): found at the thresholds up to 0.8, in a class that alone has instances.
    assert scores.instances is not None
    assert scores.instances.ap == pytest.approx(0.7)
    assert dict(scores.instances.classes)["cat"] == pytest.approx(0.7)
    rows = as_content(scores)["classes"]
    assert rows[0]["ap"] == pytest.approx(0.7)
    assert np.isnan(rows[2]["ap"])


def test_without_objects_there_is_no_pq_and_no_ap(rng):
    scores = total(record(n, rng) for n in range(2)).compute()
    assert (scores.panoptic, scores.instances) == (None, None)
    assert "pq" not in as_content(scores)["classes"][0]


def test_crowds_alone_are_nothing_to_be_found(rng):
    only = record(0, rng, objects=True)
    crowd = ImageRecord(
        only.ref, only.pixels, only.segments, tuple({**item, "iscrowd": 1} for item in only.instances), only.detections
    )
    assert total([crowd]).compute().instances is None


def test_nothing_scored_is_an_error(rng):
    with pytest.raises(DatasetError, match="no pixel of the set is scored"):
        Totals(CLASSES).compute()


def test_files_survive_any_name_and_what_is_undefined(tmp_path, rng):
    found = total([record(0, rng)])
    found.confusion.matrix[1] = found.confusion.matrix[:, 1] = 0
    found.confusion.matrix[0, 0] = 5
    write_scores(found.compute(), tmp_path, protocol={"data": "here"}, run={"command": "x"}, stored_instances=[3, 0, 1])
    content = json.loads((tmp_path / "scores.json").read_text())
    assert content["classes"][1]["name"] == CLASSES.names[1]
    assert content["classes"][1]["iou"] is None
    assert content["scores"]["miou_interval"] == {"low": None, "high": None}
    assert "NaN" not in (tmp_path / "scores.json").read_text()
    assert "nan" not in (tmp_path / "scores.csv").read_text()
    write_csv(tmp_path / "x.csv", [{"a": float("nan"), "b": (1, 2)}])
    assert (tmp_path / "x.csv").read_text().splitlines() == ["a,b", ',"[1, 2]"']


def test_json_of_dataclasses():
    assert as_json({"row": SetClasses(("a",), (True,)), 3: [float("nan"), 1.5]}) == {
        "row": {"names": ["a"], "is_thing": [True]},
        "3": [None, 1.5],
    }
