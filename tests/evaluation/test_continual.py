"""The continual protocol on the sample data, and its figures by hand."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

from knnclip.datasets import open_dataset
from knnclip.errors import UsageError
from knnclip.evaluation.continual import (
    backward_transfer,
    by_class,
    by_data_set,
    check_groups,
    forgetting,
    in_steps,
    run_continual,
)
from knnclip.evaluation.splits import EncodedSplits, Splits, encode_splits
from knnclip.presets import preset_by_name
from tests.end_to_end.command import error_of
from tests.end_to_end.command import run as run_command
from tests.progress import Listener


@pytest.fixture(scope="module")
def encoded(sample_data):
    train, val = (open_dataset(sample_data / split) for split in ("train", "val"))
    return encode_splits(Splits((train,), val), preset_by_name("builtin"), device="cpu")


def splits_with(*train):
    """Splits with these classes in each data set, and numbers in place of their instances."""
    names = sorted({name for of_class in train for name in of_class})
    return EncodedSplits(None, None, None, tuple(names), train, (), ())


def test_forgetting_and_backward_transfer_by_hand():
    table = np.array([[0.8, np.nan, np.nan], [0.6, 0.5, np.nan], [0.7, 0.4, 0.9]])
    assert np.isnan(forgetting(table, 0))
    assert forgetting(table, 1) == pytest.approx(0.2)
    assert forgetting(table, 2) == pytest.approx((0.1 + 0.1) / 2)
    # The best is not always the first.
    assert forgetting(np.array([[0.5, np.nan, np.nan], [0.8, 0.5, np.nan], [0.6, 0.4, 0.9]]), 2) == pytest.approx(0.15)
    assert np.isnan(backward_transfer(table, 0))
    assert backward_transfer(table, 2) == pytest.approx((-0.1 - 0.1) / 2)


def test_classes_arrive_in_order_or_shuffled_by_a_seed():
    names = list("abcdefg")
    assert in_steps(names, 3, None) == [("a", "b", "c"), ("d", "e"), ("f", "g")]
    shuffled = in_steps(names, 3, 1)
    assert shuffled == in_steps(names, 3, 1) != in_steps(names, 3, 2)
    assert sorted(name for group in shuffled for name in group) == names
    with pytest.raises(UsageError, match="1 to 7 steps, found 8"):
        in_steps(names, 8, None)


def test_classes_arrive_with_their_instances_of_all_data_sets():
    made = splits_with({"a": [1], "b": [2]}, {"a": [3], "c": [4]})
    arrivals = by_class(made, [("c",), ("a", "b")])
    assert [(arrival.classes, arrival.instances) for arrival in arrivals] == [(("c",), (4,)), (("a", "b"), (1, 3, 2))]


@pytest.mark.parametrize(
    ("groups", "message"),
    [([["a"], ["b"]], "'c' is in 0"), ([["a", "b"], ["b", "c"]], "'b' is in 2"), ([["x"]], "unknown class 'x'")],
)
def test_steps_of_your_own_have_each_class_once(groups, message):
    check_groups("abc", [["c"], ["a", "b"]])
    with pytest.raises(UsageError, match=message):
        check_groups("abc", groups)


def test_a_data_set_brings_the_classes_that_no_earlier_one_had():
    made = splits_with({"a": [1], "b": [2]}, {"b": [3], "c": [4]}, {"a": [5]})
    steps = by_data_set(made, None)
    assert [step.classes for step in steps] == [("a", "b"), ("c",), ()]
    assert [step.instances for step in steps] == [(1, 2), (3, 4), (5,)]
    assert {step.instances for step in by_data_set(made, 3)} == {step.instances for step in steps}


def test_the_last_step_does_not_depend_on_the_order(encoded):
    names, progress = encoded.class_names, Listener()
    orders = [by_class(encoded, in_steps(names, 3, seed)) for seed in (0, 1)]
    runs = run_continual(encoded, orders, progress=progress)
    assert (progress.started, progress.items) == ((6, 0), 6)
    ((joint,),) = run_continual(encoded, [by_class(encoded, [names])])
    for steps in runs:
        assert [len(step.classes) for step in steps] == [3, 2, 2]
        assert (steps[-1].miou, steps[-1].instances) == (joint.miou, joint.instances)
        assert np.isnan(steps[0].old)
        assert steps[0].miou < steps[-1].miou
        assert all(later.instances > earlier.instances for earlier, later in itertools.pairwise(steps))
        assert steps[0].miou == pytest.approx(steps[0].new * 3 / 7)
        assert steps[0].average == steps[0].new
    assert joint.miou > 0.5


def test_the_command(sample_data, tmp_path):
    done = run_command("continual", sample_data / "train", sample_data / "val", "--steps", 2, "--seeds", 2,
                       "--preset", "builtin", "--report", tmp_path)  # fmt: skip
    content = json.loads((tmp_path / "continual.json").read_text())
    assert [len(steps) for steps in content["seeds"]] == [2, 2]
    assert content["seeds"][0][0]["old"] is None
    assert content["seeds"][0][1]["miou"] == content["seeds"][1][1]["miou"] > 0.9
    assert (tmp_path / "continual.png").stat().st_size > 10_000
    assert len((tmp_path / "continual.csv").read_text().splitlines()) == 5
    assert "±" in done.stdout
    page = (tmp_path / "report.html").read_text()
    assert "Classes arriving in steps" in page
    assert "knnclip continual" in page


def test_a_class_that_never_occurs_has_no_iou(encoded):
    cases = tuple(replace(case, classes=case.classes + 1) for case in encoded.val)
    more = replace(encoded, class_names=(*encoded.class_names, "yak"), val=cases)
    ((alone,),) = run_continual(encoded, [by_class(encoded, [encoded.class_names])])
    ((_, last),) = run_continual(more, [by_class(more, [("yak",), encoded.class_names])])
    assert (last.miou, last.new) == (alone.miou, alone.new)
    assert np.isnan(last.old)


def test_wrong_steps_are_refused_before_anything_is_encoded(sample_data):
    sets = (sample_data / "train", sample_data / "val")
    for options in (("--steps", 40), ("--step", "sky,gras")):
        done = run_command("continual", *sets, *options, code=2)
        assert "encode" not in done.stderr


def test_the_commands_other_orders(sample_data, tmp_path):
    sets = (sample_data / "train", sample_data / "val")
    run_command("continual", *sets, "--step", "sky,grass,road", "--step", "house,tree,car, traffic cone",
                "--preset", "builtin", "--report", tmp_path)  # fmt: skip
    (steps,) = json.loads((tmp_path / "continual.json").read_text())["seeds"]
    assert [step["classes"] for step in steps] == [["sky", "grass", "road"], ["house", "tree", "car", "traffic cone"]]
    run_command("continual", *sets, "--then", sample_data / "val", "--seeds", 0, "--preset", "builtin",
                "--report", tmp_path)  # fmt: skip
    (steps,) = json.loads((tmp_path / "continual.json").read_text())["seeds"]
    assert [len(step["classes"]) for step in steps] == [7, 0]
    assert steps[1]["instances"] > steps[0]["instances"]
    assert steps[1]["new"] is None
    assert "use one of them" in error_of("continual", *sets, "--step", "sky", "--then", sample_data / "val")
