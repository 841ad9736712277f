"""The cards of the formats: one for each reader, in step with the README, and which of them a folder is taken for."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from knnclip.datasets import FORMATS, SCHEMES, detect_format, formats, open_dataset
from knnclip.datasets.formats import BY_PRIORITY
from knnclip.datasets.layouts import LAYOUTS
from knnclip.errors import DatasetError
from tests.end_to_end.command import run

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
TREES = {
    "masks": ["labels/a.png"],
    "yolo": ["labels/a.txt"],
    "coco": ["annotations/instances_val.json"],
    "coco-panoptic": ["annotations/panoptic_val.json", "annotations/panoptic_val/a.png"],
    "lvis": ["annotations/lvis_v1_val.json"],
    "cvat": ["annotations.xml"],
    "labelme": ["photos/a.json"],
    "coco-stuff": ["stuffthingmaps/val2017/a.png"],
    "voc": ["SegmentationClass/a.png"],
    "context-59": ["annotations_ctx59/training/a.png"],
    "context-60": ["SegmentationClassContext/a.png"],
    "context-459": ["trainval/a.mat"],
    "ade20k": ["annotations/training/a.png"],
    "ade20k-full": ["annotations_detectron2/training/a.tif"],
    "cityscapes": ["gtFine/val/ulm/a_gtFine_labelIds.png"],
    "mapillary": ["training/labels/a.png"],
}
"""By what each format is recognised."""


def plant(root, *names):
    for file in [file for name in names for file in TREES[name]]:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


@pytest.mark.parametrize("name", [card.name for card in FORMATS])
def test_each_format_is_recognised_by_its_tree_alone(tmp_path, name):
    assert detect_format(plant(tmp_path, name)) == name


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("ade20k", "coco-panoptic"),  # the published tree says everything about its classes
        ("voc", "coco"),
        ("context-60", "voc"),
        ("lvis", "coco"),
        ("coco-panoptic", "coco"),
        ("coco", "coco-stuff"),  # a JSON tells objects apart
        ("cvat", "coco"),
        ("coco-stuff", "masks"),
        ("masks", "yolo"),
        ("yolo", "labelme"),
        ("coco", "labelme"),
    ],
)
def test_of_two_formats_in_one_tree_the_one_that_says_more_is_taken(tmp_path, first, second):
    assert detect_format(plant(tmp_path, first, second)) == first


def test_every_card_has_its_place_and_a_name_of_its_own():
    assert sorted(card.name for card in BY_PRIORITY) == sorted(card.name for card in FORMATS)
    assert len({card.name for card in FORMATS}) == len(FORMATS)
    assert {layout.format for layout in LAYOUTS} <= {card.name for card in FORMATS}


def test_what_is_no_data_set_names_the_sign_of_each_format_that_has_one(tmp_path):
    with pytest.raises(DatasetError) as caught:
        detect_format(tmp_path)
    signs = [card for card in FORMATS if card.sign]
    assert signs
    for card in signs:
        assert f"{card.sign} ({card.name})" in str(caught.value)


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_a_scheme_stands_in_place_of_the_folder(scheme, monkeypatch):
    asked = []
    monkeypatch.setattr(formats, "SCHEMES", [replace(scheme, open=lambda *given: asked.append(given))])
    open_dataset(f"{scheme.prefix}some/set,split=val", ignore=["sky"])
    open_dataset(Path(f"{scheme.prefix}some/set"))
    assert asked == [("some/set,split=val", ["sky"]), ("some/set", ())]


def test_the_command_lists_every_format_with_its_tree():
    listed = run("datasets").stdout.splitlines()
    assert [line.split()[0] for line in listed] == [card.name for card in (*FORMATS, *SCHEMES)]
    assert all(card.tree in line for card, line in zip((*FORMATS, *SCHEMES), listed, strict=True))


def test_the_readme_names_every_format_and_their_number():
    section = README.split("### Labelled data")[1].split("\n### ")[0]
    table = "\n".join(line for line in section.splitlines() if line.startswith("|"))
    named = set(re.findall(r"`([^`]+)`", table))
    assert {card.name for card in (*FORMATS, *SCHEMES)} <= named
    (count,) = re.findall(r"any of (\d+) formats", README)
    assert int(count) == len(FORMATS) + len(SCHEMES)
