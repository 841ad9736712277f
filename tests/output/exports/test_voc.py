"""Pascal VOC: numbers beyond a byte, boxes, and a class that is called as VOC calls what is no object."""

from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image as Pil

from knnclip.datasets import open_dataset
from knnclip.output.exports import Answered, export
from knnclip.output.exports.voc import palette_color
from knnclip.vocabulary import ClassInfo, Vocabulary
from tests.output.exports.made import answered, objects_of, picture, segmentation_of


def test_the_palette_is_that_of_pascal_voc():
    assert [palette_color(value) for value in (0, 1, 7, 8, 19, 255)] == [
        (0, 0, 0), (128, 0, 0), (128, 128, 128), (64, 0, 0), (128, 192, 0), (224, 224, 192),
    ]  # fmt: skip


def test_hundreds_of_classes_and_objects_are_read_back(tmp_path):
    classes = Vocabulary.of(ClassInfo(number, f"class {number}", True, (1, 2, 3)) for number in range(1, 301))
    labels = np.zeros((40, 60), np.int32)
    for number in range(1, 301):
        labels[number // 30 * 2, number % 30 * 2] = number
    given = Answered(picture(tmp_path / "a.png"), labels.shape, segmentation_of(labels, classes))
    export([given], tmp_path / "out", ["voc"])
    dataset = open_dataset(tmp_path / "out" / "voc", ignore=["background"])
    labelled = dataset.load(dataset.samples[0])
    assert len(dataset.class_names) == 300
    found = sorted((item.class_name, item.mask.to_dense().tobytes()) for item in labelled.instances)
    assert found == objects_of(given.segmentation)


def test_a_class_called_background_is_that_of_vocs(tmp_path):
    classes = Vocabulary.of([ClassInfo(1, "background", False, (1, 2, 3)), ClassInfo(2, "car", True, (4, 5, 6))])
    labels = np.zeros((4, 6), np.int32)
    labels[1], labels[2] = 1, 2
    export([Answered(picture(tmp_path / "a.png", (4, 6)), (4, 6), segmentation_of(labels, classes))], tmp_path, ["voc"])
    dataset = open_dataset(tmp_path / "voc")
    assert dataset.class_names == ("background", "car")
    assert dataset.load(dataset.samples[0]).label_map[:, 0].tolist() == [0, 0, 1, 0]


def test_boxes_count_from_one_and_hold_their_last_pixel(tmp_path):
    labels = np.zeros((40, 60), np.int32)
    labels[3:8, 10:25] = 1
    export([answered(tmp_path / "a & b.png", labels)], tmp_path / "out", ["voc"])
    root = ElementTree.parse(tmp_path / "out" / "voc" / "Annotations" / "a & b.xml").getroot()
    assert root.findtext("filename") == "a & b.png"
    assert [int(edge.text) for edge in root.find("object/bndbox")] == [11, 4, 25, 8]
    said = {item.findtext("name"): item.findtext("value") for item in root.iter("attribute")}
    assert said["score"] == "0.125"
    assert said["nearest_image"] == "b.jpg"


@pytest.mark.parametrize(
    ("folder", "color"), [("SegmentationClass", (128, 128, 128)), ("SegmentationObject", (128, 0, 0))]
)
def test_maps_have_the_colours_of_their_values(tmp_path, folder, color):
    export([answered(tmp_path / "a.png", np.ones((4, 6), np.int32))], tmp_path / "out", ["voc"])
    with Pil.open(tmp_path / "out" / "voc" / folder / "a.png") as found:
        assert found.mode == "P"
        assert found.convert("RGB").getpixel((0, 0)) == color
