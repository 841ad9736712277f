"""detectron2's networks in its own code: architectures of its model zoo with random weights, in the zoo's file layout.

``make test-detectron2 SRC=...`` builds detectron2 from its source and runs these.
"""

import dataclasses
import importlib.util
import pickle
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import yaml

from knnclip.errors import UsageError, WeightsError
from knnclip.networks.detectron2.config import read_config
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

detectron2 = pytest.importorskip(
    "detectron2", reason="detectron2 is not installed; `make test-detectron2 SRC=...` builds it and runs these"
)

ZOO = {
    "GeneralizedRCNN": "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml",
    "PanopticFPN": "COCO-PanopticSegmentation/panoptic_fpn_R_50_1x.yaml",
    "SemanticSegmentor": "Misc/semantic_R_50_FPN_1x.yaml",
}
SMALL = {
    "INPUT": {"MIN_SIZE_TEST": 128, "MAX_SIZE_TEST": 192},
    "TEST": {"DETECTIONS_PER_IMAGE": 20},
    "MODEL": {
        "ROI_HEADS": {"SCORE_THRESH_TEST": 0.0},
        "PANOPTIC_FPN": {"COMBINE": {"INSTANCES_CONFIDENCE_THRESH": 0.0, "STUFF_AREA_LIMIT": 16}},
    },
}
"""Small input, and nothing filtered: what random weights find is unsure."""


def zoo(name):
    """A config of the model zoo."""
    return Path(detectron2.__file__).parent / "model_zoo" / "configs" / ZOO[name]


@pytest.fixture(scope="module", params=ZOO)
def part(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    file = config_file(folder, zoo(request.param), **SMALL)
    network = random_network(file)
    assert type(network).__name__ == request.param
    weights = write_zoo(folder / "model_final.pkl", network)
    made = Detectron2Segmenter(Detectron2Settings(str(file), weights, min_area=1), "cpu")
    made.dataset = "coco_2017_val" if request.param == "GeneralizedRCNN" else "coco_2017_val_panoptic_separated"
    return made


@pytest.fixture(name="picture")
def a_picture():
    return picture()


def test_segments_have_the_names_that_the_visualiser_writes(part, picture):
    outputs = part.outputs(picture)
    assert named(part, outputs) == drawn(picture, outputs, part.dataset)
    if type(part.network).__name__ != "SemanticSegmentor":
        assert len({name for name, _ in named(part, outputs)}) > 3, "one class would prove little"


def test_proposals_are_masks_of_the_picture(part, picture):
    proposals = part.generate(picture)
    assert len(proposals) > 5
    assert all(mask.shape == picture.shape[:2] for mask in proposals.masks)
    assert (proposals.scores >= 0).all()
    assert (proposals.scores <= 1).all()


def test_base_is_what_the_heads_say(part, picture):
    from detectron2.data import MetadataCatalog

    outputs, metadata = part.outputs(picture), MetadataCatalog.get(part.dataset)
    things = {}
    if "instances" in outputs:
        found = outputs["instances"]
        for dense, score, number in zip(found.pred_masks, found.scores, found.pred_classes, strict=True):
            here = things.setdefault(metadata.thing_classes[int(number)], torch.zeros(picture.shape[:2]))
            here[dense] = here[dense].clamp(min=float(score))
    claimed = torch.zeros(picture.shape[:2]) + sum(things.values())
    for name, scores in things.items():
        expected = float((scores / claimed.clamp(min=1)).mean())
        assert whole_picture(part, picture, name)[0] == pytest.approx(expected, abs=1e-4), name
    if "sem_seg" in outputs:
        semantic = outputs["sem_seg"].softmax(dim=0) * (1 - claimed.clamp(max=1))
        names = metadata.stuff_classes[1:]
        np.testing.assert_allclose(whole_picture(part, picture, *names), semantic[1:].mean(dim=(1, 2)), atol=1e-4)
        assert whole_picture(part, picture, "things")[0] == 0, "a value for all things is no class"
    assert whole_picture(part, picture, *{name for names in part.labels for name in names}).sum() <= 1 + 1e-5


def test_half_precision_changes_little(part, picture, monkeypatch):
    monkeypatch.setattr("knnclip.networks.detectron2.part.autocast", lambda _: torch.autocast("cpu", torch.bfloat16))
    half = part.probabilities(picture.copy())
    monkeypatch.undo()
    assert np.abs(half - part.probabilities(picture)).mean() < 0.02


def test_weights_of_the_zoo_are_those_that_its_checkpointer_loads(tmp_path, part):
    from detectron2.checkpoint import DetectionCheckpointer

    arrays = {name: tensor.numpy() for name, tensor in random_network(part.settings.model).state_dict().items()}
    arrays |= {"pixel_mean": np.zeros((3, 1, 1), np.float32)}
    arrays |= {f"proposal_generator.anchor_generator.cell_anchors.{i}": np.zeros((3, 4)) for i in range(5)}
    file = tmp_path / "model_final_0.pkl"
    file.write_bytes(pickle.dumps({"model": arrays, "__author__": "Detectron2 Model Zoo"}, protocol=2))
    other = random_network(part.settings.model)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    DetectionCheckpointer(other).load(str(file))
    read = Detectron2Segmenter(dataclasses.replace(part.settings, weights=file), "cpu")
    assert weights_digest(read.network) == weights_digest(other) == weights_digest(part.network)


def test_a_set_without_names_is_an_error(tmp_path, part):
    file = config_file(tmp_path, zoo("GeneralizedRCNN"), DATASETS={"TEST": ["nobody_knows"]})
    with pytest.raises(UsageError, match="the catalog knows no class names for nobody_knows"):
        Detectron2Segmenter(dataclasses.replace(part.settings, model=str(file)), "cpu")


def test_a_set_with_other_classes_is_an_error(tmp_path, picture):
    file = config_file(tmp_path, zoo("SemanticSegmentor"), DATASETS={"TEST": ["cityscapes_fine_sem_seg_val"]})
    part = Detectron2Segmenter(
        Detectron2Settings(str(file), write_zoo(tmp_path / "w.pkl", random_network(file)), min_area=1), "cpu"
    )
    with pytest.raises(WeightsError, match=r"tells 54 classes apart, the set in DATASETS.TEST of its config has 19"):
        part.generate(picture)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("MODEL: {MASK_FORMER: {DROPOUT: 0.0}}", r"Non-existent config key.*MASK_FORMER.*setup=MODULE:FUNCTION"),
        ("MODEL: !!python/object/apply:os.system ['touch executed']", r"could not determine a constructor"),
        ("a: [", "cannot be used"),
    ],
)
def test_a_config_that_cannot_be_used_is_an_error(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(WeightsError, match=message):
        read_config(str(tmp_path / "config.yaml"), "", "cpu")
    assert not (tmp_path / "executed").exists()


def test_a_config_that_is_nowhere_is_an_error():
    with pytest.raises(WeightsError, match="no file and not in the model zoo"):
        read_config("COCO-Panoptic/none.yaml", "", "cpu")
    with pytest.raises(UsageError, match="setup 'nothing:add' cannot be called"):
        read_config(ZOO["PanopticFPN"], "nothing:add", "cpu")


def test_panoptic_maps_without_a_list_of_segments(tmp_path, monkeypatch, picture):
    """Panoptic-DeepLab's answers, where a pixel tells category and instance."""
    if importlib.util.find_spec("panopticapi") is None:  # in no package registry; only its training calls it
        utils = ModuleType("panopticapi.utils")
        utils.rgb2id = None
        monkeypatch.setitem(sys.modules, "panopticapi", ModuleType("panopticapi"))
        monkeypatch.setitem(sys.modules, "panopticapi.utils", utils)
    from detectron2.projects.panoptic_deeplab import add_panoptic_deeplab_config

    heads = {"IN_FEATURES": ["res2", "res3", "res5"], "PROJECT_FEATURES": ["res2", "res3"], "NORM": "BN"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({
        "MODEL": {
            "META_ARCHITECTURE": "PanopticDeepLab",
            "BACKBONE": {"NAME": "build_resnet_deeplab_backbone", "FREEZE_AT": 0},
            "RESNETS": {"OUT_FEATURES": ["res2", "res3", "res5"], "RES5_DILATION": 2, "STEM_TYPE": "deeplab",
                        "STEM_OUT_CHANNELS": 128},
            "PANOPTIC_DEEPLAB": {"STUFF_AREA": 1, "SIZE_DIVISIBILITY": 32},
            "SEM_SEG_HEAD": {"NAME": "PanopticDeepLabSemSegHead", "NUM_CLASSES": 19, "LOSS_TYPE": "cross_entropy",
                             "COMMON_STRIDE": 4, "ASPP_CHANNELS": 32, "ASPP_DILATIONS": [1, 2, 3],
                             "CONVS_DIM": 32, "HEAD_CHANNELS": 32, "PROJECT_CHANNELS": [16, 16], **heads},
            "INS_EMBED_HEAD": {"ASPP_CHANNELS": 32, "ASPP_DILATIONS": [1, 2, 3], "CONVS_DIM": 32,
                               "HEAD_CHANNELS": 16, "PROJECT_CHANNELS": [16, 16], **heads},
        },
        "DATASETS": {"TRAIN": ["cityscapes_fine_panoptic_train"], "TEST": ["cityscapes_fine_panoptic_val"]},
        "INPUT": SMALL["INPUT"],
    }))  # fmt: skip
    network = random_network(tmp_path / "config.yaml", add_panoptic_deeplab_config)
    part = Detectron2Segmenter(
        Detectron2Settings(
            str(tmp_path / "config.yaml"),
            write_zoo(tmp_path / "w.pkl", network),
            setup="detectron2.projects.panoptic_deeplab:add_panoptic_deeplab_config",
            min_area=1,
        ),
        "cpu",
    )
    outputs = part.outputs(picture)
    assert outputs["panoptic_seg"][1] is None
    assert named(part, outputs) == drawn(picture, outputs, "cityscapes_fine_panoptic_val")
    np.testing.assert_allclose(
        whole_picture(part, picture, *(name for (name,) in part.labels)),
        outputs["sem_seg"].softmax(dim=0).mean(dim=(1, 2)),
        atol=1e-4,
    )
