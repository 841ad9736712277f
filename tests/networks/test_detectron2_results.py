"""What is made of a network's answers, on answers made by hand: detectron2 itself is not needed."""

import dataclasses
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from knnclip.detectron2_catalog import CatalogClasses
from knnclip.errors import UsageError, WeightsError
from knnclip.networks.detectron2 import CARD
from knnclip.networks.detectron2.part import Detectron2Segmenter, Detectron2Settings
from knnclip.networks.detectron2.results import (
    Labels,
    Segment,
    SemanticScores,
    label_maps,
    segments,
    semantic_pieces,
    semantic_probabilities,
)
from knnclip.parts.spec import PartSpec

CLASSES = CatalogClasses.of({
    "thing_classes": ["cat", "dog"], "thing_dataset_id_to_contiguous_id": {17: 0, 18: 1},
    "stuff_classes": ["things", "sky", "road, street"],
    "stuff_dataset_id_to_contiguous_id": {0: 0, 187: 1, 149: 2},
})  # fmt: skip
SEPARATED = Labels.of(CLASSES)


class Instances(SimpleNamespace):
    """As detectron2's."""

    def to(self, _):
        return self

    def has(self, name):
        return hasattr(self, name)


def half(value):
    """``(8, 8)``: the left half."""
    plane = torch.zeros(8, 8)
    plane[:, :4] = value
    return plane


def test_numbers_of_things_and_of_stuff_are_told_apart():
    assert CLASSES.names == ("sky", "road, street", "cat", "dog")
    ids = torch.zeros(8, 8, dtype=torch.int32)
    ids[:2], ids[2:4] = 1, 2
    listed = [
        {"id": 1, "category_id": 1, "isthing": True, "score": 0.9},
        {"id": 2, "category_id": 1, "isthing": False},
    ]
    found = list(segments({"panoptic_seg": (ids, listed)}, None, SEPARATED))
    assert [(CLASSES.names[each.label], each.score) for each in found] == [("dog", 0.9), ("sky", 1.0)]
    assert [int(each.dense.sum()) for each in found] == [16, 16]


def test_a_segment_without_a_score_has_that_of_the_semantic_map():
    ids = torch.ones(8, 8, dtype=torch.int32)
    semantic = torch.stack([half(0), half(0.5), half(0)])
    (found,) = segments({"panoptic_seg": (ids, [{"id": 1, "category_id": 1, "isthing": False}])}, semantic, SEPARATED)
    assert found.score == pytest.approx(0.25)


@pytest.mark.parametrize("category", [2, -1, 80])
def test_a_class_that_the_set_has_not_is_an_error(category):
    instances = Instances(
        pred_masks=torch.ones(1, 8, 8, dtype=torch.bool),
        scores=torch.ones(1),
        pred_classes=torch.tensor([category]),
    )
    with pytest.raises(WeightsError, match=f"answers class {category}, the set in DATASETS.TEST of its config has 2"):
        list(segments({"instances": instances}, None, SEPARATED))


def test_boxes_without_masks_are_an_error():
    with pytest.raises(WeightsError, match="boxes without masks"):
        list(segments({"instances": Instances(scores=torch.ones(1))}, None, SEPARATED))


def test_logits_become_probabilities_whatever_their_values():
    small = torch.rand(3, 8, 8) * 0.9  # looks like probabilities
    torch.testing.assert_close(semantic_probabilities(small, SEPARATED, SemanticScores.LOGITS), small.softmax(dim=0))


def test_one_large_sum_changes_its_own_pixel_alone():
    sums = torch.zeros(3, 8, 8)
    sums[1], sums[2, 0, 0] = 0.97, 0.65
    sums[1, 0, 0] = 1.62
    found = semantic_probabilities(sums, SEPARATED, SemanticScores.SUMS)
    assert float(found[1, 5, 5]) == pytest.approx(0.97)
    assert found[:, 0, 0].tolist() == pytest.approx([0, 1.62 / 2.27, 0.65 / 2.27])


def test_things_take_their_score_and_leave_the_rest_to_stuff():
    semantic = torch.stack([half(0.0), torch.full((8, 8), 0.5), half(0.0)])
    everywhere, left = np.ones((8, 8), bool), half(1).numpy() > 0
    dog, cat, other_dog = Segment(left, 3, 0.8), Segment(left, 2, 0.6), Segment(everywhere, 3, 0.4)
    maps = label_maps([dog, cat, other_dog], semantic, SEPARATED, (8, 8))
    assert maps.shape == (4, 2, 2)
    np.testing.assert_allclose(maps[:, 0, 0], [0, 0, 0.6 / 1.4, 0.8 / 1.4], atol=1e-6)
    np.testing.assert_allclose(maps[:, 0, 1], [0.5 * 0.6, 0, 0, 0.4], atol=1e-6)


def test_a_semantic_map_that_names_things_is_all_there_is():
    labels = Labels.of(CatalogClasses.of({"thing_classes": ["dog"], "stuff_classes": ["sky", "dog"]}))
    semantic = torch.stack([half(0.2), half(0.3)])
    maps = label_maps([Segment(np.ones((8, 8), bool), 1, 0.9)], semantic, labels, (8, 8))
    np.testing.assert_allclose(maps[:, 0, 0], [0.2, 0.3], atol=1e-6)


def test_a_channel_of_all_things_is_no_class_even_if_it_is_called_like_one():
    classes = CatalogClasses.of({"thing_classes": ["person"], "stuff_classes": ["person", "sky"]})
    assert Labels.of(dataclasses.replace(classes, names_things=False)).stuff == (None, 0)


def test_pieces_of_a_semantic_map():
    semantic = torch.stack([torch.full((8, 8), 0.4), half(0.6), torch.zeros(8, 8)])
    semantic[1, 7, 7] = 0.5
    found = list(semantic_pieces(semantic, SEPARATED, 2))
    assert [(each.label, int(each.dense.sum())) for each in found] == [(0, 32), (None, 31)]
    assert found[0].score == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("bases", "semantic", "expected"),
    [
        (["PanopticFPN", "GeneralizedRCNN"], "", SemanticScores.LOGITS),
        (["MyOwn", "SemanticSegmentor"], "", SemanticScores.LOGITS),
        (["FCCLIP"], "", SemanticScores.SUMS),
        (["MaskFormer"], "logits", SemanticScores.SUMS),
        (["MyOwn"], "sums", SemanticScores.SUMS),
        (["MyOwn"], "", None),
    ],
)
def test_what_scores_are_follows_from_the_architecture(bases, semantic, expected):
    kind = object
    for name in reversed(bases):
        kind = type(name, (kind,), {})
    part = Detectron2Segmenter.__new__(Detectron2Segmenter)
    part.network, part.settings = kind(), Detectron2Settings("c.yaml", "w.pkl", semantic=semantic)
    if expected is None:
        with pytest.raises(UsageError, match=r"semantic maps of MyOwn are is not known.*semantic=logits"):
            _ = part._kind
    else:
        assert part._kind is expected


def test_the_option_semantic_has_two_values():
    with pytest.raises(UsageError, match="semantic is logits or sums, found 'softmax'"):
        Detectron2Settings("c.yaml", "w.pkl", semantic="softmax")


def test_without_detectron2_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "detectron2.config", None)
    with pytest.raises(
        UsageError, match=r"the part 'detectron2' needs detectron2, .*detectron2.readthedocs.io/.*install"
    ):
        CARD.make_from(PartSpec.parse("detectron2:some.yaml,weights=some.pth"), "cpu")
