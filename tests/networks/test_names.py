"""Typed names and the labels of networks: what meets, and what never does."""

import numpy as np
import pytest

from knnclip.networks.label_lists import class_lists, labels_of
from knnclip.networks.label_maps import LabelMaps
from knnclip.networks.names import LabelIndex, distractors, split_names
from tests.networks.samples import vocabulary

SIZES = {
    "ade20k-150": 150, "ade20k-847": 847, "cityscapes": 19, "coco-panoptic": 133, "coco-stuff": 171, "context-459": 459,
    "context-59": 60, "mapillary-1.2": 65, "voc-21": 21,
}  # fmt: skip

COCO = (
    "person", "car", "potted plant", "dining table", "tree-merged", "wall-brick", "wall-wood", "wall-other-merged",
    "window-blind", "window-other", "building-other-merged", "door-stuff", "playingfield", "water-other",
    "cabinet-merged",
)  # fmt: skip
ADE20K = (
    "wall", "building, edifice", "tree", "person, individual, someone", "car, auto", "cart", "screen door, screen",
    "screen, silver screen", "glass, drinking glass", "Signboard, sign",
)  # fmt: skip
VOC = ("background", "aeroplane", "pottedplant", "diningtable", "tvmonitor", "bus")
EYES = ("glass", "glasses", "cloth", "clothes", "wood", "box", "knife", "lady", "photo")


def met(labels, *names):
    index = LabelIndex.of(tuple(split_names(label) for label in labels))
    return [labels[i] for i in index.meeting(names)]


@pytest.mark.parametrize(
    ("labels", "typed", "expected"),
    [
        (COCO, "tree", ["tree-merged"]),
        (COCO, "Trees", ["tree-merged"]),
        (COCO, "tree-merged", ["tree-merged"]),
        (COCO, "wall", ["wall-other-merged"]),
        (COCO, "wall-brick", ["wall-brick"]),
        (COCO, "wall brick", ["wall-brick"]),
        (COCO, "window", ["window-other"]),
        (COCO, "window-blind", ["window-blind"]),
        (COCO, "blind", []),
        (COCO, "brick", []),
        (COCO, "building", ["building-other-merged"]),
        (COCO, "buildings", ["building-other-merged"]),
        (COCO, "door", ["door-stuff"]),
        (COCO, "water", ["water-other"]),
        (COCO, "cabinet_merged", ["cabinet-merged"]),
        (COCO, "pottedplant", ["potted plant"]),
        (COCO, "potted_plants", ["potted plant"]),
        (COCO, "plant", []),
        (COCO, "playing field", ["playingfield"]),
        (COCO, "cart", []),
        (COCO, "people", ["person"]),
        (COCO, "other", []),
        (VOC, "potted plant", ["pottedplant"]),
        (VOC, "TV monitor", ["tvmonitor"]),
        (VOC, "buses", ["bus"]),
        (VOC, "aeroplanes", ["aeroplane"]),
        (ADE20K, "tree-merged", ["tree"]),
        (ADE20K, "building-other-merged", ["building, edifice"]),
        (ADE20K, "edifice", ["building, edifice"]),
        (ADE20K, "person, individual", ["person, individual, someone"]),
        (ADE20K, "persons", ["person, individual, someone"]),
        (ADE20K, "car", ["car, auto"]),
        (ADE20K, "carts", ["cart"]),
        (ADE20K, "screen", ["screen, silver screen"]),
        (ADE20K, "glasses", []),
        (ADE20K, "drinking glasses", ["glass, drinking glass"]),
        (ADE20K, "sign", ["Signboard, sign"]),
        (ADE20K, "signboards", ["Signboard, sign"]),
        (("postbox", "post box"), "post_box", ["post box"]),
        (("postbox", "post box"), "Postbox", ["postbox"]),
        (EYES, "glass", ["glass"]),
        (EYES, "glasses", ["glasses"]),
        (EYES, "cloth", ["cloth"]),
        (EYES, "clothes", ["clothes"]),
        (EYES, "woods", []),
        (EYES, "boxes", ["box"]),
        (EYES, "knives", ["knife"]),
        (EYES, "ladies", ["lady"]),
        (EYES, "photos", ["photo"]),
        (EYES, "", []),
        (("other", "stuff-other", "\u00c4pfel-merged"), "other", ["other"]),
        (("other", "stuff-other", "\u00c4pfel-merged"), "a\u0308pfel", ["\u00c4pfel-merged"]),
    ],
)
def test_a_typed_name_meets_these_labels(labels, typed, expected):
    assert met(labels, typed) == expected


def test_a_class_has_the_labels_of_all_its_names():
    assert met(ADE20K, "auto", "cart") == ["car, auto", "cart"]
    assert met(COCO, "wall", "wall-brick") == ["wall-brick", "wall-other-merged"]


@pytest.mark.parametrize("name", class_lists())
def test_no_class_of_a_published_list_meets_another(name):
    classes = labels_of("a network", SIZES[name], name)
    index = LabelIndex.of(tuple(classes))
    for i, names in enumerate(classes):
        assert index.meeting(names[:1]) == [i], names
        assert i in index.meeting(names)


def test_coco_panoptic_by_the_names_of_its_annotations():
    """``tree-merged`` and its like, as the configurations of published networks have them."""
    classes = labels_of("a network", 133, "coco-panoptic")
    spelt = [next((name for name in names if "-" in name), names[0]) for names in classes]
    assert sum(name.endswith("-merged") for name in spelt) == 17
    index = LabelIndex.of(tuple((name,) for name in spelt))
    for i, names in enumerate(classes):
        assert index.meeting(names) == [i], names
    reverse = LabelIndex.of(tuple(classes))
    assert [reverse.meeting([name]) for name in spelt] == [[i] for i in range(133)]


def test_p_base_by_names_that_meet():
    class Trees(LabelMaps):
        name, layout = "trees", "tiles"
        labels = [("tree-merged",), ("wall-brick",), ("wall-other-merged",), ()]  # noqa: RUF012

        def probabilities(self, image):
            raise NotImplementedError

    described = np.array([[0.4, 0.3, 0.2, 0.1]], np.float32)
    base = Trees().classify(described, vocabulary("Trees", "wall", "background"))
    np.testing.assert_allclose(base, [[0.4, 0.2, 0]])


def test_what_else_an_object_may_be_is_spelt_in_no_way_like_a_class():
    others = [("tree-merged", "tree"), ("wall",), ("stone wall",), ("traffic_light",), ("shed", "barn"), ("barn",)]
    left = distractors([("Trees",), ("wall", "traffic light"), ("barn",)], others)
    assert left == [("stone wall",)], "barn is what one is called and what another is called, too"
    assert distractors([], others) == others
    assert distractors([("a, b",)], []) == []
