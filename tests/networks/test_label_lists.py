"""What a network's labels are called: by itself, by a file, by a published list."""

import pytest

from knnclip.errors import InputError, UsageError, WeightsError
from knnclip.networks.label_lists import class_lists, labels_of


def test_a_network_that_names_its_labels_needs_nothing():
    assert labels_of("net", 2, "", ["wall", "building, edifice"]) == [("wall",), ("building", "edifice")]


def test_labels_without_a_name_are_refused_with_the_way_out():
    with pytest.raises(
        WeightsError, match=r"net does not say .* 2 labels .*'LABEL_0'.*labels=FILE.*labels=coco-panoptic"
    ):
        labels_of("net", 2, "", ["LABEL_0", "LABEL_1"])


def test_a_file_names_them_line_by_line(tmp_path):
    file = tmp_path / "names.txt"
    file.write_text("red, crimson\n\nblue\n")
    assert labels_of("net", 2, str(file), ["LABEL_0", "LABEL_1"]) == [("red", "crimson"), ("blue",)]
    with pytest.raises(WeightsError, match=r"net has 3 classes, .*names\.txt names 2; use the labels that it was made"):
        labels_of("net", 3, str(file))
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"names\.txt"):
        labels_of("net", 2, str(file))


@pytest.mark.parametrize(
    ("name", "count", "first", "last"),
    [
        ("coco-panoptic", 133, "person", "rug"),
        ("coco-panoptic", 80, "person", "toothbrush"),
        ("ade20k-150", 150, "wall", "flag"),
        ("ade20k-847", 847, "wall", "adding machine"),
        ("cityscapes", 19, "road", "bicycle"),
        ("cityscapes", 8, "person", "bicycle"),
        ("voc-21", 21, "background", "tv monitor"),
        ("voc-21", 20, "aeroplane", "tv monitor"),
        ("context-59", 60, "background", "wood"),
        ("context-59", 59, "aeroplane", "wood"),
        ("context-459", 459, "accordion", "wool"),
        ("coco-stuff", 171, "person", "wood"),
        ("mapillary-1.2", 65, "bird", "ego vehicle"),
    ],
)
def test_every_published_list_is_a_list_of_labels(name, count, first, last):
    labels = labels_of("net", count, name)
    assert len(labels) == count
    assert (labels[0][0], labels[-1][0]) == (first, last)


def test_every_list_is_tried_above():
    marks = test_every_published_list_is_a_list_of_labels.pytestmark[0].args[1]
    assert {name for name, *_ in marks} == set(class_lists())


def test_an_unknown_list_and_a_wrong_count_are_errors():
    with pytest.raises(UsageError, match="unknown file or class list 'coco-panoptc'; did you mean 'coco-panoptic'"):
        labels_of("net", 133, "coco-panoptc")
    with pytest.raises(WeightsError, match="net has 150 classes, coco-panoptic names 133"):
        labels_of("net", 150, "coco-panoptic")
