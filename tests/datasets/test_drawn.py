"""LabelMe and CVAT on tiny trees, with what their tools really write."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image as Pil

from knnclip.datasets import open_dataset
from knnclip.errors import DatasetError, InputError
from tests.datasets.test_readers import put_image


def shape(kind, points, label="cat", group=None, **more):
    return {"label": label, "points": points, "group_id": group, "shape_type": kind, **more}


@pytest.fixture
def labelme(tmp_path):
    put_image(tmp_path / "a.jpg")
    file = io.BytesIO()
    Pil.fromarray(np.ones((8, 10), np.uint8)).save(file, "PNG")
    shapes = [
        shape("polygon", [[0, 0], [10, 0], [10, 10], [0, 10]], group=1),
        shape("polygon", [[20, 0], [30, 0], [30, 10], [20, 10]], group=1),
        shape("rectangle", [[50, 30], [40, 20]], "dog"),  # corners the wrong way round
        shape("circle", [[20, 30], [25, 30]], "ball"),
        shape("mask", [[5, 25], [15, 33]], "cat", mask=base64.b64encode(file.getvalue()).decode()),
        shape("line", [[0, 0], [9, 9]]),
        shape("mask", [[5, 25]], "cat", mask="no picture"),
        shape("polygon", [[0, 0], [1, 1]]),
    ]
    content = {"version": "5.0", "imagePath": "..\\photos\\a.jpg", "imageData": None, "shapes": shapes}
    (tmp_path / "a.json").write_text(json.dumps(content))
    (tmp_path / "b.json").write_text(json.dumps({**content, "imagePath": "b.jpg"}))
    return tmp_path


def test_labelme(labelme):
    dataset = open_dataset(labelme)
    assert (dataset.format, dataset.class_names) == ("labelme", ("ball", "cat", "dog"))
    assert [rejection.reason for rejection in dataset.rejected] == ["its image b.jpg is missing"]
    labelled = dataset.load(dataset.samples[0])
    areas = {(item.class_name, item.mask.area) for item in labelled.instances}
    assert {("cat", 200), ("dog", 100), ("cat", 80)} <= areas, "parts of a group are one instance"
    ball = next(item.mask.area for item in labelled.instances if item.class_name == "ball")
    assert ball == pytest.approx(np.pi * 25, rel=0.1)
    assert labelled.label_map[25, 45] == 2
    assert [rejection.place for rejection in labelled.rejected] == ["shape 5", "shape 6", "shape 7"]


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
 <image id="0" name="one.jpg" width="60" height="40">
  <polygon label="car" points="0.0,0.0;20.0,0.0;20.0,20.0;0.0,20.0" z_order="2"/>
  <box label="road" xtl="0" ytl="0" xbr="60" ybr="30" z_order="1"/>
  <box label="sign" xtl="10" ytl="0" xbr="58" ybr="38" z_order="0"/>
  <mask label="cat" rle="2, 3, 5, 50" left="40" top="30" width="10" height="6" z_order="3"/>
  <mask label="cat" rle="2, 3" left="40" top="30" width="10" height="6" z_order="4"/>
  <polyline label="car" points="0,0;5,5" z_order="4"/>
  <tag label="sunny"/>
 </image>
 <image id="1" name="gone.jpg" width="60" height="40"/>
</annotations>"""


@pytest.fixture
def cvat(tmp_path):
    put_image(tmp_path / "images" / "one.jpg")
    (tmp_path / "annotations.xml").write_text(CVAT)
    return tmp_path


def test_cvat(cvat):
    dataset = open_dataset(cvat, ignore=["sunny"])
    assert (dataset.format, dataset.class_names) == ("cvat", ("car", "cat", "road", "sign"))
    assert [rejection.place for rejection in dataset.rejected] == ["image gone.jpg"]
    labelled = dataset.load(dataset.samples[0])
    names = np.array([*dataset.class_names, "nothing"])[labelled.label_map]
    # What is higher lies on top, whatever its size.
    assert (names[5, 5], names[5, 30], names[35, 30], names[39, 1]) == ("car", "road", "sign", "nothing")
    # Runs go along the rows of the crop, zeros first.
    assert names[30, 40:50].tolist() == ["sign"] * 2 + ["cat"] * 3 + ["sign"] * 5
    assert (names[31:36, 40:50] == "cat").all()
    assert len(labelled.rejected) == 2
    assert open_dataset(cvat / "annotations.xml").class_names[-1] == "sunny"


@pytest.mark.parametrize(("text", "message"), [("<a", "is not XML"), ("<annotations/>", "has no images")])
def test_a_broken_file_is_an_error(cvat, text, message):
    (cvat / "annotations.xml").write_text(text)
    with pytest.raises(InputError, match=message):
        open_dataset(cvat)


def test_broken_labelme_files_are_counted(labelme):
    (labelme / "c.json").write_text("{")
    (labelme / "d.json").write_bytes(b"\xff\xfe")
    (labelme / "e.json").write_text(json.dumps({"imagePath": "a.jpg", "shapes": [shape("polygon", [["x", 1]])]}))
    (labelme / "settings.json").write_text('{"theme": "dark"}')
    dataset = open_dataset(labelme)
    assert len(dataset.samples) == 1
    assert [rejection.file.removeprefix(f"{labelme}/") for rejection in dataset.rejected] == [
        "b.json", "c.json", "d.json", "e.json",
    ]  # fmt: skip


def test_a_broken_image_of_cvat_is_counted(cvat):
    put_image(cvat / "images" / "two.jpg")
    broken = '<image name="two.jpg"><polygon label="car" points="a,b"/></image></annotations>'
    (cvat / "annotations.xml").write_text(CVAT.replace("</annotations>", broken))
    dataset = open_dataset(cvat)
    assert [sample.ref for sample in dataset.samples] == ["images/one.jpg", "images/two.jpg"]
    assert [rejection.place for rejection in dataset.rejected] == ["image gone.jpg", "image two.jpg, shape 0"]


@pytest.mark.parametrize(
    ("name", "message"), [("labelme", "holds no LabelMe files.*it holds images/"), ("cvat", "has no annotations.xml")]
)
def test_a_wrong_tree_names_what_is_missing(tmp_path, name, message):
    put_image(tmp_path / "images" / "a.jpg")
    with pytest.raises(DatasetError, match=message):
        open_dataset(tmp_path, name)
