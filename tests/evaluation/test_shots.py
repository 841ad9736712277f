"""Shots: what belongs to one, and that more of them are not less."""

import numpy as np
import pytest

from knnclip.catalogue import make_parts
from knnclip.datasets import open_dataset
from knnclip.errors import UsageError
from knnclip.evaluation.shots import ALL, gather_shots, read_shots, run_shots
from knnclip.evaluation.splits import encode
from knnclip.ingest import IngestSettings
from knnclip.presets import preset_by_name
from knnclip.structures import ImageReference, LabelledInstance, Mask


def row(origin, box, image="a.jpg"):
    dense = np.zeros((40, 40), bool)
    x0, y0, x1, y1 = box
    dense[y0:y1, x0:x1] = True
    return LabelledInstance(
        np.ones(1, np.float32), "cat", ImageReference(image, 40, 40), Mask.from_dense(dense), 1.0, origin
    )


def test_a_shot_is_an_annotated_segment_with_the_proposals_in_it():
    one, other = row("truth", (0, 0, 10, 10)), row("truth", (20, 20, 40, 40))
    inside, half, elsewhere = (
        row("proposal", (1, 1, 5, 5)),
        row("proposal", (6, 0, 14, 10)),
        row("proposal", (0, 30, 5, 35)),
    )
    same_place = row("proposal", (0, 0, 9, 9), image="b.jpg")
    shots, rest = gather_shots([one, inside, half, other, elsewhere, same_place])
    assert [[id(item) for item in shot] for shot in shots] == [[id(one), id(inside)], [id(other)]]
    assert [id(item) for item in rest] == [id(half), id(elsewhere), id(same_place)]


def test_numbers_of_shots_are_read_in_rising_order():
    assert read_shots("10, all,1,2,2") == [1, 2, 10, ALL]
    for text in ("", "one", "-1,2", "1;2", "0", "0,5"):
        with pytest.raises(UsageError, match="joined by commas"):
            read_shots(text)


@pytest.fixture(scope="module")
def material(sample_data):
    preset = preset_by_name("builtin")
    parts = make_parts(preset, "cpu")
    train, val = (open_dataset(sample_data / split) for split in ("train", "val"))
    return preset, parts, encode(preset, parts, [train], val, IngestSettings())


def test_more_shots_know_more_and_all_is_everything(material):
    preset, parts, made = material
    scores = run_shots(preset, parts, made, [1, 5, ALL], seed=0)
    assert [found.shots for found in scores] == [1, 5, ALL]
    assert scores[0].rows < scores[1].rows < scores[2].rows
    assert scores[0].miou < scores[2].miou
    assert scores[2].rows == sum(len(made.rows(name)) for name in made.class_names)
    # Each number holds the smaller ones, so leaving one out changes nothing; another seed draws other instances.
    assert run_shots(preset, parts, made, [5], seed=0)[0] == scores[1]
    assert run_shots(preset, parts, made, [1], seed=1)[0] != scores[0]
    assert run_shots(preset, parts, made, [ALL], seed=1)[0].miou == scores[2].miou
