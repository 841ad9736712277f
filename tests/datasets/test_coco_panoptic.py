"""COCO panoptic on a tiny tree with its traps, ADE20K's in the same form, and a real sample."""

import json

import numpy as np
import pytest
from PIL import Image as Pil

from knnclip.datasets import detect_format, open_dataset
from knnclip.errors import DatasetError, InputError
from tests.datasets.test_published import ade, blocks
from tests.datasets.test_readers import put_image


def put_ids(path, ids):
    path.parent.mkdir(parents=True, exist_ok=True)
    rgb = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=2).astype(np.uint8)
    Pil.fromarray(rgb).save(path)


@pytest.fixture
def panoptic(tmp_path):
    """Ids beyond 16 bits, a crowd, a category of another set, and a segment without a pixel."""
    put_image(tmp_path / "val2017" / "000000000009.jpg")
    put_ids(tmp_path / "annotations" / "panoptic_val2017" / "000000000009.png", blocks(0, 70_000, 300, 5))
    segments = [
        {"id": 70_000, "category_id": 1, "iscrowd": 0}, {"id": 300, "category_id": 200, "iscrowd": 0},
        {"id": 5, "category_id": 1, "iscrowd": 1}, {"id": 77, "category_id": 1}, {"id": 300, "category_id": 4},
    ]  # fmt: skip
    content = {
        "images": [{"id": 9, "file_name": "000000000009.jpg"}, {"id": 10, "file_name": "000000000010.jpg"}],
        "annotations": [
            {"image_id": 9, "file_name": "000000000009.png", "segments_info": segments},
            {"image_id": 10, "file_name": "000000000010.png", "segments_info": []},
        ],
        "categories": [{"id": 1, "name": "person", "isthing": 1}, {"id": 200, "name": "rug-merged", "isthing": 0}],
    }
    (tmp_path / "annotations" / "panoptic_val2017.json").write_text(json.dumps(content))
    return tmp_path


def test_coco_panoptic(panoptic):
    dataset = open_dataset(panoptic)
    assert (dataset.format, dataset.class_names) == ("coco-panoptic", ("person", "rug"))
    assert dataset.has_instances
    assert [label.is_thing for label in dataset.classes] == [True, False]
    assert [label.color for label in dataset.classes] == [(220, 20, 60), (250, 141, 255)]
    assert [rejection.place for rejection in dataset.rejected] == ["image 10"]
    labelled = dataset.load(dataset.samples[0])
    assert labelled.label_map[0, ::15].tolist() == [-1, 0, 1, -1]
    assert [(item.class_name, item.is_crowd) for item in labelled.instances] == [
        ("person", False), ("rug", False), ("person", True),
    ]  # fmt: skip
    assert [rejection.place for rejection in labelled.rejected] == ["segment 77", "segment 300"]
    for name in ("rug", "rug-merged", "200"):
        assert open_dataset(panoptic, ignore=[name]).class_names == ("person",)


def test_the_names_of_another_set_stay_as_they_are(panoptic):
    file = panoptic / "annotations" / "panoptic_val2017.json"
    file.write_text(file.read_text().replace("rug-merged", "sky"))
    dataset = open_dataset(panoptic)
    assert [(label.name, label.color) for label in dataset.classes] == [("person", None), ("sky", None)]


def test_ade20k_prepared_as_panoptic(tmp_path):
    ade(tmp_path)
    put_ids(tmp_path / "ade20k_panoptic_val" / "a.png", blocks(0, 1, 300, 20))
    content = {
        "images": [{"id": "a", "file_name": "a.jpg"}],
        "annotations": [{"image_id": "a", "file_name": "a.png", "segments_info": [
            {"id": 1, "category_id": 0}, {"id": 300, "category_id": 20}, {"id": 20, "category_id": 20}]}],
        "categories": [{"id": 0, "name": "wall", "isthing": 0}, {"id": 20, "name": "car", "isthing": 1}],
    }  # fmt: skip
    file = tmp_path / "ade20k_panoptic_val.json"
    file.write_text(json.dumps(content))
    assert [detect_format(path) for path in (tmp_path, file)] == ["ade20k", "coco-panoptic"]
    dataset = open_dataset(file)
    assert dataset.samples[0].image_path == tmp_path / "images" / "validation" / "a.jpg"
    labelled = dataset.load(dataset.samples[0])
    assert [item.class_name for item in labelled.instances] == ["wall", "car", "car"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a COCO panoptic JSON"),
        ('{"categories": [], "annotations": 3}', "is not a COCO panoptic JSON"),
    ],
)
def test_a_file_that_is_none_is_an_error(panoptic, text, message):
    (panoptic / "annotations" / "panoptic_val2017.json").write_text(text)
    with pytest.raises(InputError, match=message):
        open_dataset(panoptic)


def test_a_tree_without_its_pngs_is_an_error(panoptic):
    for file in (panoptic / "annotations" / "panoptic_val2017").iterdir():
        file.unlink()
    (panoptic / "annotations" / "panoptic_val2017").rmdir()
    with pytest.raises(DatasetError, match=r"has not one panoptic\*\.json .* it holds annotations/, val2017/"):
        open_dataset(panoptic, "coco-panoptic")


def test_the_real_panoptic_sample(shared_data):
    dataset = open_dataset(shared_data / "panoptic_sample" / "panoptic_examples.json")
    assert (dataset.format, len(dataset.class_names), len(dataset.samples)) == ("coco-panoptic", 133, 2)
    assert {"grass", "wall", "brick wall"} <= set(dataset.class_names)
    loaded = [dataset.load(sample) for sample in dataset.samples]
    assert not any(labelled.rejected for labelled in loaded)
    assert sum(len(labelled.instances) for labelled in loaded) == 50
    assert np.mean([(labelled.label_map >= 0).mean() for labelled in loaded]) > 0.8
