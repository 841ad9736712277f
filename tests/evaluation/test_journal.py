"""Records survive the way through a file, whatever happens to the process that writes them."""

import errno
import json
import subprocess
import sys

import numpy as np
import pytest

from knnclip.errors import OutputError, UsageError
from knnclip.evaluation.journal import Journal, check_protocol, files_of, records, refusals
from knnclip.evaluation.record import ImageRecord, cells_of, instance_annotation, matrix_of, miou_of
from knnclip.metrics.panoptic import SegmentCounts
from knnclip.metrics.semantic import PixelCounts
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
        compared={"base": cells_of(rng.integers(0, 9, (4, 5)))},
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
        np.testing.assert_array_equal(one.segments.iou_sum, other.segments.iou_sum)
        np.testing.assert_array_equal(one.segments.tp_fp_fn, other.segments.tp_fp_fn)


def test_records_come_back_to_the_bit(tmp_path, rng):
    written = [record(rng, "a.jpg"), record(rng, "日本\udc80.jpg", instances=False)]
    with Journal(tmp_path, PROTOCOL) as journal:
        for item in written:
            journal.add(item.ref, "1", item, [("a.txt", "line 3", "not a number")])
    for one, other in zip(written, records(tmp_path, 4), strict=True):
        same(one, other)
    assert refusals(tmp_path)["a.jpg"] == [("a.txt", "line 3", "not a number")]
    check_protocol(tmp_path, PROTOCOL)


def test_an_interrupted_journal_continues_after_its_last_whole_line(tmp_path, rng):
    with Journal(tmp_path, PROTOCOL) as journal:
        journal.add("a", "1", record(rng, "a"))
        journal.add("b", "1", record(rng, "b"))
    file = tmp_path / "images.jsonl"
    file.write_bytes(file.read_bytes()[:-7])
    with Journal(tmp_path, PROTOCOL) as journal:
        assert journal.finished == {"a": "1"}
        again = record(rng, "b")
        journal.add("b", "1", again)
    found = list(records(tmp_path, 4))
    assert [item.ref for item in found] == ["a", "b"]
    same(found[1], again)


def test_nothing_but_a_torn_first_line_is_a_new_journal(tmp_path):
    (tmp_path / "images.jsonl").write_bytes(b'{"protocol": {"da')
    with Journal(tmp_path, PROTOCOL) as journal:
        assert journal.finished == {}
    check_protocol(tmp_path, PROTOCOL)


def test_shards_share_a_folder_and_each_image_counts_once(tmp_path, rng):
    with Journal(tmp_path, PROTOCOL, "0-of-2") as one:
        one.add("a", "1", record(rng, "a"))
        with Journal(tmp_path, PROTOCOL, "1-of-2") as other:
            assert other.finished == {"a": "1"}
            other.add("b", "1", record(rng, "b"))
            other.add("a", "1", record(rng, "a"))  # as if both had begun it at once
    assert sorted(item.ref for item in records(tmp_path, 4)) == ["a", "b"]


def test_what_could_not_be_read_is_tried_again(tmp_path, rng):
    with Journal(tmp_path, PROTOCOL) as journal:
        journal.add("a", "1", None, [("a.jpg", None, "damaged")])
    with Journal(tmp_path, PROTOCOL) as journal:
        assert journal.finished == {}
        assert refusals(tmp_path) == {"a": [("a.jpg", None, "damaged")]}
        journal.add("a", "1", record(rng, "a"))
    assert refusals(tmp_path) == {"a": []}
    assert len(list(records(tmp_path, 4))) == 1


def test_a_folder_of_another_evaluation_is_refused(tmp_path):
    with Journal(tmp_path, PROTOCOL) as journal:
        journal.add("a", "1", None)
    with pytest.raises(UsageError, match=r"another masks and generation; .* --restart"):
        Journal(tmp_path, {**PROTOCOL, "masks": "oracle", "generation": 4})
    other = [{"protocol": {"data": "there"}}, {"ref": "a", "stamp": "", "rejected": []}]
    (tmp_path / "images.1-of-2.jsonl").write_text("".join(json.dumps(line) + "\n" for line in other))
    with pytest.raises(UsageError, match="another data and masks and generation"):
        check_protocol(tmp_path, PROTOCOL)


RECORD = {"ref": "a", "stamp": "1", "rejected": [], "confusion": [], "boundary": [], "compared": {}, "seconds": [0, 0]}


@pytest.mark.parametrize(
    "line",
    [
        "{", "null", "5", "[]", "{}", '{"protocol": {}}', json.dumps({"ref": "a", "stamp": "1"}),
        json.dumps({**RECORD, "confusion": [[9, 9, 1]]}), json.dumps({**RECORD, "confusion": [[0, 5, 1]]}),
        json.dumps({**RECORD, "confusion": [[-1, -2, 5]]}), json.dumps({**RECORD, "confusion": [[0, 0, -5]]}),
        json.dumps({**RECORD, "boundary": [[0, 1, -1, 1]]}), json.dumps({**RECORD, "segments": [[-1, 0.5, 1, 0, 0]]}),
        json.dumps({**RECORD, "seconds": None}), json.dumps({**RECORD, "compared": 3}),
        json.dumps({**RECORD, "confusion": [[0, 0, 10**30]]}), json.dumps({**RECORD, "confusion": [[0.5, 0, 1]]}),
        json.dumps({**RECORD, "confusion": [[0, 0, "1"]]}), json.dumps({**RECORD, "seconds": ["a", 1]}),
        json.dumps({**RECORD, "segments": [[7, 0.5, 1, 0, 0]]}), json.dumps({**RECORD, "instances": [3]}),
        json.dumps({**RECORD, "detections": [{"category_id": 99}]}), "[" * 5000, "\udcff",
        json.dumps({**RECORD, "rejected": [3]}), json.dumps({**RECORD, "rejected": [["a", 3, "b"]]}),
    ],
)  # fmt: skip
def test_a_damaged_line_is_an_error_that_names_it(tmp_path, line):
    Journal(tmp_path, PROTOCOL).__exit__(None, None, None)
    with (tmp_path / "images.jsonl").open("a", errors="surrogateescape") as file:
        file.write(line + "\n")
    with pytest.raises(UsageError, match="line 2"):
        list(records(tmp_path, 4))


@pytest.mark.parametrize("head", ["null", "{}", '{"protocol": null}', json.dumps(RECORD)])
def test_a_damaged_head_is_an_error_that_names_it(tmp_path, head):
    (tmp_path / "images.jsonl").write_text(head + "\n")
    with pytest.raises(UsageError, match="line 1"):
        Journal(tmp_path, PROTOCOL)


def test_one_that_never_got_to_an_image_is_begun_anew(tmp_path, rng):
    Journal(tmp_path, {**PROTOCOL, "masks": "wrong"}).__exit__(None, None, None)
    with Journal(tmp_path, PROTOCOL) as journal:
        journal.add("a", "1", record(rng, "a"))
    check_protocol(tmp_path, PROTOCOL)
    assert len((tmp_path / "images.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("error", [NotImplementedError("no flock"), OSError(errno.ENOLCK, "No locks available")])
def test_a_file_system_without_locks_is_not_another_writer(tmp_path, monkeypatch, error):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with pytest.raises(OutputError, match=r"images\.jsonl: the file system of its folder has no locks"):
        Journal(tmp_path, PROTOCOL)


def test_two_writers_of_one_shard_do_not_meet(tmp_path):
    with Journal(tmp_path, PROTOCOL):
        with pytest.raises(UsageError, match="being written by another"):
            Journal(tmp_path, PROTOCOL)
        Journal(tmp_path, PROTOCOL, "0-of-2").__exit__(None, None, None)
    Journal(tmp_path, PROTOCOL).__exit__(None, None, None)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["images.0-of-2.jsonl", "images.jsonl"]


def test_a_lock_goes_with_its_process(tmp_path):
    """Killed, it cannot tidy up; its lock holds nobody, and is no result."""
    code = (
        "import sys; from pathlib import Path; from knnclip.evaluation.journal import Journal; "
        f"journal = Journal(Path(sys.argv[1]), {PROTOCOL!r}); print('open', flush=True); input()"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert writer.stdout.readline() == b"open\n"
    with pytest.raises(UsageError, match="being written by another"):
        Journal(tmp_path, PROTOCOL)
    writer.kill()
    writer.communicate()
    assert [file.name for file in files_of(tmp_path)] == ["images.jsonl"]
    with Journal(tmp_path, PROTOCOL) as journal:
        assert journal.finished == {}
    assert [file.name for file in tmp_path.iterdir()] == ["images.jsonl"]


def test_a_folder_that_cannot_be_one_says_so(tmp_path):
    (tmp_path / "o").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        Journal(tmp_path / "o", PROTOCOL)


def test_a_file_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "images_list.jsonl").write_text("mine\n")
    Journal(tmp_path, PROTOCOL).__exit__(None, None, None)
    assert [file.name for file in files_of(tmp_path)] == ["images.jsonl"]


def test_what_was_scored_after_all_is_not_refused(tmp_path, rng):
    with Journal(tmp_path, PROTOCOL) as journal:
        journal.add("a", "1", None, [("a.jpg", None, "damaged")])
    with Journal(tmp_path, PROTOCOL, "0-of-2") as journal:  # a file that comes before in the order of names
        journal.add("a", "1", record(rng, "a"))
    assert refusals(tmp_path) == {"a": []}


def test_cells_are_the_matrix(rng):
    matrix = rng.integers(0, 2, (4, 5)) * rng.integers(0, 2**40, (4, 5))
    np.testing.assert_array_equal(matrix_of(cells_of(matrix), 4), matrix)


def test_a_folder_without_an_evaluation_says_so(tmp_path):
    with pytest.raises(UsageError, match="holds no evaluation"):
        check_protocol(tmp_path, PROTOCOL)


def test_images_are_told_better_from_worse():
    assert miou_of(np.array([[8, 2, 0], [0, 0, 0]])) == pytest.approx(0.8)
    assert miou_of(np.array([[5, 0, 5], [0, 10, 0]])) == pytest.approx((0.5 + 1) / 2)
    assert np.isnan(miou_of(np.zeros((2, 3), int)))


@pytest.mark.parametrize("running", ["", "0-of-2"])
def test_to_begin_anew_takes_nothing_from_who_is_writing(tmp_path, rng, running):
    with Journal(tmp_path, PROTOCOL, running) as journal:
        journal.add("a", "s", record(rng, "a"))
        with pytest.raises(UsageError, match="is being written by another evaluation"):
            Journal(tmp_path, PROTOCOL, restart=True)
    assert [found.ref for found in records(tmp_path, 4)] == ["a"]
    with Journal(tmp_path, PROTOCOL | {"generation": 4}, restart=True) as journal:
        assert journal.finished == {}
    assert [file.name for file in tmp_path.iterdir()] == ["images.jsonl"]
