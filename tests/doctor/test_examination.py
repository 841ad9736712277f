"""Parts against the libraries that they come from: what is right passes, and each thing that can be wrong is found."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import open_clip
import pytest
import timm
import torch
import transformers
from open_clip.pretrained import _PRETRAINED
from safetensors.torch import load_file, save_file
from timm.models import save_for_hf
from timm.models.vision_transformer import VisionTransformer

import knnclip.encoders.timm
from knnclip.doctor import by_sam, by_transformers
from knnclip.doctor.examination import COMPARISONS, examine
from knnclip.doctor.finding import SINGLE, Finding, regions, street
from knnclip.encoders.timm import TimmEncoder
from knnclip.masks import sam
from knnclip.networks import universal, universal_input
from knnclip.networks.fcclip import checkpoint
from knnclip.networks.fcclip import part as fcclip_part
from knnclip.networks.fcclip.part import FcClip
from knnclip.networks.names import LabelIndex
from knnclip.networks.open_clip import network as open_clip_network
from knnclip.networks.open_clip.network import OpenClip
from knnclip.parts.inputs import LOCAL_PIXELS, InputFormat
from knnclip.parts.spec import PartSpec
from tests.networks import tiny
from tests.networks.fcclip import tiny as tiny_fcclip
from tests.progress import Listener

TIMM = {
    "vit": "deit_tiny_patch16_224",
    "convnext": "convnext_atto",
    "mobilenet": "mobilenetv2_050",
}
"""Real architectures whose mean and deviation differ."""

CLIP = {
    "convnext": {"timm_model_name": "test_convnext", "timm_pool": "", "timm_proj": "linear", "image_size": 64},
    "vit": {"image_size": 64, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16},
}
TRAINED_WITH_QUICK_GELU = {"tag": {"url": "", "quick_gelu": True, "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.25)}}


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Parts by a short name, with random weights as the libraries write them."""
    folder = tmp_path_factory.mktemp("weights")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(by_sam, "POINTS", 3)
        patch.setenv("KNNCLIP_CACHE", str(folder / "cache"))
        made = {name: f"timm:{model},weights={_timm_weights(folder, model)}" for name, model in TIMM.items()}
        made["stages"] = f"{made['mobilenet']},stages=2+3+4,stage_weights=0.5+1+1,centre=0.8,flip=yes"
        tiny.open_clip_models(folder, CLIP)
        _far_from_zero(folder / "vit.safetensors")
        made |= {f"clip-{name}": f"openclip:tiny-{name},weights={folder}/{name}.safetensors" for name in CLIP}
        made["sam"] = f"sam:{tiny.sam2(folder / 'sam2')},min_score=0,min_stability=0,min_area=1"
        made["mask2former"] = f"universal:{_outspoken(tiny.mask2former(folder / 'mask2former'))}"
        made["oneformer"] = f"universal:{_outspoken(tiny.oneformer(folder / 'oneformer'))}"
        made["eomt"] = f"universal:{_outspoken(tiny.eomt(folder / 'eomt', windows=False))}"
        made["windows"] = f"universal:{_outspoken(tiny.eomt(folder / 'windows', windows=True))}"
        (folder / "names.txt").write_text("cat\ndog, hound\nsky\n")
        file, clip = tiny_fcclip.write(folder, "convnext")
        made["fcclip"] = f"fcclip:{file},clip={clip},trained={folder}/names.txt,short_px=96,long_px=160,min_area=1"
        made["fcclip-published"] = f"fcclip:{file},clip={clip},short_px=96,long_px=160,min_area=1"
        file, clip = tiny_fcclip.write(folder, "resnet")
        made["fcclip-resnet"] = f"fcclip:{file},clip={clip},trained={folder}/names.txt,short_px=96,long_px=160"
        made["clip-listed"] = made["clip-convnext"] + ",others=coco-panoptic"
        _far_from_zero(file)
        save_for_hf(timm.create_model(TIMM["vit"], num_classes=0), folder / "vit", model_args={})
        made["folder"] = f"timm:local-dir:{folder / 'vit'}"
        yield made


def _timm_weights(folder, model):
    torch.manual_seed(0)
    network = timm.create_model(model, num_classes=0)
    for parameter in network.parameters():
        if parameter.ndim <= 1:  # norms that do something
            parameter.data.add_(torch.randn_like(parameter) * 0.3)
    save_file(
        {name: tensor.contiguous() for name, tensor in network.state_dict().items()}, folder / f"{model}.safetensors"
    )
    return folder / f"{model}.safetensors"


def _far_from_zero(file):
    """Makes what goes into the activations as large as in trained networks: near zero all of them are lines."""
    weights = load_file(file) if file.suffix == ".safetensors" else torch.load(file, weights_only=True)["model"]
    weights = {name: tensor * (8 if "c_fc.weight" in name else 1) for name, tensor in weights.items()}
    if file.suffix == ".safetensors":
        save_file(weights, file)
    else:
        torch.save({"model": weights}, file)


def _outspoken(folder):
    """Makes each query of a network say something else of another place: else rounding decides every pixel."""
    network = transformers.AutoModelForUniversalSegmentation.from_pretrained(folder).eval()
    ends = re.compile(r"(class_predictor|class_embed|mask_embed\w*\.(layers\.)?2\.0|mask_head\.fc3)$")
    last = [layer for name, layer in network.named_modules() if ends.search(name)]
    said, pixels, einsum = {}, [], torch.einsum
    hooks = [layer.register_forward_hook(lambda layer, _, out: said.update({layer: out})) for layer in last]
    image = torch.from_numpy(street(64, 64)).permute(2, 0, 1)[None] / 255 * 2 - 1
    asked = {"task_inputs": torch.zeros(1, 77)} if network.config.model_type == "oneformer" else {}
    with torch.inference_mode(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "einsum", lambda how, *args: pixels.append(args[1]) or einsum(how, *args))
        network(pixel_values=image, **asked)
    for hook in hooks:
        hook.remove()
    classes, embeddings = sorted(said, key=lambda layer: layer.out_features)
    for layer in (classes, embeddings):
        queries = said[layer].squeeze()
        layer.bias.data -= queries.mean(dim=0)
        if layer is embeddings:  # what all pixels have in common says nothing of a place
            common = torch.nn.functional.normalize(pixels[-1].mean(dim=(0, 2, 3)), dim=0)
            across = torch.eye(len(common)) - common[:, None] * common
            layer.bias.data, layer.weight.data = across @ layer.bias.data, across @ layer.weight.data
            queries = (queries - queries.mean(dim=0)) @ across @ pixels[-1][0].flatten(1)
        for parameter in layer.parameters():
            parameter.data *= 4 / queries.std()
    network.save_pretrained(folder)
    return folder


def findings(part):
    return list(examine(PartSpec.parse(part), "cpu"))


def found_wrong(part):
    return [finding.what for finding in findings(part) if not finding.passed]


@pytest.mark.parametrize(
    ("name", "compared"),
    [
        ("vit", 2), ("convnext", 1), ("mobilenet", 1), ("stages", 1), ("folder", 2), ("clip-convnext", 3),
        ("clip-vit", 2), ("clip-listed", 4), ("sam", 2), ("mask2former", 4), ("oneformer", 4), ("eomt", 4),
        ("windows", 4), ("fcclip", 5), ("fcclip-published", 6),
    ],
)  # fmt: skip
def test_parts_give_what_their_libraries_give(parts, name, compared):
    found = findings(parts[name])
    assert len(found) == compared
    assert [finding for finding in found if not finding.passed] == []
    assert any(finding.seconds > 0 for finding in found)


def test_reading_names_is_told(parts, monkeypatch, tmp_path):
    monkeypatch.setenv("KNNCLIP_CACHE", str(tmp_path))
    for part in ("fcclip", "clip-listed"):
        listener = Listener()
        list(examine(PartSpec.parse(parts[part]), "cpu", listener))
        assert listener.items == listener.started[0] > 0


def swapped(form):
    return InputFormat(form.pixels, form.multiple, form.layout, form.std, form.mean)


PREPARE = InputFormat.prepare
WRONG_INPUTS = {
    "mean and deviation swapped": lambda form, image: PREPARE(swapped(form), image),
    "blue for red": lambda form, image: PREPARE(form, image[..., ::-1]),
    "values to 255": lambda form, image: PREPARE(form, image) * 255,
    "upside down": lambda form, image: PREPARE(form, image[::-1]),
    "mirrored": lambda form, image: PREPARE(form, image[:, ::-1]),
}


@pytest.mark.parametrize("wrong", WRONG_INPUTS)
@pytest.mark.parametrize("name", ["vit", "convnext", "stages"])
def test_another_input_of_timms_networks_is_found(parts, name, wrong, monkeypatch):
    monkeypatch.setattr(InputFormat, "prepare", WRONG_INPUTS[wrong])
    assert found_wrong(parts[name])


def test_a_missing_final_norm_is_found(parts, monkeypatch):
    forward = VisionTransformer.forward_intermediates
    monkeypatch.setattr(
        VisionTransformer, "forward_intermediates", lambda *args, **named: forward(*args, **{**named, "norm": False})
    )
    assert found_wrong(parts["vit"])


def test_another_activation_of_timms_networks_is_found(parts, monkeypatch):
    make = TimmEncoder.__init__

    def with_relu(part, *args):
        make(part, *args)
        for block in part.network.blocks:
            block.mlp.act = torch.nn.ReLU()

    monkeypatch.setattr(TimmEncoder, "__init__", with_relu)
    assert found_wrong(parts["vit"])


def test_another_activation_than_open_clip_names_for_the_weights_is_found(parts, monkeypatch):
    monkeypatch.setitem(_PRETRAINED, "tiny-vit", TRAINED_WITH_QUICK_GELU)
    create = open_clip.create_model
    monkeypatch.setattr(
        open_clip, "create_model", lambda *args, **named: create(*args, **{**named, "force_quick_gelu": False})
    )
    assert found_wrong(parts["clip-vit"] + ",pretrained=tag")
    monkeypatch.setattr(
        open_clip, "create_model", lambda *args, **named: create(*args, **{**named, "force_quick_gelu": True})
    )
    assert not found_wrong(parts["clip-vit"] + ",pretrained=tag")


def test_another_input_of_clip_is_found(parts, monkeypatch):
    config = open_clip.get_model_preprocess_cfg

    def wrong(network):
        found = config(network)
        return {**found, "mean": found["std"], "std": found["mean"]}

    monkeypatch.setattr(open_clip, "get_model_preprocess_cfg", wrong)
    assert len(found_wrong(parts["clip-convnext"])) >= 2, "cropped and pooled"
    assert found_wrong(parts["clip-vit"])


def test_classes_in_another_order_are_found(parts, monkeypatch):
    classify = OpenClip.classify
    monkeypatch.setattr(OpenClip, "classify", lambda *args: np.roll(classify(*args), 1, axis=1))
    assert found_wrong(parts["clip-vit"]) == ["classes, with open_clip's zero-shot classifier"]


@pytest.mark.parametrize("name", ["mask2former", "oneformer", "eomt"])
def test_labels_in_another_order_are_found(parts, name, monkeypatch):
    make = universal.UniversalSegmenter.__init__

    def shifted(part, *args):
        make(part, *args)
        part.labels = [*part.labels[1:], part.labels[0]]

    monkeypatch.setattr(universal.UniversalSegmenter, "__init__", shifted)
    assert found_wrong(parts[name]) == ["labels by name, with transformers' image-segmentation pipeline"]


@pytest.mark.parametrize(
    ("name", "part", "method"),
    [
        ("oneformer", universal.UniversalSegmenter, "probabilities"),
        ("mask2former", universal.UniversalSegmenter, "probabilities"),
        ("sam", sam.Sam, "generate"),
    ],
)
def test_another_input_of_transformers_networks_is_found(parts, name, part, method, monkeypatch):
    own = getattr(part, method)
    monkeypatch.setattr(part, method, lambda self, image: own(self, image[::-1].copy()))
    assert found_wrong(parts[name])


def test_pictures_pressed_into_a_square_are_found(parts, tmp_path, monkeypatch):
    folder = shutil.copytree(parts["mask2former"].partition(":")[2], tmp_path / "published")
    processor = transformers.Mask2FormerImageProcessor(size={"height": 96, "width": 96}, size_divisor=32)
    processor.save_pretrained(folder)
    assert found_wrong(f"universal:{folder}") == [], "a network of one's own may have been trained so"
    monkeypatch.setattr(by_transformers, "TRAINED_PX", {4: (64, 128)})
    monkeypatch.setattr(universal_input, "_trained", lambda config: None)
    assert found_wrong(f"universal:{folder}") == ["size of the input"]


def test_labels_without_names_and_names_that_do_not_meet_are_found(parts, monkeypatch):
    nameless = [(f"LABEL_{i}",) for i in range(4)]
    monkeypatch.setattr(universal, "labels_of", lambda *args: nameless)
    assert "names of the labels" in found_wrong(parts["mask2former"])
    published = [("car",), ("house",), ("sky-other-merged",), ("tree-merged",), *((str(i),) for i in range(129))]
    assert by_transformers.names(published).passed
    exactly = lambda index, names: [i for i, label in enumerate(published) if label[0] in names]  # noqa: E731
    monkeypatch.setattr(LabelIndex, "meeting", exactly)
    assert not by_transformers.names(published).passed


def test_masks_that_end_in_half_precision_are_found(parts, monkeypatch):
    """As under autocast on a GPU, where nothing makes them whole again."""
    assert found_wrong(parts["sam"]) == []

    def halved(network, inputs, answer):
        answer.pred_masks, answer.iou_scores = answer.pred_masks.bfloat16(), answer.iou_scores.bfloat16()
        return answer

    monkeypatch.setattr(sam, "_in_single_precision", halved)
    assert found_wrong(parts["sam"])


def test_a_vit_of_a_folder_that_takes_one_size_alone_is_found(parts, monkeypatch):
    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda *args, dynamic_img_size=False, **named: create(*args, **named))
    assert found_wrong(parts["folder"]) == ["runs"]


def test_another_size_than_a_vit_was_trained_at_is_found(parts, monkeypatch):
    load = knnclip.encoders.timm.load_backbone
    monkeypatch.setattr(knnclip.encoders.timm, "load_backbone", lambda *args: replace(load(*args), pixels=LOCAL_PIXELS))
    assert found_wrong(parts["folder"]) == ["size of the input"]


@pytest.mark.parametrize(("name", "module"), [("fcclip", fcclip_part), ("clip-listed", open_clip_network)])
def test_one_class_that_floods_a_picture_is_found(parts, name, module, monkeypatch):
    monkeypatch.setattr(module, "distractors", lambda classes, others: [])
    assert [what for what in found_wrong(parts[name]) if "as the only class" in what]


def test_other_names_than_fcclip_was_trained_with_are_found(parts, monkeypatch):
    trained = fcclip_part._trained
    monkeypatch.setattr(fcclip_part, "_trained", lambda path: [(names[0],) for names in trained(path)])
    assert found_wrong(parts["fcclip-published"]) == ["names of the training"]


def test_another_activation_than_fcclips_resnet_was_trained_with_is_found(parts, monkeypatch):
    monkeypatch.setitem(_PRETRAINED, "tiny-fcclip-resnet", {"openai": {"url": "", "quick_gelu": True}})
    assert found_wrong(parts["fcclip-resnet"]) == []
    own = checkpoint._clip_model
    create = open_clip.create_model

    def with_gelu(name):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(open_clip, "create_model", lambda *args, force_quick_gelu, **named: create(*args, **named))
            return own(name)

    monkeypatch.setattr(checkpoint, "_clip_model", with_gelu)
    assert found_wrong(parts["fcclip-resnet"]) == ["vector of a text, with open_clip's encode_text"]


def test_what_is_raised_is_a_finding(parts, monkeypatch):
    def fail(part, image):
        raise RuntimeError("dets should have the same type as scores\nand more")

    monkeypatch.setattr(sam.Sam, "generate", fail)
    (found,) = findings(parts["sam"])
    assert not found.passed
    assert found.found == "RuntimeError: dets should have the same type as scores"


@pytest.mark.parametrize(
    ("method", "answer"),
    [("encode", np.full((3, 24), np.nan, np.float32)), ("classify", np.full((3, 4), 0.5, np.float32))],
)
def test_figures_that_are_none_are_found(parts, method, answer, monkeypatch):
    monkeypatch.setattr(FcClip, method, lambda *args: answer)
    assert len(found_wrong(parts["fcclip"])) == 1


def test_a_part_without_a_library_is_said_to_be_not_compared():
    assert "onnx" not in COMPARISONS
    (found,) = findings("onnx:x.onnx,labels=y.txt")
    assert found.what == "not compared"


def test_nothing_found_is_not_all_well():
    image, masks = street(30, 40), regions(30, 40)
    assert image.shape == (30, 40, 3)
    assert not Finding.overlap("", [], [], 0, SINGLE).passed
    assert not Finding.overlap("", masks, [], 0, SINGLE).passed
    assert not Finding.overlap("", masks[:1], masks[1:], 0, SINGLE).passed
    assert Finding.overlap("", masks[1:], masks, 0, SINGLE).passed
    one = np.eye(3, dtype=np.float32)
    assert Finding.cosine("", one, one, 0, SINGLE).passed
    assert not Finding.cosine("", one, one[[0, 2, 1]], 0, SINGLE).passed
    assert not Finding.cosine("", one, one[:2], 0, SINGLE).passed
    assert json.dumps(Finding.cosine("", one, one, 0, SINGLE).passed) == "true"
