"""What exports say of an object beside its mask: why it is called so, and where it is."""

import csv
import json
from xml.etree import ElementTree

import numpy as np
import pytest

from knnclip.output.exports import Answered, export
from knnclip.output.exports.xml import attribute, content
from knnclip.vocabulary import ClassInfo, Vocabulary
from tests.output.exports.made import answered, picture, segmentation_of

LABELS = np.zeros((10, 20), np.int32)
LABELS[2:5, 4:8] = 1
REASONS = {"score": 0.125, "decision": "retrieval", "segment_id": 1}
NEAREST = {"instance_id": 7, "similarity": 0.875, "class": "back\\slash", "image": "b.jpg"}


@pytest.fixture
def out(tmp_path):
    export([answered(tmp_path / "a.png", LABELS)], tmp_path, ["coco", "coco-panoptic", "labelme", "cvat", "csv"])
    return tmp_path


@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("coco/annotations/instances_default.json", lambda content: content["annotations"][0]),
        (
            "coco-panoptic/annotations/panoptic_default.json",
            lambda content: content["annotations"][0]["segments_info"][0],
        ),
        ("labelme/a.json", lambda content: content["shapes"][0]),
    ],
)
def test_json_has_score_decision_and_the_nearest_instance(out, file, place):
    assert {**REASONS, "nearest": NEAREST}.items() <= place(json.loads((out / file).read_text())).items()


def test_cvat_has_them_as_attributes_that_its_labels_declare(out):
    root = ElementTree.parse(out / "cvat" / "annotations.xml").getroot()
    said = {item.get("name"): item.text for item in root.iterfind("image/polygon/attribute")}
    assert said == {"score": "0.125", "decision": "retrieval", "nearest_image": "b.jpg", "nearest_similarity": "0.875"}
    label = root.find("meta/task/labels/label")
    assert [item.text for item in label.iterfind("attributes/attribute/name")] == list(said)


def test_the_table_has_area_box_centre_and_evidence(out):
    with (out / "csv" / "objects.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert row == {
        "image": str(out / "a.png"), "object": "1", "class": "back\\slash", "kind": "thing", "confidence": "0.125",
        "decision": "retrieval", "area_px": "12", "area_share": "0.06", "x0": "4", "y0": "2", "x1": "8", "y1": "5",
        "centre_x": "6.0", "centre_y": "3.5", "nearest_image": "b.jpg", "nearest_class": "back\\slash",
        "nearest_similarity": "0.875", "nearest_instance": "7",
    }  # fmt: skip


def test_a_name_that_a_spreadsheet_would_run_is_text(tmp_path):
    classes = Vocabulary.of([ClassInfo(1, '=1+1,\n"2"', True, (1, 2, 3))])
    given = Answered(picture(tmp_path / "a.png", (10, 20)), (10, 20), segmentation_of(LABELS, classes))
    export([given], tmp_path, ["csv"])
    with (tmp_path / "csv" / "objects.csv").open(newline="", encoding="utf-8") as file:
        assert [row["class"] for row in csv.DictReader(file)] == ['\'=1+1,\n"2"']


def test_any_text_stands_in_xml():
    text = "a<b>&\"c' \n\r\t\x01\ud800東"
    root = ElementTree.fromstring(f"<x y={attribute(text)}>{content(text)}</x>")
    assert root.text == root.get("y") == "a<b>&\"c' \n\r\t\\x01\\ud800東"
