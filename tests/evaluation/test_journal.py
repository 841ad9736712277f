"""Records survive the way through a file, whatever happens to the process that writes them."""

import json

import numpy as np
import pytest

from knnclip.errors import UsageError
from knnclip.evaluation.journal import Journal, check_protocol, records, refusals
from knnclip.evaluation.panoptic import SegmentCounts
from knnclip.evaluation.record import ImageRecord, instance_annotation, miou_of
from knnclip.evaluation.semantic import PixelCounts
from knnclip.structures import Mask

PROTOCOL = {"data": "here", "masks": "own", "generation": 3}


def record(rng, ref, *, instances=True):
    counts = rng.integers(0, 3, (4, 3))
    mask = Mask.from_dense(np.eye(5, dtype=bool))
    return ImageRecord(
        ref=ref,
        pixels=PixelCounts(rng.integers(0, 2, (4, 5)) * 10**12, rng.integers(0, 9, (4, 3))),
        segments=SegmentCounts(rng.random(4) * counts.any(axis=1), counts) if instances else None,
        instances=(instance_annotation(mask, 2, iscrowd=0),) if instances else (),
        detections=(instance_annotation(mask, 1, score=0.1 + 0.2),) if instances else (),
        compared={"base": rng.integers(0, 9, (4, 5))},
        encode_seconds=0.25,
        label_seconds=0.5,
    )


def same(one, other):
    assert (one.ref, one.instances, one.detections, one.encode_seconds, one.label_seconds) == (
        other.ref, other.instances, other.detections, other.encode_seconds, other.label_seconds,
    )  # fmt: skip
    np.testing.assert_array_equal(one.pixels.confusion, other.pixels.confusion)
    np.testing.assert_array_equal(one.pixels.boundary, other.pixels.boundary)
    assert one.compared.keys() == other.compared.keys()
    for name, matrix in one.compared.items():
        np.testing.assert_array_equal(matrix, other.compared[name])
    assert (one.segments is None) == (other.segments is None)
    if one.segments is not None:
        np.testing.assert_array_equal(one.segments.iou, other.segments.iou)
        np.testing.assert_array_equal(one.segments.counts, other.segments.counts)


def test_records_come_back_to_the_bit(tmp_path, rng):
    written = [record(rng, "a.jpg"), record(rng, "日本\udc80.jpg", instances=False)]
    with Journal(tmp_path, PROTOCOL) as journal:
        for item in written:
            journal.add(item.ref, item, [("a.txt", "line 3", "not a number")])
    for one, other in zip(written, records(tmp_path, 4), strict=True):
        same(one, other)
    assert refusals(tmp_path)["a.jpg"] == [("a.txt", "line 3", "not a number")]
    check_protocol(tmp_path, PROTOCOL)


def test_an_interrupted_journal_continues_after_its_last_whole_line(tmp_path, rng):
    with Journal(tmp_path, PROTOCOL) as journal:
        journal.add("a", record(rng, "a"))
        journal.add("b", record(rng, "b"))
    file = tmp_path / "images.jsonl"
    file.write_bytes(file.read_bytes()[:-7])
    with Journal(tmp_path, PROTOCOL) as journal:
        assert journal.finished == {"a"}
        again = record(rng, "b")
        journal.add("b", again)
    found = list(records(tmp_path, 4))
    assert [item.ref for item in found] == ["a", "b"]
    same(found[1], again)


def test_nothing_but_a_torn_first_line_is_a_new_journal(tmp_path):
    (tmp_path / "images.jsonl").write_bytes(b'{"protocol": {"da')
    with Journal(tmp_path, PROTOCOL) as journal:
        assert journal.finished == set()
    check_protocol(tmp_path, PROTOCOL)


def test_shards_share_a_folder_and_each_image_counts_once(tmp_path, rng):
    with Journal(tmp_path, PROTOCOL, "0-of-2") as one:
        one.add("a", record(rng, "a"))
        with Journal(tmp_path, PROTOCOL, "1-of-2") as other:
            assert other.finished == {"a"}
            other.add("b", record(rng, "b"))
            other.add("a", record(rng, "a"))  # as if both had begun it at once
    assert sorted(item.ref for item in records(tmp_path, 4)) == ["a", "b"]


def test_what_could_not_be_read_is_tried_again(tmp_path, rng):
    with Journal(tmp_path, PROTOCOL) as journal:
        journal.add("a", None, [("a.jpg", None, "damaged")])
    with Journal(tmp_path, PROTOCOL) as journal:
        assert journal.finished == set()
        assert refusals(tmp_path) == {"a": [("a.jpg", None, "damaged")]}
        journal.add("a", record(rng, "a"))
    assert refusals(tmp_path) == {"a": []}
    assert len(list(records(tmp_path, 4))) == 1


def test_a_folder_of_another_evaluation_is_refused(tmp_path):
    Journal(tmp_path, PROTOCOL).__exit__(None, None, None)
    with pytest.raises(UsageError, match=r"another masks and generation; .* --restart"):
        Journal(tmp_path, {**PROTOCOL, "masks": "oracle", "generation": 4})
    (tmp_path / "images.1-of-2.jsonl").write_text(json.dumps({"protocol": {"data": "there"}}) + "\n")
    with pytest.raises(UsageError, match="another data and masks and generation"):
        check_protocol(tmp_path, PROTOCOL)


@pytest.mark.parametrize("line", ["{", '{"ref": "a", "rejected": [], "confusion": [[9, 9, 1]]}'])
def test_a_damaged_line_is_an_error_that_names_it(tmp_path, line):
    Journal(tmp_path, PROTOCOL).__exit__(None, None, None)
    with (tmp_path / "images.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(UsageError, match="line 2"):
        list(records(tmp_path, 4))


def test_a_folder_without_an_evaluation_says_so(tmp_path):
    with pytest.raises(UsageError, match="holds no evaluation"):
        check_protocol(tmp_path, PROTOCOL)


def test_images_are_told_better_from_worse():
    assert miou_of(np.array([[8, 2, 0], [0, 0, 0]])) == pytest.approx(0.8)
    assert miou_of(np.array([[5, 0, 5], [0, 10, 0]])) == pytest.approx((0.5 + 1) / 2)
    assert np.isnan(miou_of(np.zeros((2, 3), int)))
