"""COCO's categories with their gaps, LVIS, and ADE20K in COCO's form, on tiny trees."""

import json

import pytest

from knnclip.datasets import detect_format, open_dataset
from knnclip.datasets.base import IGNORED
from knnclip.errors import DatasetError, InputError
from tests.datasets.test_published import ade
from tests.datasets.test_readers import put_image

SQUARE = [[10, 10, 20, 10, 20, 20, 10, 20]]


def write(file, images, categories, annotations):
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {"images": images, "categories": categories, "annotations": annotations}
    file.write_text(json.dumps(content))
    return file


def test_categories_have_gaps(tmp_path):
    put_image(tmp_path / "val2017" / "9.jpg")
    write(
        tmp_path / "annotations" / "instances_val2017.json",
        [{"id": 9, "file_name": "9.jpg"}],
        [{"id": 1, "name": "person"}, {"id": 13, "name": "stop sign"}, {"id": 90, "name": "toothbrush"}],
        [{"id": 1, "image_id": 9, "category_id": 90, "segmentation": SQUARE},
         {"id": 2, "image_id": 9, "category_id": 12, "segmentation": SQUARE}],
    )  # fmt: skip
    dataset = open_dataset(tmp_path)
    assert dataset.class_names == ("person", "stop sign", "toothbrush")
    assert dataset.classes[0].color == (220, 20, 60)
    assert dataset.classes[0].synonyms == ("human",)
    labelled = dataset.load(dataset.samples[0])
    assert [item.class_name for item in labelled.instances] == ["toothbrush"]
    assert labelled.label_map[15, 15] == 2
    assert [item.place for item in labelled.rejected] == ["annotation 2"]


def test_two_splits_in_a_folder_are_named(tmp_path):
    for split in ("train", "val"):
        write(tmp_path / "annotations" / f"instances_{split}.json", [], [], [])
    with pytest.raises(DatasetError, match=r"instances_train\.json, annotations/instances_val\.json\); pass the file"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(("name", "expected"), [("coco", "has no instances.json"), ("lvis", "has no lvis_v1_SPLIT")])
def test_a_tree_without_its_json_says_so(tmp_path, name, expected):
    put_image(tmp_path / "val2017" / "9.jpg")
    with pytest.raises(DatasetError, match=rf"{expected}.*it holds val2017/"):
        open_dataset(tmp_path, name)


@pytest.fixture
def lvis(tmp_path):
    """Blanks as underscores, a synonym that is another class's name, and images by their address."""
    put_image(tmp_path / "val2017" / "000000397133.jpg")
    put_image(tmp_path / "train2017" / "000000000009.jpg")
    address = "http://images.cocodataset.org/{}"
    return write(
        tmp_path / "lvis_v1_val.json",
        [{"id": 1, "coco_url": address.format("val2017/000000397133.jpg"), "height": 40, "width": 60,
          "neg_category_ids": [3], "not_exhaustive_category_ids": []},
         {"id": 2, "coco_url": address.format("train2017/000000000009.jpg"), "height": 40, "width": 60},
         {"id": 3, "coco_url": address.format("val2017/gone.jpg"), "height": 40, "width": 60}],
        [{"id": 1, "name": "aerosol_can", "synonyms": ["aerosol_can", "spray_can"], "frequency": "c"},
         {"id": 2, "name": "cap_(headwear)", "synonyms": ["cap_(headwear)", "hat"], "frequency": "f"},
         {"id": 3, "name": "hat", "synonyms": ["hat"], "frequency": "f"}],
        [{"id": 1, "image_id": 1, "category_id": 2, "segmentation": SQUARE}],
    )  # fmt: skip


def test_lvis(lvis):
    assert [detect_format(path) for path in (lvis, lvis.parent)] == ["lvis", "lvis"]
    dataset = open_dataset(lvis.parent)
    assert (dataset.format, dataset.has_instances) == ("lvis", True)
    assert dataset.class_names == ("aerosol can", "cap (headwear)", "hat")
    assert [label.synonyms for label in dataset.classes] == [
        ("aerosol_can", "spray_can", "spray can"), ("cap_(headwear)",), (),
    ]  # fmt: skip
    assert [sample.ref for sample in dataset.samples] == ["val2017/000000397133.jpg", "train2017/000000000009.jpg"]
    assert [item.place for item in dataset.rejected] == ["image 3"]
    labelled = dataset.load(dataset.samples[0])
    assert [item.class_name for item in labelled.instances] == ["cap (headwear)"]
    assert (labelled.label_map == IGNORED).sum() == 40 * 60 - 100, "what is not annotated is unknown"
    assert open_dataset(lvis, ignore=["spray_can"]).class_names == ("cap (headwear)", "hat")


def test_an_image_without_a_name_is_rejected(lvis):
    write(lvis, [{"id": 1}], [{"id": 1, "name": "hat", "synonyms": ["hat"]}], [])
    (rejection,) = open_dataset(lvis).rejected
    assert rejection.place == "image 1"
    assert "has neither file_name nor coco_url" in rejection.reason


def test_ade20k_prepared_as_instances(tmp_path):
    ade(tmp_path)
    file = write(
        tmp_path / "ade20k_instance_train.json",
        [{"id": "a", "file_name": "a.jpg"}],
        [{"id": 8, "name": "windowpane, window"}, {"id": 20, "name": "car"}],
        [{"id": 1, "image_id": "a", "category_id": 8, "segmentation": SQUARE}],
    )
    assert [detect_format(path) for path in (tmp_path, file)] == ["ade20k", "coco"]
    dataset = open_dataset(file)
    assert dataset.class_names == ("windowpane", "car")
    assert dataset.samples[0].image_path == tmp_path / "images" / "training" / "a.jpg"
    assert len(dataset.load(dataset.samples[0]).instances) == 1


def test_annotations_for_another_size_are_an_error(tmp_path):
    put_image(tmp_path / "images" / "a.jpg")
    write(tmp_path / "instances.json", [{"id": 1, "file_name": "a.jpg", "height": 80, "width": 120}], [], [])
    dataset = open_dataset(tmp_path)
    with pytest.raises(DatasetError, match=r"image a\.jpg: the labels are for 120x80 px, the image has 60x40 px"):
        dataset.load(dataset.samples[0])


@pytest.mark.parametrize(
    "content",
    [
        {"images": 3, "categories": [], "annotations": []},
        {"images": [], "categories": {}, "annotations": []},
        {"images": [], "categories": [], "annotations": None},
    ],
)
def test_lists_that_are_none_are_an_error_of_the_file(tmp_path, content):
    (tmp_path / "instances.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"instances\.json is not COCO instances"):
        open_dataset(tmp_path)
