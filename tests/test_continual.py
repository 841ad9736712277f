"""The continual protocol on the sample data, and its figures by hand."""

import itertools
import json

import numpy as np
import pytest

from knnclip.continual import backward_transfer, forgetting, prepare, run, split_classes
from knnclip.datasets import open_dataset
from knnclip.errors import UsageError
from knnclip.ingest import IngestSettings
from knnclip.presets import preset_by_name
from knnclip.segmenter import make_parts
from tests.end_to_end.command import run as run_command


@pytest.fixture(scope="module")
def material(sample_data):
    preset = preset_by_name("builtin")
    parts = make_parts(preset, "cpu")
    train, val = (open_dataset(sample_data / split) for split in ("train", "val"))
    made = prepare(preset, parts, (train, train.samples[:8]), (val, val.samples[:3]), IngestSettings())
    return preset, parts, made


def test_forgetting_and_backward_transfer_by_hand():
    table = np.array([[0.8, np.nan, np.nan], [0.6, 0.5, np.nan], [0.7, 0.4, 0.9]])
    assert np.isnan(forgetting(table, 0))
    assert forgetting(table, 1) == pytest.approx(0.2)
    assert forgetting(table, 2) == pytest.approx((0.1 + 0.1) / 2)
    assert np.isnan(backward_transfer(table, 0))
    assert backward_transfer(table, 2) == pytest.approx((-0.1 - 0.1) / 2)


def test_classes_are_split_in_order_or_by_a_seed():
    names = list("abcdefg")
    assert split_classes(names, 3, None) == [("a", "b", "c"), ("d", "e"), ("f", "g")]
    shuffled = split_classes(names, 3, 1)
    assert shuffled == split_classes(names, 3, 1) != split_classes(names, 3, 2)
    assert sorted(name for group in shuffled for name in group) == names
    with pytest.raises(UsageError, match="1 to 7 steps, found 8"):
        split_classes(names, 8, None)


def test_the_last_step_does_not_depend_on_the_order(material):
    preset, parts, made = material
    names = made.class_names
    runs = [run(preset, parts, made, split_classes(names, 3, seed)) for seed in (0, 1)]
    joint = run(preset, parts, made, [names])[0]
    for steps in runs:
        assert [len(step.classes) for step in steps] == [3, 2, 2]
        assert (steps[-1].miou, steps[-1].rows) == (joint.miou, joint.rows)
        assert np.isnan(steps[0].old)
        assert steps[0].miou < steps[-1].miou
        assert all(later.rows > earlier.rows for earlier, later in itertools.pairwise(steps))
        assert steps[0].miou == pytest.approx(steps[0].new * 3 / 7)
    assert joint.miou > 0.5


def test_the_command(sample_data, tmp_path):
    done = run_command("continual", sample_data / "train", sample_data / "val", "--steps", 2, "--seeds", 2,
                       "--report", tmp_path)  # fmt: skip
    content = json.loads((tmp_path / "continual.json").read_text())
    assert [len(steps) for steps in content["seeds"]] == [2, 2]
    assert content["seeds"][0][0]["old"] is None
    assert content["seeds"][0][1]["miou"] == content["seeds"][1][1]["miou"] > 0.9
    assert (tmp_path / "continual.png").stat().st_size > 10_000
    assert "±" in done.stdout
