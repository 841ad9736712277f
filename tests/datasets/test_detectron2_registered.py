"""Small sets in COCO's panoptic layout, registered by detectron2's own functions.

``make test-detectron2 SRC=...`` builds detectron2 from its source and runs these.
"""

import json

import numpy as np
import pytest
from PIL import Image as Pil

from knnclip.datasets import open_dataset
from knnclip.errors import DatasetError

pytest.importorskip(
    "detectron2", reason="detectron2 is not installed; `make test-detectron2 SRC=...` builds it and runs these"
)

PERSON, DOG, SKY, ROAD = 1, 18, 187, 149  # COCO's numbers; nothing but the last two is stuff
BOXES = {101: (PERSON, 2, 10, 12, 30), 102: (PERSON, 20, 10, 30, 30), 103: (DOG, 34, 20, 54, 34)}  # x0, y0, x1, y1
IGNORED = -1


def truth():
    """``(40, 60)``: the segments' ids; 0 is void. Sky above, road below, two persons and a dog."""
    ids = np.zeros((40, 60), np.int32)
    ids[:15], ids[15:38] = 1, 2
    for number, (_, x0, y0, x1, y1) in BOXES.items():
        ids[y0:y1, x0:x1] = number
    return ids


@pytest.fixture
def folder(tmp_path):
    """Images, panoptic and semantic maps, and both JSONs, as ``prepare_panoptic_fpn.py`` leaves them."""
    from detectron2.data.datasets.builtin_meta import _get_builtin_metadata

    for name in ("images", "panoptic", "semantic"):
        (tmp_path / name).mkdir()
    ids = truth()
    Pil.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)).save(tmp_path / "images" / "7.jpg")
    colours = np.stack([ids % 256, ids // 256, ids * 0], axis=2).astype(np.uint8)
    Pil.fromarray(colours).save(tmp_path / "panoptic" / "7.png")
    numbers = _get_builtin_metadata("coco_panoptic_separated")["stuff_dataset_id_to_contiguous_id"]
    semantic = np.zeros((40, 60), np.uint8)
    semantic[ids == 1], semantic[ids == 2], semantic[ids == 0] = numbers[SKY], numbers[ROAD], 255
    Pil.fromarray(semantic).save(tmp_path / "semantic" / "7.png")
    segments = [{"id": 1, "category_id": SKY}, {"id": 2, "category_id": ROAD}]
    segments += [{"id": number, "category_id": box[0]} for number, box in BOXES.items()]
    for segment in segments:
        segment["iscrowd"] = int(segment["id"] == 102)
    annotations = [
        {
            "id": number, "image_id": 7, "category_id": category, "iscrowd": 0, "bbox": [x0, y0, x1 - x0, y1 - y0],
            "segmentation": [[x0, y0, x1, y0, x1, y1, x0, y1]], "area": 1,
        }
        for number, (category, x0, y0, x1, y1) in BOXES.items()
    ]  # fmt: skip
    images = [{"id": 7, "file_name": "7.jpg", "width": 60, "height": 40}]
    both = [{"id": PERSON, "name": "person"}, {"id": DOG, "name": "dog"}]
    found = {"image_id": 7, "file_name": "7.png", "segments_info": segments}
    (tmp_path / "panoptic.json").write_text(json.dumps({"images": images, "annotations": [found]}))
    (tmp_path / "instances.json").write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": both})
    )
    return tmp_path


@pytest.fixture
def registered():
    """Registers sets whose names are free again afterwards."""
    from detectron2.data import DatasetCatalog, MetadataCatalog

    before = set(DatasetCatalog)
    yield
    for name in set(DatasetCatalog) - before:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


def named(dataset):
    """The label map of the only image, by name."""
    labelled = dataset.load(dataset.samples[0])
    names = np.array([*labelled.class_names, "void"])
    return names[labelled.label_map], labelled


def test_a_separated_set(folder, registered):
    from detectron2.data.datasets import register_coco_panoptic_separated
    from detectron2.data.datasets.builtin_meta import _get_builtin_metadata

    metadata = _get_builtin_metadata("coco_panoptic_separated")
    # detectron2 takes the names of things from the JSON of the instances.
    del metadata["thing_classes"], metadata["thing_dataset_id_to_contiguous_id"], metadata["thing_colors"]
    register_coco_panoptic_separated(
        "small", metadata, str(folder / "images"), str(folder / "panoptic"), str(folder / "panoptic.json"),
        str(folder / "semantic"), str(folder / "instances.json"),
    )  # fmt: skip
    dataset = open_dataset("detectron2:small_separated")
    names, labelled = named(dataset)
    assert labelled.rejected == ()
    assert "things" not in dataset.class_names
    assert {label.name for label in dataset.classes if label.is_thing} == {"person", "dog"}
    for box in ((3, 11), (25, 25)):
        assert names[box[1], box[0]] == "person"
    assert [names[25, 40], names[0, 0], names[36, 0], names[39, 0]] == ["dog", "sky", "road", "void"]
    assert sorted(item.class_name for item in labelled.instances) == ["dog", "person", "person", "road", "sky"]
    assert [item.mask.area for item in labelled.instances if item.class_name == "dog"] == [20 * 14]
    assert dataset.has_instances


def test_the_semantic_half_of_a_separated_set(folder, registered):
    from detectron2.data.datasets import register_coco_panoptic_separated
    from detectron2.data.datasets.builtin_meta import _get_builtin_metadata

    register_coco_panoptic_separated(
        "small", _get_builtin_metadata("coco_panoptic_separated"), str(folder / "images"), str(folder / "panoptic"),
        str(folder / "panoptic.json"), str(folder / "semantic"), str(folder / "instances.json"),
    )  # fmt: skip
    dataset = open_dataset("detectron2:small_stuffonly")
    names, labelled = named(dataset)
    assert len(dataset.classes) == 53
    assert not dataset.has_instances
    assert [names[0, 0], names[25, 25]] == ["sky", "void"], "it does not say which thing"
    assert {item.class_name for item in labelled.instances} == {"sky", "road"}


def test_a_standard_panoptic_set(folder, registered):
    from detectron2.data.datasets import register_coco_panoptic
    from detectron2.data.datasets.builtin_meta import _get_builtin_metadata

    register_coco_panoptic(
        "small", _get_builtin_metadata("coco_panoptic_standard"), str(folder / "images"), str(folder / "panoptic"),
        str(folder / "panoptic.json"), str(folder / "instances.json"),
    )  # fmt: skip
    dataset = open_dataset("detectron2:small", ignore=["sky-other-merged"])
    names, labelled = named(dataset)
    assert len(dataset.classes) == 132
    assert sum(label.is_thing for label in dataset.classes) == 80
    assert [names[25, 5], names[25, 40], names[36, 0], names[39, 0], names[0, 0]] == [
        "person", "dog", "road", "void", "void"
    ]  # fmt: skip
    assert names[25, 25] == "void", "a crowd"
    assert labelled.rejected == ()
    assert sorted(item.class_name for item in labelled.instances) == ["dog", "person", "person", "road"]
    assert len(dataset.files(dataset.samples[0])) == 2


def test_an_instance_set(folder, registered):
    from detectron2.data.datasets import register_coco_instances

    register_coco_instances("small", {}, str(folder / "instances.json"), str(folder / "images"))
    names, labelled = named(open_dataset("detectron2:small"))
    assert [names[25, 5], names[25, 40], names[0, 0]] == ["person", "dog", "void"]
    assert len(labelled.instances) == 3


def test_a_set_of_its_own_whose_files_are_elsewhere_is_an_error(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetError, match=r"its files cannot be read \(.*DETECTRON2_DATASETS"):
        open_dataset("detectron2:coco_2017_val_panoptic_separated")
