"""The names that protocols ask for classes by, against the class lists of the sets themselves."""

from dataclasses import dataclass

import pytest

from knnclip.datasets.base import ClassLabel, Dataset
from knnclip.datasets.class_lists import read_class_list
from knnclip.datasets.wording import FOLDER, wording_of
from knnclip.errors import InputError, UsageError
from knnclip.vocabulary import read_wordings

LISTS = {
    # Each list with the encoding whose values stand in its order, and how many names it has.
    "ade20k-150": ("label", 403),
    "ade20k-847": ("pixel", 1342),
    "cityscapes": ("train", 60),
    "coco-panoptic": ("id", 254),
    "coco-stuff": ("pixel", 328),
    "context-459": ("prepared", 559),
    "context-59": ("prepared", 160),
    "mapillary-1.2": ("pixel", 153),
    "voc-21": ("label", 153),
}


@dataclass(frozen=True, kw_only=True)
class Nothing(Dataset):
    def load(self, sample):
        raise NotImplementedError


def with_classes(*names):
    return Nothing(format="nothing", root="set", classes=tuple(ClassLabel(name, True) for name in names), samples=())


def of_list(name, without=()):
    labels = read_class_list(name, LISTS[name][0]).values()
    return with_classes(*(label.name for label in labels if label.name not in without))


def test_there_is_a_list_for_each_set_of_the_table():
    assert {file.name.removesuffix(".txt") for file in (FOLDER / "fcclip").iterdir()} == set(LISTS)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_has_the_classes_of_its_set_in_the_sets_order(name):
    encoding, count = LISTS[name]
    listed = read_wordings((FOLDER / "fcclip" / f"{name}.txt").read_text())
    own = [label.name for value, label in sorted(read_class_list(name, encoding).items())]
    assert list(listed) == [each for each in own if each in listed]
    assert set(own) - set(listed) <= {"background"}
    assert sum(map(len, listed.values())) == count


@pytest.mark.parametrize("name", LISTS)
def test_a_set_finds_its_own_list(name):
    left_out = {"background"} if name == "context-59" else set()  # its benchmark of 60 classes is not FC-CLIP's
    dataset = of_list(name, left_out)
    found = wording_of(dataset, "fcclip")
    assert found.title == f"fcclip, {name}"
    assert len(found.classes) == len(dataset.classes)


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        (("person", "orange"), (("person", "child"), ("orange fruit",))),
        (("fan", "house"), (("ceiling fan", "floor fan"), ("house exterior",))),  # of ADE20K, in the set's order
        (("vegetation", "road"), (("vegetation", "tree"), ("road", "railroad"))),
    ],
)
def test_names_stand_in_the_order_of_the_sets_classes(classes, names):
    found = wording_of(with_classes(*classes), "fcclip").classes
    assert [each[: len(some)] for each, some in zip(found, names, strict=True)] == list(names)


def test_a_class_without_names_is_told_with_the_nearest_list():
    with pytest.raises(UsageError, match=r"\(cityscapes is its nearest list\) leave out spaceship of"):
        wording_of(with_classes("road", "rider", "spaceship"), "fcclip")
    with pytest.raises(UsageError, match="file or protocol of names"):
        wording_of(with_classes("road"), "fclip")


def test_a_file_of_ones_own(tmp_path):
    file = tmp_path / "names.txt"
    file.write_text("# mine\nroad | street, lane\ncar, automobile\nbus\n")
    found = wording_of(with_classes("car", "road"), str(file))
    assert found.classes == (("car", "automobile"), ("street", "lane"))
    with pytest.raises(UsageError, match=r"leave out tram of the classes of set; leave these out with --ignore"):
        wording_of(with_classes("car", "tram"), str(file))
    file.write_text("road |\n")
    with pytest.raises(InputError, match=r"names.txt: line 1 gives no name"):
        wording_of(with_classes("road"), str(file))


def test_a_digest_tells_names_apart():
    some, others = (wording_of(of_list(name), "fcclip") for name in ("voc-21", "cityscapes"))
    assert some.digest != others.digest
    assert some.digest == wording_of(of_list("voc-21"), "fcclip").digest
