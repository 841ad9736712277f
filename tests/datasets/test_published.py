"""Published sets on tiny trees of their real layout, with the traps of each."""

import json

import numpy as np
import pytest
from PIL import Image as Pil

from knnclip.cli.datasets import TREES
from knnclip.datasets import FORMATS, detect_format, open_dataset
from knnclip.errors import DatasetError
from tests.datasets.test_readers import put_image, put_labels

SHAPE = (40, 60)


def blocks(*values):
    """Vertical stripes of these values."""
    return np.repeat(np.array(values), SHAPE[1] // len(values))[None].repeat(SHAPE[0], 0)


@pytest.fixture
def voc(tmp_path):
    """A palette image with a border of 255 between the object and the background."""
    root = tmp_path / "VOC2012"
    for name in ("one", "two"):
        put_image(root / "JPEGImages" / f"{name}.jpg")
        (root / "SegmentationClass").mkdir(exist_ok=True)
        picture = Pil.fromarray(blocks(0, 255, 8, 20).astype(np.uint8), "P")
        picture.putpalette([i % 256 for i in range(768)])
        picture.save(root / "SegmentationClass" / f"{name}.png")
    put_image(root / "JPEGImages" / "unlabelled.jpg")
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text("two\n")
    return root


def test_voc(voc):
    dataset = open_dataset(voc)
    assert (dataset.format, len(dataset.class_names), len(dataset.samples)) == ("voc", 21, 2)
    labelled = dataset.load(dataset.samples[0])
    names = [dataset.class_names[i] if i >= 0 else None for i in labelled.label_map[0, ::15]]
    assert names == ["background", None, "cat", "tv monitor"]
    split = open_dataset(voc / "ImageSets" / "Segmentation" / "val.txt")
    assert [sample.ref for sample in split.samples] == ["JPEGImages/two.jpg"]
    twenty = open_dataset(voc, ignore=["background"])
    assert len(twenty.class_names) == 20
    assert (twenty.load(twenty.samples[0]).label_map[:, :30] == -1).all()


@pytest.fixture
def ade(tmp_path):
    root = tmp_path / "ADEChallengeData2016"
    (root).mkdir()
    (root / "objectInfo150.txt").write_text(
        "Idx\tRatio\tTrain\tVal\tName\n1\t0.1\t1\t1\twall\n2\t0.1\t1\t1\tbuilding, edifice\n3\t0.1\t1\t1\tsky\n"
    )
    for split in ("training", "validation"):
        put_image(root / "images" / split / "a.jpg")
        put_labels(root / "annotations" / split / "a.png", blocks(0, 1, 2, 3))
    return root


def test_ade20k_begins_at_one_and_zero_is_void(ade):
    dataset = open_dataset(ade)
    assert (dataset.format, dataset.class_names) == ("ade20k", ("wall", "building", "sky"))
    assert len(dataset.samples) == 2
    labelled = dataset.load(dataset.samples[0])
    assert labelled.label_map[0, ::15].tolist() == [-1, 0, 1, 2]
    split = open_dataset(ade / "images" / "validation")
    assert [sample.ref for sample in split.samples] == ["images/validation/a.jpg"]
    assert split.load(split.samples[0]).label_map[0, 20] == 0


def test_cityscapes_counts_nineteen_of_its_label_ids(tmp_path):
    for split, city in (("train", "aachen"), ("val", "bonn"), ("test", "berlin")):
        name = f"{city}_000000_000019"
        put_image(tmp_path / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png")
        if split != "test":
            folder = tmp_path / "gtFine" / split / city
            put_labels(folder / f"{name}_gtFine_labelIds.png", blocks(3, 7, 26, 29, 33))
            put_labels(folder / f"{name}_gtFine_labelTrainIds.png", blocks(255, 0, 13, 255, 18))
    dataset = open_dataset(tmp_path)
    assert (dataset.format, len(dataset.class_names), len(dataset.samples)) == ("cityscapes", 19, 2)
    labelled = dataset.load(dataset.samples[0])
    names = [dataset.class_names[i] if i >= 0 else None for i in labelled.label_map[0, ::12]]
    assert names == [None, "road", "car", None, "bicycle"]
    assert {item.class_name for item in labelled.instances} == {"road", "car", "bicycle"}
    assert len(open_dataset(tmp_path / "leftImg8bit" / "val").samples) == 1


@pytest.fixture
def panoptic(tmp_path):
    """Ids beyond 16 bits, a crowd, a category of another set, and a segment without a pixel."""
    ids = blocks(0, 70_000, 300, 5)
    rgb = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=2).astype(np.uint8)
    put_image(tmp_path / "val2017" / "000000000009.jpg")
    (tmp_path / "annotations" / "panoptic_val2017").mkdir(parents=True)
    Pil.fromarray(rgb).save(tmp_path / "annotations" / "panoptic_val2017" / "000000000009.png")
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
        "categories": [{"id": 1, "name": "person", "isthing": 1}, {"id": 200, "name": "rug", "isthing": 0}],
    }
    (tmp_path / "annotations" / "panoptic_val2017.json").write_text(json.dumps(content))
    return tmp_path


def test_coco_panoptic(panoptic):
    dataset = open_dataset(panoptic)
    assert (dataset.format, dataset.class_names) == ("coco-panoptic", ("person", "rug"))
    assert [label.is_thing for label in dataset.classes] == [True, False]
    assert [rejection.row for rejection in dataset.rejected] == ["image 10"]
    labelled = dataset.load(dataset.samples[0])
    assert labelled.label_map[0, ::15].tolist() == [-1, 0, 1, -1]
    assert [(item.class_name, item.is_crowd) for item in labelled.instances] == [
        ("person", False), ("rug", False), ("person", True),
    ]  # fmt: skip
    assert [rejection.row for rejection in labelled.rejected] == ["segment 77", "segment 300"]
    assert open_dataset(panoptic, ignore=["rug"]).class_names == ("person",)


def test_the_real_panoptic_sample(shared_data):
    dataset = open_dataset(shared_data / "panoptic_sample" / "panoptic_examples.json")
    assert (dataset.format, len(dataset.class_names), len(dataset.samples)) == ("coco-panoptic", 133, 2)
    loaded = [dataset.load(sample) for sample in dataset.samples]
    assert not any(labelled.rejected for labelled in loaded)
    assert sum(len(labelled.instances) + labelled.too_small for labelled in loaded) == 50
    assert np.mean([(labelled.label_map >= 0).mean() for labelled in loaded]) > 0.8


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("voc", lambda root: [file.unlink() for file in (root / "SegmentationClass").iterdir()], "has no images"),
        ("ade", lambda root: (root / "objectInfo150.txt").write_text("Idx\n"), "has no class"),
    ],
)
def test_a_wrong_tree_is_an_error(request, name, spoil, message):
    root = request.getfixturevalue(name)
    spoil(root)
    with pytest.raises(DatasetError, match=message):
        open_dataset(root)


def test_every_format_is_listed_and_recognised_by_its_layout(voc, ade, panoptic):
    assert set(TREES) == {*FORMATS, "detectron2:NAME"}
    assert [detect_format(root) for root in (voc, ade)] == ["voc", "ade20k"]
