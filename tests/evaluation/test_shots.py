"""Shots: what belongs to one, and that more of them are not less."""

import numpy as np
import pytest

from knnclip.datasets import open_dataset
from knnclip.errors import UsageError
from knnclip.evaluation.shots import ALL, name_of, read_shots, run_shots, support_examples
from knnclip.evaluation.splits import Splits, encode_splits
from knnclip.presets import preset_by_name
from knnclip.structures import ImageReference, LabelledInstance, Mask
from tests.progress import Listener


def instance(origin, box, image="a.jpg"):
    dense = np.zeros((40, 40), bool)
    x0, y0, x1, y1 = box
    dense[y0:y1, x0:x1] = True
    return LabelledInstance(
        np.ones(1, np.float32), "cat", ImageReference(image, 40, 40), Mask.from_dense(dense), 1.0, origin
    )


def test_a_shot_is_an_annotated_segment_with_the_proposals_in_it():
    one, other = instance("truth", (0, 0, 10, 10)), instance("truth", (20, 20, 40, 40))
    inside, half, elsewhere = (
        instance("proposal", (1, 1, 5, 5)),
        instance("proposal", (6, 0, 14, 10)),
        instance("proposal", (0, 30, 5, 35)),
    )
    same_place = instance("proposal", (0, 0, 9, 9), image="b.jpg")
    examples, rest = support_examples([one, inside, half, other, elsewhere, same_place])
    assert [[id(item) for item in example] for example in examples] == [[id(one), id(inside)], [id(other)]]
    assert [id(item) for item in rest] == [id(half), id(elsewhere), id(same_place)]


def test_numbers_of_shots_are_read_in_rising_order():
    assert read_shots("10, all,1,2,2") == [1, 2, 10, ALL]
    for text in ("", "one", "-1,2", "1;2", "0", "0,5"):
        with pytest.raises(UsageError, match="joined by commas"):
            read_shots(text)


@pytest.fixture(scope="module")
def encoded(sample_data):
    train, val = (open_dataset(sample_data / split) for split in ("train", "val"))
    return encode_splits(Splits((train,), val), preset_by_name("builtin"), device="cpu")


def test_more_shots_know_more_and_all_is_everything(encoded):
    progress = Listener()
    scores, other_draw = run_shots(encoded, [1, 5, ALL], seeds=2, progress=progress)
    assert (progress.started, progress.items) == ((6, 0), 6)
    assert [name_of(found.shots) for found in scores] == ["1", "5", "all"]
    assert scores[0].instances < scores[1].instances < scores[2].instances
    assert scores[0].miou < scores[2].miou
    assert scores[2].instances == sum(len(encoded.instances(name)) for name in encoded.class_names)
    # Each number holds the smaller ones, so leaving one out changes nothing; another seed draws other instances.
    assert run_shots(encoded, [5], seeds=1) == [[scores[1]]]
    assert other_draw[0] != scores[0]
    assert other_draw[2].miou == scores[2].miou
