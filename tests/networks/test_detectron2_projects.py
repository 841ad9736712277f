"""Networks of others on detectron2, in their own code at full size with random weights: Mask2Former and FC-CLIP.

Their checkouts are on ``PYTHONPATH``: ``make test-detectron2 SRC=... PROJECTS=/Mask2Former:/fc-clip`` puts them there.
"""

import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from knnclip.networks.detectron2.part import Detectron2Segmenter, Detectron2Settings
from knnclip.parts.weights import weights_digest
from tests.networks.detectron2_networks import (
    config_file,
    drawn,
    named,
    picture,
    random_network,
    whole_picture,
    write_zoo,
)

pytest.importorskip(
    "detectron2", reason="detectron2 is not installed; `make test-detectron2 SRC=...` builds it and runs these"
)
DEEPLAB = "detectron2.projects.deeplab:add_deeplab_config"
UNSURE = {"OBJECT_MASK_THRESHOLD": 0.0, "OVERLAP_THRESHOLD": 0.0}
"""Keeps what random weights find."""

COCO = {"TEST": ["coco_2017_val_panoptic_with_sem_seg"]}


def checkout(name):
    """The folder of a project's source; skips where it is not on the path."""
    found = importlib.util.find_spec(name)
    if found is None:
        pytest.skip(f"{name} is not on PYTHONPATH; `make test-detectron2 SRC=... PROJECTS=/its/checkout` runs this")
    return Path(found.origin).parents[1]


@pytest.fixture(autouse=True)
def own_registries(monkeypatch):
    """Both projects register some names; each test has them anew. The operator that both compile is left out: they
    have it in PyTorch as well.
    """
    from detectron2.modeling import BACKBONE_REGISTRY, META_ARCH_REGISTRY, SEM_SEG_HEADS_REGISTRY

    importlib.import_module("detectron2.projects.deeplab")  # registers for all, once
    for registry in (BACKBONE_REGISTRY, META_ARCH_REGISTRY, SEM_SEG_HEADS_REGISTRY):
        monkeypatch.setattr(registry, "_obj_map", dict(registry._obj_map))
    operator = "MultiScaleDeformableAttention"
    if importlib.util.find_spec(operator) is None:
        monkeypatch.setitem(sys.modules, operator, ModuleType(operator))


@pytest.fixture(name="picture")
def a_picture():
    return picture()


@pytest.fixture
def mask2former(tmp_path):
    base = checkout("mask2former") / "configs" / "coco" / "panoptic-segmentation" / "maskformer2_R50_bs16_50ep.yaml"
    project = importlib.import_module("mask2former")
    file = config_file(
        tmp_path,
        base,
        MODEL={"MASK_FORMER": {"TEST": UNSURE}},
        INPUT={"MIN_SIZE_TEST": 128, "MAX_SIZE_TEST": 192},
        TEST={"DETECTIONS_PER_IMAGE": 200},
    )
    from detectron2.projects.deeplab import add_deeplab_config

    return file, lambda: random_network(file, add_deeplab_config, project.add_maskformer2_config)


def test_mask2former(tmp_path, mask2former, picture):
    from detectron2.checkpoint import DetectionCheckpointer
    from detectron2.data import MetadataCatalog

    file, build = mask2former
    network = build()
    torch.save({"model": network.state_dict()}, tmp_path / "own.pth")
    # The published files are older: their decoder's names stand without "pixel_decoder", their queries are "static".
    renamed = network.state_dict()
    for name in list(renamed):
        older = name.replace("sem_seg_head.pixel_decoder.", "sem_seg_head.").replace("query_feat", "static_query")
        renamed[older] = renamed.pop(name)
    network.state_dict = lambda: renamed
    published = write_zoo(tmp_path / "published.pkl", network)
    del network.state_dict
    setup = f"{DEEPLAB}/mask2former:add_maskformer2_config"
    for weights in (tmp_path / "own.pth", published):
        part = Detectron2Segmenter(Detectron2Settings(str(file), weights, setup=setup, min_area=1), "cpu")
        assert weights_digest(part.network) == weights_digest(network), weights.name
    theirs = build()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.zero_()
    DetectionCheckpointer(theirs).load(str(published))
    assert weights_digest(part.network) == weights_digest(theirs)

    outputs, dataset = part.outputs(picture), "coco_2017_val_panoptic_with_sem_seg"
    assert named(part, outputs) == drawn(picture, outputs, dataset)
    assert len({name for name, _ in named(part, outputs)}) > 3
    sums = outputs["sem_seg"]
    assert sums.max() > 1, "else it would prove nothing"
    expected = (sums / sums.sum(dim=0).clamp(min=1)).mean(dim=(1, 2))
    names = MetadataCatalog.get(dataset).stuff_classes
    np.testing.assert_allclose(whole_picture(part, picture, *names), expected, atol=1e-4)
    assert len(part.generate(picture)) > 3


def test_fcclip(tmp_path, monkeypatch, picture):
    import open_clip
    from detectron2.data import MetadataCatalog
    from detectron2.projects.deeplab import add_deeplab_config

    folder = checkout("fcclip")
    if "batch_first" in inspect.signature(open_clip.transformer.Transformer).parameters:
        pytest.skip(f"FC-CLIP's code is for open_clip 2.16, here is {open_clip.__version__} with another text tower")
    monkeypatch.chdir(folder)  # it reads its lists of names from there
    project = importlib.import_module("fcclip")
    made = open_clip.create_model_and_transforms
    monkeypatch.setattr(open_clip, "create_model_and_transforms", lambda name, **_: made(name, pretrained=None))
    monkeypatch.setattr(sys.modules["fcclip.fcclip"], "VILD_PROMPT", ["a photo of a {}."])  # one of 14: a minute less
    dataset = "openvocab_cityscapes_fine_panoptic_val"
    file = config_file(
        tmp_path,
        folder / "configs" / "coco" / "panoptic-segmentation" / "fcclip" / "fcclip_convnext_large_eval_ade20k.yaml",
        MODEL={"MASK_FORMER": {"TEST": UNSURE}},
        DATASETS={"TEST": [dataset]},
        INPUT={"MIN_SIZE_TEST": 128, "MAX_SIZE_TEST": 192},
    )
    adding = (add_deeplab_config, project.add_maskformer2_config, project.add_fcclip_config)
    network = random_network(file, *adding)
    torch.save({"model": network.state_dict()}, tmp_path / "w.pth")
    setup = f"{DEEPLAB}/fcclip:add_maskformer2_config/fcclip:add_fcclip_config"
    part = Detectron2Segmenter(Detectron2Settings(str(file), tmp_path / "w.pth", setup=setup, min_area=1), "cpu")
    assert weights_digest(part.network) == weights_digest(network)
    outputs = part.outputs(picture)
    sums = outputs["sem_seg"]
    expected = (sums / sums.sum(dim=0).clamp(min=1)).mean(dim=(1, 2))
    names = MetadataCatalog.get(dataset).stuff_classes
    np.testing.assert_allclose(
        whole_picture(part, picture, *(tuple(name.split(",")) for name in names)), expected, atol=1e-4
    )
