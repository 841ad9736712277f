"""The segmenter's answers against the truth."""

import json
import shutil
from itertools import islice

import numpy as np
import pytest

from knnclip.datasets import ClassLabel, open_dataset
from knnclip.errors import UsageError
from knnclip.evaluation.judge import add_up, judge_images, predicted_segments
from knnclip.ingest import IngestSettings, ingest
from knnclip.segmenter import Segmenter


@pytest.fixture(scope="module")
def store(tmp_path_factory, sample_data):
    path = tmp_path_factory.mktemp("evaluate") / "store"
    train = open_dataset(sample_data / "train")
    with Segmenter.open(path, "builtin") as segmenter:
        ingest(segmenter, train, train.samples[:8], IngestSettings())
    return path


def test_scores_are_those_of_the_answers(store, sample_data):
    val = open_dataset(sample_data / "val")
    with Segmenter.open(store, read_only=True) as segmenter:
        result = add_up(judge_images(segmenter, val, val.samples[:3], workers=2), val)
        expected = np.zeros_like(result.confusion.matrix)
        for sample in val.samples[:3]:
            labelled = val.load(sample)
            semantic = segmenter.segment(labelled.image).semantic
            names = {info.class_id: info.name for info in segmenter.store.vocabulary()}
            for t, p in zip(labelled.label_map.flat, semantic.flat, strict=True):
                if t >= 0:
                    column = val.class_names.index(names[int(p)]) if p else expected.shape[1] - 1
                    expected[t, column] += 1
    assert result.rejected == ()
    np.testing.assert_array_equal(result.confusion.matrix, expected)


def test_ground_truth_masks_do_better(store, sample_data):
    val = open_dataset(sample_data / "val")
    with Segmenter.open(store, read_only=True) as segmenter:
        scores = {
            masks: add_up(judge_images(segmenter, val, val.samples, masks=masks), val).scores.semantic.miou
            for masks in ("own", "oracle")
        }
    assert scores["oracle"] > scores["own"] > 0.5


def test_what_cannot_be_read_is_reported_and_the_rest_scored(store, sample_data, tmp_path):
    shutil.copytree(sample_data / "val", tmp_path / "val")
    shutil.copy(sample_data / "classes.txt", tmp_path)
    (tmp_path / "val" / "images" / "val_001.png").write_bytes(b"no image")
    val = open_dataset(tmp_path / "val")
    with Segmenter.open(store, read_only=True) as segmenter:
        outcomes = list(judge_images(segmenter, val, val.samples[:3]))
    result = add_up(outcomes, val)
    assert [item.file.endswith("val_001.png") for item in result.rejected] == [True]
    assert result.confusion.matrix.sum() == 2 * 320 * 240
    assert [outcome.record is None for outcome in outcomes] == [False, True, False]


def test_a_wrong_name_of_masks_is_refused(store, sample_data):
    val = open_dataset(sample_data / "val")
    with (
        Segmenter.open(store, read_only=True) as segmenter,
        pytest.raises(UsageError, match="own, oracle"),
    ):
        judge_images(segmenter, val, val.samples, masks="truth")


def test_an_evaluation_that_is_stopped_has_scored_the_images_before(store, sample_data):
    val = open_dataset(sample_data / "val")
    with Segmenter.open(store, read_only=True) as segmenter:
        stopped = add_up(islice(judge_images(segmenter, val, val.samples), 2), val)
        whole = add_up(judge_images(segmenter, val, val.samples[:2]), val)
    np.testing.assert_array_equal(stopped.confusion.matrix, whole.confusion.matrix)


@pytest.fixture
def overlapping(tmp_path):
    """A COCO set with a crowd, a large car with a small one on it, and one of a few pixels, in the wrong order."""
    from PIL import Image as Pil

    (tmp_path / "images").mkdir()
    Pil.fromarray(np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)).save(
        tmp_path / "images" / "a.png"
    )

    def box(number, x0, y0, x1, y1, category=1, crowd=0):
        polygon = [x0, y0, x1, y0, x1, y1, x0, y1]
        return {"id": number, "image_id": 1, "category_id": category, "segmentation": [polygon], "iscrowd": crowd}

    annotations = [
        box(1, 20, 20, 30, 30),
        box(2, 10, 10, 50, 50),
        box(3, 0, 0, 60, 60, crowd=1),
        box(4, 70, 5, 73, 8, 2),
    ]
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "bolt"}],
    }
    (tmp_path / "instances.json").write_text(json.dumps(content))
    return open_dataset(tmp_path)


def test_small_instances_lie_on_large_ones_and_crowds_below_all(overlapping, tmp_path):
    with Segmenter.open(tmp_path / "s", "builtin") as segmenter:
        ingest(segmenter, overlapping, overlapping.samples, IngestSettings("truth"))
        (outcome,) = judge_images(segmenter, overlapping, overlapping.samples, masks="oracle")
        record = outcome.record
        # Both cars can be found: the large one under the small one, the crowd is no miss.
        assert record.segments.tp_fp_fn[0].sum() - record.segments.tp_fp_fn[0, 1] == 2
        assert [item["iscrowd"] for item in record.instances] == [0, 0, 1, 0]


def test_what_is_too_small_to_be_described_is_scored_but_not_stored(overlapping, tmp_path):
    (sample,) = overlapping.samples
    assert sorted(item.mask.area for item in overlapping.load(sample).instances)[0] < 30
    with Segmenter.open(tmp_path / "s", "builtin") as segmenter:
        ingest(segmenter, overlapping, overlapping.samples, IngestSettings("truth"))
        assert {item.class_name for item in segmenter.store.instances()} == {"car"}
        (outcome,) = judge_images(segmenter, overlapping, overlapping.samples, masks="oracle")
        assert outcome.record.segments.tp_fp_fn[1].tolist() == [0, 0, 1]


def test_things_and_stuff_are_what_the_data_set_says(tmp_path):
    """Two cars that do not touch, in a store that takes cars for stuff, and a sky in two pieces."""
    prediction = np.full((20, 40), -1, np.int32)
    prediction[2:8, 2:10] = prediction[2:8, 20:30] = 0
    prediction[12:16, :10] = prediction[12:16, 30:] = 1
    prediction[18, 18] = 0
    confidence = np.linspace(0, 1, 800, dtype=np.float32).reshape(20, 40)
    predicted = predicted_segments(prediction, confidence, [ClassLabel("car", True), ClassLabel("sky", False)], 10)
    assert [(item["category_id"], item["area"]) for item in predicted.things] == [(0, 48), (0, 60)]
    assert predicted.things[0]["score"] == pytest.approx(confidence[2:8, 2:10].mean())
    assert np.unique(predicted.ids).tolist() == [0, 2, 3, 4]
    assert (predicted.ids[prediction == 1] == 2).all()
    assert predicted.ids[18, 18] == 0, "too small to be a thing"


def test_shapes_that_lie_on_each_other_by_their_order(tmp_path, rng):
    """In CVAT the higher one lies on top, whatever its size."""
    from PIL import Image as Pil

    (tmp_path / "images").mkdir()
    Pil.fromarray(rng.integers(0, 255, (60, 80, 3)).astype(np.uint8)).save(tmp_path / "images" / "a.png")
    (tmp_path / "annotations.xml").write_text(
        '<annotations><image id="0" name="a.png" width="80" height="60">'
        '<box label="cup" xtl="20" ytl="20" xbr="40" ybr="40" z_order="0"/>'
        '<box label="box" xtl="10" ytl="10" xbr="70" ybr="50" z_order="1"/></image></annotations>'
    )
    dataset = open_dataset(tmp_path)
    with Segmenter.open(tmp_path / "s", "builtin") as segmenter:
        ingest(segmenter, dataset, dataset.samples, IngestSettings("truth"))
        (outcome,) = judge_images(segmenter, dataset, dataset.samples, masks="oracle")
    place = {name: i for i, name in enumerate(dataset.class_names)}
    assert outcome.record.segments.tp_fp_fn[place["cup"], [0, 2]].sum() == 0, "the cup is hidden, nobody can miss it"
