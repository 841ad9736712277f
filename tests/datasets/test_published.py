"""Published sets on tiny trees of their real layout, with the traps of each."""

import json

import numpy as np
import pytest
from PIL import Image as Pil

from knnclip.datasets import detect_format, open_dataset
from knnclip.datasets.layouts import LAYOUTS
from knnclip.errors import DatasetError, ImageError
from tests.datasets.test_readers import put_image, put_labels

H, W = 40, 60


def blocks(*values):
    """Vertical stripes of these values."""
    return np.repeat(np.array(values), W // len(values))[None].repeat(H, 0)


def put_wide(path, values):
    """16 bits a pixel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Pil.fromarray(values.astype(np.uint16)).save(path)


def put_palette(path, values):
    """Indices into colours that are none: read as colours they would say something else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Pil.fromarray(values.astype(np.uint8), "P")
    picture.putpalette([i % 256 for i in range(768)])
    picture.save(path)


def put_mat(path, values):
    from scipy.io import savemat

    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"LabelMap": values.astype(np.uint16)})


def voc(root):
    """A border of 255, and an image without labels."""
    put_image(root / "JPEGImages" / "a.jpg")
    put_image(root / "JPEGImages" / "unlabelled.jpg")
    put_palette(root / "SegmentationClass" / "a.png", blocks(0, 255, 8, 20))


def voc_prepared(root):
    put_image(root / "images" / "validation" / "a.jpg")
    put_palette(root / "annotations_pascal21" / "validation" / "a.png", blocks(0, 255, 8, 20))


def context_png(root):
    put_image(root / "images" / "training" / "a.jpg")
    put_labels(root / "annotations_ctx59" / "training" / "a.png", blocks(255, 0, 1, 58))


def context_raw(root):
    put_image(root / "JPEGImages" / "a.jpg")
    put_palette(root / "SegmentationClass" / "b.png", blocks(0))  # VOC's own, of other images
    put_mat(root / "trainval" / "a.mat", blocks(0, 2, 284, 459))


def context_with_zero(root):
    put_image(root / "JPEGImages" / "a.jpg")
    put_labels(root / "SegmentationClassContext" / "a.png", blocks(0, 1, 2, 59))


def context_459(root):
    put_image(root / "images" / "validation" / "a.jpg")
    put_wide(root / "annotations_ctx459" / "validation" / "a.tif", blocks(65535, 0, 283, 458))


def ade(root):
    (root / "objectInfo150.txt").write_text("Idx\tRatio\tTrain\tVal\tName\n")
    for split in ("training", "validation"):
        put_image(root / "images" / split / "a.jpg")
        put_labels(root / "annotations" / split / "a.png", blocks(0, 1, 2, 150))


def ade_prepared(root):
    put_image(root / "images" / "training" / "a.jpg")
    put_labels(root / "annotations_detectron2" / "training" / "a.png", blocks(255, 0, 1, 149))


def ade_full(root):
    put_image(root / "images_detectron2" / "validation" / "a.jpg")
    put_wide(root / "annotations_detectron2" / "validation" / "a.tif", blocks(65535, 0, 255, 846))


def cityscapes(root):
    """Label ids that do not count, train ids beside them, and a test split without labels."""
    for split, city in (("train", "aachen"), ("test", "berlin")):
        name = f"{city}_000000_000019"
        put_image(root / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png")
        if split != "test":
            folder = root / "gtFine" / split / city
            put_labels(folder / f"{name}_gtFine_labelIds.png", blocks(3, 7, 26, 33))
            put_labels(folder / f"{name}_gtFine_labelTrainIds.png", blocks(255, 0, 13, 18))


def cityscapes_train_ids(root):
    put_image(root / "leftImg8bit" / "val" / "bonn" / "bonn_1_leftImg8bit.png")
    put_labels(root / "gtFine" / "val" / "bonn" / "bonn_1_gtFine_labelTrainIds.png", blocks(255, 0, 13, 18))


def mapillary(root):
    put_image(root / "training" / "images" / "a.jpg")
    put_palette(root / "training" / "labels" / "a.png", blocks(65, 0, 1, 64))


def mapillary_configured(root):
    put_image(root / "validation" / "images" / "a.jpg")
    put_palette(root / "validation" / "v2.0" / "labels" / "a.png", blocks(2, 0, 1, 3))
    labels = [
        {"readable": "Bird", "name": "animal--bird", "instances": True, "evaluate": True, "color": [1, 2, 3]},
        {"readable": "Curb", "name": "construction--curb", "instances": False, "evaluate": True, "color": [4, 5, 6]},
        {"readable": "Unlabeled", "name": "void", "instances": False, "evaluate": False, "color": [0, 0, 0]},
        {"readable": "Bird", "name": "animal--other-bird", "instances": True, "evaluate": True, "color": [7, 8, 9]},
    ]
    (root / "config_v2.0.json").write_text(json.dumps({"labels": labels}))


def coco_stuff(root):
    put_image(root / "val2017" / "000000000139.jpg")
    put_labels(root / "stuffthingmaps" / "val2017" / "000000000139.png", blocks(255, 0, 11, 181))


# How it is written, as what it is recognised, how many classes it has, and the classes of the four stripes.
CASES = {
    "voc": (voc, "voc", 21, ["background", None, "cat", "tv monitor"]),
    "voc, prepared": (voc_prepared, "voc", 21, ["background", None, "cat", "tv monitor"]),
    "context-59": (context_png, "context-59", 59, [None, "aeroplane", "bag", "wood"]),
    "context-60": (context_with_zero, "context-60", 60, ["background", "aeroplane", "bag", "wood"]),
    "context-459": (context_459, "context-459", 459, [None, "accordion", "person", "wool"]),
    "context-459, raw": (context_raw, "context-459", 459, [None, "aeroplane", "person", "wool"]),
    "ade20k": (ade, "ade20k", 150, [None, "wall", "building", "flag"]),
    "ade20k, prepared": (ade_prepared, "ade20k", 150, [None, "wall", "building", "flag"]),
    "ade20k-full": (ade_full, "ade20k-full", 847, [None, "wall", "pier", "adding machine"]),
    "cityscapes": (cityscapes, "cityscapes", 19, [None, "road", "car", "bicycle"]),
    "cityscapes, train ids": (cityscapes_train_ids, "cityscapes", 19, [None, "road", "car", "bicycle"]),
    "mapillary": (mapillary, "mapillary", 65, [None, "bird", "ground animal", "ego vehicle"]),
    "mapillary, 2.0": (mapillary_configured, "mapillary", 3, [None, "animal--bird", "curb", "animal--other-bird"]),
    "coco-stuff": (coco_stuff, "coco-stuff", 171, [None, "person", None, "wood"]),
}  # fmt: skip

# The same trees by the name of another benchmark.
CHOSEN = {
    "context-60": (context_png, 60, ["background", "aeroplane", "bag", "wood"]),
    "context-59": (context_with_zero, 59, [None, "aeroplane", "bag", "wood"]),
    "context-59, raw": (context_raw, 59, [None, "aeroplane", "person", None]),
}


def stripes(dataset):
    labelled = dataset.load(dataset.samples[0])
    return [dataset.class_names[i] if i >= 0 else None for i in labelled.label_map[0, ::15]]


@pytest.mark.parametrize("case", CASES)
def test_a_set_is_recognised_and_its_values_mean_what_they_should(tmp_path, case):
    write, name, count, expected = CASES[case]
    write(tmp_path)
    assert detect_format(tmp_path) == name
    dataset = open_dataset(tmp_path)
    assert (dataset.format, len(dataset.classes), dataset.rejected) == (name, count, ())
    assert not dataset.has_instances
    assert stripes(dataset) == expected
    labelled = dataset.load(dataset.samples[0])
    assert {item.class_name for item in labelled.instances} == {text for text in expected if text}
    assert all(label.color is not None for label in dataset.classes)


@pytest.mark.parametrize("case", CHOSEN)
def test_a_tree_read_as_another_benchmark(tmp_path, case):
    write, count, expected = CHOSEN[case]
    write(tmp_path)
    dataset = open_dataset(tmp_path, case.split(",")[0])
    assert (len(dataset.classes), stripes(dataset)) == (count, expected)


def test_every_layout_is_tested():
    assert {name for _, name, *_ in CASES.values()} == {layout.format for layout in LAYOUTS}
    assert len(CASES) + len(CHOSEN) == len(LAYOUTS) - 1, "one of Mapillary's versions stands for its third"


@pytest.mark.parametrize(
    ("write", "part", "count"),
    [
        (ade, "images/validation", 1),
        (ade, "annotations/training", 1),
        (ade, ".", 2),
        (cityscapes, "leftImg8bit/train", 1),
        (cityscapes, "leftImg8bit/train/aachen", 1),
        (mapillary, "training", 1),
        (coco_stuff, "val2017", 1),
    ],
)
def test_a_part_of_a_set(tmp_path, write, part, count):
    write(tmp_path)
    assert len(open_dataset(tmp_path / part).samples) == count


def test_a_list_of_images(tmp_path):
    voc(tmp_path)
    put_palette(tmp_path / "SegmentationClass" / "other.png", blocks(0))
    put_image(tmp_path / "JPEGImages" / "other.jpg")
    (tmp_path / "ImageSets" / "Segmentation").mkdir(parents=True)
    names = tmp_path / "ImageSets" / "Segmentation" / "val.txt"
    names.write_text("a\ngone\n")
    dataset = open_dataset(names)
    assert [sample.ref for sample in dataset.samples] == ["JPEGImages/a.jpg"]
    assert [(item.file.endswith("gone.jpg"), item.reason) for item in dataset.rejected] == [
        (True, "the image of labels is missing")
    ]


def test_twenty_classes_of_voc(tmp_path):
    voc(tmp_path)
    for name in ("background", "0"):
        twenty = open_dataset(tmp_path, ignore=[name])
        assert len(twenty.classes) == 20
        assert stripes(twenty) == [None, None, "cat", "tv monitor"]
    assert "tv monitor" not in open_dataset(tmp_path, ignore=["tvmonitor"]).class_names


def test_what_has_only_an_image_or_only_labels_is_counted(tmp_path):
    ade(tmp_path)
    put_image(tmp_path / "images" / "training" / "b.jpg")
    put_labels(tmp_path / "annotations" / "training" / "c.png", blocks(1))
    dataset = open_dataset(tmp_path)
    assert len(dataset.samples) == 2
    assert sorted((item.file.removeprefix(f"{tmp_path}/"), item.reason) for item in dataset.rejected) == [
        ("annotations/training/b.png", "the labels of an image are missing"),
        ("images/training/c.jpg", "the image of labels is missing"),
    ]


@pytest.mark.parametrize(
    ("write", "spoil", "error", "message"),
    [
        (ade, lambda root: put_labels(root / "annotations" / "training" / "a.png", blocks(151)), DatasetError,
         r"a\.png: index 151 is not in the list of classes"),
        (ade, lambda root: (root / "annotations" / "training" / "a.png").write_bytes(b"x"), ImageError, r"a\.png"),
        (context_raw, lambda root: (root / "trainval" / "a.mat").write_bytes(b"x" * 200), DatasetError,
         r"a\.mat: is no MATLAB file that can be read"),
        (voc, lambda root: (root / "JPEGImages" / "a.jpg").write_bytes(b"x"), ImageError, r"a\.jpg"),
    ],
)  # fmt: skip
def test_a_broken_file_is_an_error_of_its_image(tmp_path, write, spoil, error, message):
    write(tmp_path)
    dataset = open_dataset(tmp_path)
    spoil(tmp_path)
    with pytest.raises(error, match=message):
        dataset.load(dataset.samples[0])


# Objects: two cars that touch, in every set's own encoding of them.


def voc_objects(root):
    voc(root)
    put_palette(root / "SegmentationClass" / "a.png", blocks(0, 255, 7, 7, 15, 8))
    put_palette(root / "SegmentationObject" / "a.png", blocks(0, 255, 1, 2, 3, 255))


def ade_objects(root):
    """Car is 21 of the 150 and 9 of the things, person 13 and 4; a wall has no number, nor has the last car."""
    ade(root)
    put_labels(root / "annotations" / "training" / "a.png", blocks(0, 1, 21, 21, 13, 21))
    rgb = np.stack([blocks(0, 0, 9, 9, 4, 9), blocks(0, 0, 1, 2, 3, 0), blocks(0)], axis=-1)
    for split in ("training", "validation"):
        put_labels(root / "annotations_instance" / split / "a.png", rgb)


def cityscapes_objects(root):
    """The last car is a group."""
    cityscapes(root)
    folder = root / "gtFine" / "train" / "aachen"
    put_labels(folder / "aachen_000000_000019_gtFine_labelIds.png", blocks(3, 7, 26, 26, 24, 26))
    put_wide(folder / "aachen_000000_000019_gtFine_instanceIds.png", blocks(3, 7, 26000, 26001, 24000, 26))


def cityscapes_train_id_objects(root):
    cityscapes_objects(root)
    folder = root / "gtFine" / "train" / "aachen"
    (folder / "aachen_000000_000019_gtFine_labelIds.png").unlink()
    put_labels(folder / "aachen_000000_000019_gtFine_labelTrainIds.png", blocks(255, 0, 13, 13, 11, 13))


def mapillary_objects(root):
    """Car is 55, person 19, road 13; numbers begin at 0."""
    mapillary(root)
    labels, numbers = blocks(65, 13, 55, 55, 19, 65), blocks(0, 0, 0, 1, 0, 0)
    put_palette(root / "training" / "labels" / "a.png", labels)
    put_wide(root / "training" / "instances" / "a.png", labels * 256 + numbers)


OBJECTS = {
    "voc": (voc_objects, "background", []),
    "ade20k": (ade_objects, "wall", []),
    "cityscapes": (cityscapes_objects, "road", [("car", True)]),
    "cityscapes, train ids": (cityscapes_train_id_objects, "road", [("car", True)]),
    "mapillary": (mapillary_objects, "road", []),
}


@pytest.mark.parametrize("case", OBJECTS)
def test_objects_that_touch_are_told_apart(tmp_path, case):
    write, stuff, groups = OBJECTS[case]
    write(tmp_path)
    dataset = open_dataset(tmp_path)
    assert dataset.has_instances
    labelled = dataset.load(dataset.samples[0])
    found = [(item.class_name, item.is_crowd) for item in labelled.instances]
    assert sorted(found) == sorted([(stuff, False), ("car", False), ("car", False), ("person", False), *groups])
    assert all(item.mask.area == H * 10 for item in labelled.instances)
    assert {label.name for label in dataset.classes if label.is_thing} >= {"car", "person"}
    without = open_dataset(tmp_path, ignore=["car"])
    assert {item.class_name for item in without.load(without.samples[0]).instances} == {stuff, "person"}


def test_the_first_object_of_the_first_class_has_the_value_zero(tmp_path):
    mapillary(tmp_path)
    put_palette(tmp_path / "training" / "labels" / "a.png", blocks(0, 65))
    put_wide(tmp_path / "training" / "instances" / "a.png", blocks(0, 65 * 256))
    dataset = open_dataset(tmp_path)
    assert [(item.class_name, item.mask.area) for item in dataset.load(dataset.samples[0]).instances] == [
        ("bird", H * W // 2)
    ]


def test_a_missing_image_of_objects_is_an_error_of_its_image(tmp_path):
    ade_objects(tmp_path)
    (tmp_path / "annotations_instance" / "training" / "a.png").unlink()
    dataset = open_dataset(tmp_path)
    with pytest.raises(ImageError, match=r"annotations_instance/training/a\.png"):
        dataset.load(dataset.samples[0])
    assert dataset.load(dataset.samples[1]).instances


@pytest.mark.parametrize("name", sorted({layout.format for layout in LAYOUTS}))
def test_a_tree_without_labels_names_what_is_missing_and_what_is_there(tmp_path, name):
    (tmp_path / "photos").mkdir()
    layout = next(layout for layout in LAYOUTS if layout.format == name)
    missing = layout.described(layout.labels)
    with pytest.raises(DatasetError) as caught:
        open_dataset(tmp_path, name)
    assert missing in str(caught.value)
    assert "it holds photos/" in str(caught.value)


@pytest.mark.parametrize("case", CASES)
def test_a_tree_without_images_names_what_is_missing(tmp_path, case):
    write, name, *_ = CASES[case]
    write(tmp_path)
    for file in [*tmp_path.rglob("*.jpg"), *tmp_path.rglob("*_leftImg8bit.png")]:
        file.unlink()
    with pytest.raises(DatasetError, match=f"{name} has its images at "):
        open_dataset(tmp_path)


def test_a_configuration_that_is_none_is_an_error(tmp_path):
    mapillary_configured(tmp_path)
    (tmp_path / "config_v2.0.json").write_text('{"labels": [{"readable": "Bird"}]}')
    with pytest.raises(DatasetError, match=r"config_v2\.0\.json does not list the labels"):
        open_dataset(tmp_path)


def test_labels_of_a_later_mapillary_need_the_list_that_comes_with_them(tmp_path):
    """The list of 1.2 would name them wrongly."""
    mapillary_configured(tmp_path)
    (tmp_path / "config_v2.0.json").unlink()
    with pytest.raises(DatasetError, match=r"config_v2\.0\.json is missing"):
        open_dataset(tmp_path)
