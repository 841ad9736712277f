"""The lists of classes of published sets: that they are whole, and say each thing once."""

import pytest

from knnclip.datasets.class_lists import FOLDER, known_classes, read_class_list
from knnclip.datasets.layouts import LAYOUTS

# classes, things, and for each encoding its lowest value, its highest and how many classes have one
LISTS = {
    "coco-panoptic": (133, 80, {"id": (1, 200, 133)}),
    "coco-stuff": (171, 80, {"pixel": (0, 181, 171)}),
    "ade20k-150": (150, 100, {"label": (1, 150, 150), "prepared": (0, 149, 150), "instance": (1, 100, 100)}),
    "ade20k-847": (847, 737, {"pixel": (0, 846, 847)}),
    "voc-21": (21, 20, {"label": (0, 20, 21)}),
    "context-59": (60, 38, {"prepared": (0, 255, 60), "label": (0, 59, 60), "raw": (0, 458, 60)}),
    "context-459": (459, 395, {"prepared": (0, 458, 459), "raw": (1, 459, 459)}),
    "cityscapes": (19, 8, {"label": (7, 33, 19), "train": (0, 18, 19)}),
    "mapillary-1.2": (65, 37, {"pixel": (0, 64, 65)}),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_whole(name):
    count, things, encodings = LISTS[name]
    classes = [read_class_list(name, encoding) for encoding in encodings]
    for listed, (low, high, values) in zip(classes, encodings.values(), strict=True):
        assert (min(listed), max(listed), len(listed)) == (low, high, values)
    labels = list(classes[0].values())
    assert (len(labels), sum(label.is_thing for label in labels)) == (count, things)
    called = [text for label in labels for text in (label.name, *label.synonyms)]
    assert len(set(called)) == len(called), "a name means one class"
    assert all(text == text.strip() and text for text in called)
    assert all(0 <= channel <= 255 for label in labels for channel in label.color)
    assert len({label.color for label in labels}) >= count - 1  # two of ADE20K have the same


def test_every_list_is_read_by_a_layout_and_every_layout_reads_a_list():
    files = {file.name.removesuffix(".txt") for file in FOLDER.iterdir()}
    listed = [layout for layout in LAYOUTS if layout.classes]  # of the others only their own configuration knows
    assert files == set(LISTS) == {layout.classes for layout in listed} | {"coco-panoptic"}
    for layout in listed:
        assert layout.encoding in LISTS[layout.classes][2]
        assert layout.objects is None or layout.objects.encoding in LISTS[layout.classes][2]


@pytest.mark.parametrize(
    ("name", "encoding", "value", "expected"),
    [
        ("coco-panoptic", "id", 90, "toothbrush"),
        ("coco-panoptic", "id", 92, "banner"),
        ("coco-stuff", "pixel", 0, "person"),
        ("coco-stuff", "pixel", 181, "wood"),
        ("ade20k-150", "label", 150, "flag"),
        ("ade20k-150", "instance", 1, "bed"),
        ("ade20k-150", "instance", 100, "flag"),
        ("ade20k-847", "pixel", 846, "adding machine"),
        ("voc-21", "label", 20, "tv monitor"),
        ("context-59", "prepared", 255, "background"),
        ("context-59", "label", 59, "wood"),
        ("context-59", "raw", 284, "person"),
        ("context-459", "raw", 284, "person"),
        ("context-459", "prepared", 0, "accordion"),
        ("cityscapes", "label", 33, "bicycle"),
        ("cityscapes", "train", 18, "bicycle"),
        ("mapillary-1.2", "pixel", 0, "bird"),
    ],
)
def test_known_values(name, encoding, value, expected):
    assert read_class_list(name, encoding)[value].name == expected


def test_the_published_spelling_is_a_synonym():
    assert "grass-merged" in read_class_list("coco-panoptic", "id")[193].synonyms
    assert "pottedplant" in read_class_list("voc-21", "label")[16].synonyms
    assert read_class_list("context-59", "raw")[308].name == read_class_list("context-459", "raw")[308].name


def test_pascal_context_names_the_same_classes_in_both_lists():
    few, all_of_them = (read_class_list(name, "raw") for name in ("context-59", "context-459"))
    assert {value: label.name for value, label in few.items() if value} == {
        value: all_of_them[value].name for value in few if value
    }


def test_categories_of_a_published_set_are_known_by_id_and_name():
    assert known_classes({1: "person", 193: "grass-merged"})[193].name == "grass"
    assert known_classes({0: "wall", 6: "road, route", 8: "window"})[8].name == "windowpane"
    assert known_classes({1: "person", 2: "zebra"}) == {}, "2 is a bicycle"
    assert known_classes({1: "person", 12: "street sign"}) == {}, "12 is a gap"
