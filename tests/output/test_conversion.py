"""An answer shows itself, becomes other libraries' data and saves itself."""

import csv
import json
import re
import sys
from base64 import b64decode
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image as Pil

from knnclip.datasets import open_dataset
from knnclip.datasets.polygons import mask_from_coco
from knnclip.errors import OutputError, UsageError
from knnclip.segmenter import Segmenter
from tests.output.exports.made import CLASSES, picture, random_labels, segmentation_of


@pytest.fixture
def answer(rng):
    return segmentation_of(random_labels(rng))


def named(answer):
    return [segment for segment in answer.segments if segment.class_id]


def test_masks_are_those_of_the_segments_in_their_order(answer):
    assert answer.masks.shape == (len(answer.segments), *answer.shape)
    for dense, segment in zip(answer.masks, answer.segments, strict=True):
        assert (dense == segment.mask.to_dense()).all()


def test_coco_has_each_named_segment_to_the_pixel(answer):
    content = json.loads(json.dumps(answer.to_coco()))
    assert [item["name"] for item in content["categories"]] == [
        info.name for info in sorted(CLASSES, key=lambda info: info.class_id)
    ]
    for item, segment in zip(content["annotations"], named(answer), strict=True):
        assert (item["category_id"], item["score"]) == (segment.class_id, segment.confidence)
        assert (mask_from_coco(item["segmentation"], answer.shape).to_dense() == segment.mask.to_dense()).all()


def test_supervision_has_each_named_segment(answer):
    supervision = pytest.importorskip("supervision")
    found = answer.to_supervision()
    assert found.data["class_name"].tolist() == [segment.class_name for segment in named(answer)]
    assert found.confidence.tolist() == [segment.confidence for segment in named(answer)]
    assert (found.mask == np.stack([segment.mask.to_dense() for segment in named(answer)])).all()
    # What supervision calls a box ends in its last pixel.
    assert (np.abs(found.xyxy - supervision.mask_to_xyxy(found.mask)) <= 1).all()
    assert len(replace(answer, segments=()).to_supervision()) == 0


def test_without_supervision_it_says_what_to_install(answer, monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(UsageError, match=r"to_supervision needs the package supervision .*; pip install supervision"):
        answer.to_supervision()


def test_it_saves_itself_by_suffix(answer, tmp_path):
    answer.save(tmp_path / "a.png")
    answer.save(tmp_path / "a.json")
    answer.save(str(tmp_path / "a.csv"))
    assert Pil.open(tmp_path / "a.png").width == answer.shape[1]
    assert len(json.loads((tmp_path / "a.json").read_text())["annotations"]) == len(named(answer))
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        assert [int(row["object"]) for row in csv.DictReader(file)] == [item.segment_id for item in named(answer)]
    with pytest.raises(UsageError, match=r"a\.tif ends with none of \.png \(picture\), \.json \(COCO\) and \.csv"):
        answer.save(tmp_path / "a.tif")
    with pytest.raises(OutputError, match="cannot be written"):
        answer.save(tmp_path / "a.csv" / "b.csv")


def test_it_saves_itself_in_a_format_with_its_picture(answer, tmp_path):
    file = picture(tmp_path / "a.png")
    replace(answer, ref=str(file)).save(tmp_path / "out", "yolo")
    assert len(open_dataset(tmp_path / "out" / "yolo").samples) == 1
    with pytest.raises(UsageError, match="lies in no file; segment the path of one"):
        answer.save(tmp_path / "out2", "yolo")
    with pytest.raises(UsageError, match="unknown export format 'yola'"):
        replace(answer, ref=str(file)).save(tmp_path / "out2", "yola")


@pytest.mark.parametrize("image", [None, np.full((40, 60, 3), 90, np.uint8)], ids=["without pixels", "with pixels"])
def test_a_notebook_shows_picture_and_table(answer, image):
    shown = replace(answer, image=image)._repr_html_()
    (jpeg,) = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', shown)
    assert Pil.open(BytesIO(b64decode(jpeg))).width == 60
    assert shown.count("<tr>") == 1 + 12
    assert f"and {len(answer.segments) - 12} smaller segments" in shown
    assert "rouge, vert &amp; &lt;bleu&gt;" in shown
    assert "<bleu>" not in shown


def test_a_large_picture_is_shown_reduced():
    labels = np.zeros((1200, 1600), np.int32)
    labels[100:700, 100:900] = 1
    shown = replace(segmentation_of(labels), image=np.zeros((1200, 1600, 3), np.uint8))._repr_html_()
    assert len(shown) < 400_000
    assert "25.0%" in shown


def test_an_answer_knows_its_picture(tmp_path, sample_data):
    file = next((sample_data / "val" / "images").iterdir())
    with Segmenter.open(tmp_path / "s", "builtin") as segmenter:
        by_path = segmenter.segment(file)
        by_pixels = segmenter.segment(np.asarray(Pil.open(file).convert("RGB")))
    assert by_path.ref == str(file)
    assert by_pixels.ref is None
    assert (by_path.image == by_pixels.image).all()
