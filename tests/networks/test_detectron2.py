"""The adapter to detectron2: a small network of its own where it is here, else what it says about that."""

import importlib.util

import numpy as np
import pytest
import torch

from knnclip.errors import UsageError
from knnclip.networks.detectron2 import CARD, Detectron2Segmenter, Detectron2Settings, _semantic
from knnclip.parts.spec import PartSpec
from tests.networks.samples import some_masks, vocabulary

HERE = importlib.util.find_spec("detectron2") is not None


@pytest.mark.skipif(HERE, reason="detectron2 is here")
def test_without_detectron2_the_error_says_how_to_get_it():
    with pytest.raises(UsageError, match=r"the part 'detectron2' needs detectron2, .*pip install"):
        CARD.make_from(PartSpec.parse("detectron2:some.yaml,weights=some.pth"), "cpu")


def test_scores_that_are_probabilities_stay_and_others_become_some():
    p = torch.rand(3, 4, 5).softmax(dim=0)
    np.testing.assert_allclose(_semantic(p), p.numpy())
    np.testing.assert_allclose(_semantic(p.log() + 3), p.numpy(), atol=1e-6)


@pytest.mark.skipif(not HERE, reason="detectron2 cannot be imported here; its own page says how to build it")
@pytest.mark.parametrize("architecture", ["PanopticFPN", "SemanticSegmentor", "GeneralizedRCNN"])
def test_a_network_of_its_own_config(tmp_path, architecture, rng):
    from detectron2.config import get_cfg
    from detectron2.data import MetadataCatalog
    from detectron2.modeling import build_model

    MetadataCatalog.get("tiny").set(thing_classes=["cat", "dog"], stuff_classes=["things", "sky", "road, street"])
    config = get_cfg()
    config.MODEL.META_ARCHITECTURE = architecture
    config.MODEL.BACKBONE.NAME = "build_resnet_fpn_backbone"
    config.MODEL.RESNETS.OUT_FEATURES = ["res2", "res3", "res4", "res5"]
    config.MODEL.FPN.IN_FEATURES = ["res2", "res3", "res4", "res5"]
    config.MODEL.RPN.IN_FEATURES = ["p2", "p3", "p4", "p5", "p6"]
    config.MODEL.ROI_HEADS.IN_FEATURES = ["p2", "p3", "p4", "p5"]
    config.MODEL.ROI_HEADS.NAME = "StandardROIHeads"
    config.MODEL.ROI_HEADS.NUM_CLASSES, config.MODEL.SEM_SEG_HEAD.NUM_CLASSES = 2, 3
    config.MODEL.ROI_BOX_HEAD.NAME, config.MODEL.ROI_BOX_HEAD.NUM_FC = "FastRCNNConvFCHead", 1
    config.MODEL.MASK_ON, config.MODEL.DEVICE = True, "cpu"
    config.DATASETS.TEST = ("tiny",)
    config.INPUT.MIN_SIZE_TEST = config.INPUT.MAX_SIZE_TEST = 64
    (tmp_path / "config.yaml").write_text(config.dump())
    torch.save(build_model(config).state_dict(), tmp_path / "weights.pth")
    settings = Detectron2Settings(str(tmp_path / "config.yaml"), tmp_path / "weights.pth", min_area=1)
    network = Detectron2Segmenter(settings, "cpu")
    image = rng.integers(0, 256, (60, 80, 3)).astype(np.uint8)
    proposals = network.generate(image)
    assert all(mask.shape == (60, 80) for mask in proposals.masks)
    base = network.classify(network.describe(image, some_masks(60, 80)), vocabulary("street", "dog"))
    assert base.shape == (4, 2)
    assert (base.sum(axis=1) <= 1 + 1e-5).all()
