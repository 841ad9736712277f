"""Universal segmentation networks on tiny checkpoints, against transformers' own post-processing."""

import shutil

import numpy as np
import pytest
import torch

from knnclip.errors import WeightsError
from knnclip.networks.universal import UniversalSegmenter, UniversalSettings
from knnclip.segmenter import Segmenter
from knnclip.structures import Mask
from tests.networks import tiny
from tests.networks.samples import some_masks, vocabulary

NETWORKS = {
    "mask2former": tiny.mask2former,
    "oneformer": tiny.oneformer,
    "eomt-windows": lambda folder: tiny.eomt(folder, windows=True),
    "eomt-padded": lambda folder: tiny.eomt(folder, windows=False),
}


@pytest.fixture(scope="module", params=NETWORKS)
def folder(request, tmp_path_factory):
    return NETWORKS[request.param](tmp_path_factory.mktemp("model") / request.param)


@pytest.fixture
def image(rng):
    return rng.integers(0, 256, (76, 100, 3)).astype(np.uint8)


def made(folder, **settings):
    return UniversalSegmenter(UniversalSettings(folder, **{"min_area": 1, **settings}), "cpu")


def outputs_of(network, image):
    asked = {"task_inputs": ["panoptic"]} if network._asks else {}
    inputs = network._prepare(images=image, return_tensors="pt", **asked)
    with torch.inference_mode():
        return network.network(**inputs), inputs


def test_probabilities_are_the_semantic_scores_of_transformers(folder, image):
    network = made(folder)
    outputs, _ = outputs_of(network, image)
    scores = network._processor.post_process_semantic_segmentation(
        outputs, target_sizes=[(19, 25)], return_segmentation_scores=True
    )[0].segmentation_scores.numpy()
    expected = scores / np.maximum(scores.sum(axis=0), 1)
    np.testing.assert_allclose(network.probabilities(image), expected, rtol=1e-5, atol=1e-6)
    # With that the answer at each cell is transformers' own.
    own = network._processor.post_process_semantic_segmentation(outputs, target_sizes=[(19, 25)])[0]
    np.testing.assert_array_equal(network.probabilities(image).argmax(axis=0), own.numpy())


def test_proposals_are_sorted_tight_and_of_the_image(folder, image):
    proposals = made(folder).generate(image)
    assert len(proposals) >= (2 if "former" in folder else 1)
    assert (np.diff(proposals.scores) <= 0).all()
    assert ((proposals.scores > 0) & (proposals.scores <= 1)).all()
    for mask in proposals.masks:
        assert Mask.from_dense(mask.to_dense()).box_xyxy == mask.box_xyxy
    assert len(made(folder, max_masks=1).generate(image)) == 1
    large = made(folder, min_area=proposals.masks[0].area).generate(image)
    assert min(mask.area for mask in large.masks) >= proposals.masks[0].area


@pytest.mark.parametrize("folder", ["mask2former", "oneformer"], indirect=True)
def test_a_proposal_is_the_soft_mask_of_a_query_cut_at_one_half(folder, image):
    """Where the input is the whole image; windows and padding are looked at below."""
    network = made(folder)
    outputs, inputs = outputs_of(network, image)
    soft = torch.nn.functional.interpolate(outputs.masks_queries_logits, inputs["pixel_values"].shape[-2:],
                                           mode="bilinear").sigmoid()  # fmt: skip
    soft = torch.nn.functional.interpolate(soft, (76, 100), mode="bilinear")[0].numpy()
    found = [mask.to_dense() for mask in network._answer(image).masks]
    expected = [mask > 0.5 for mask in soft if (mask > 0.5).any()]
    assert len(found) == len(expected) >= 2
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    labels = outputs.class_queries_logits.softmax(dim=-1)[0, :, :-1].amax(dim=-1).numpy()
    inside = np.array([mask[mask > 0.5].mean() for mask in soft if (mask > 0.5).any()])
    kept = np.array([(mask > 0.5).any() for mask in soft])
    np.testing.assert_allclose(network._answer(image).scores, labels[kept] * inside, rtol=1e-4)


@pytest.mark.parametrize("windows", [True, False])
def test_masks_of_windows_and_of_padded_inputs_lie_where_they_were_seen(tmp_path, windows, image):
    network = made(tiny.eomt(tmp_path, windows=windows))
    size = (64, 84) if windows else (49, 64)  # of the resized image
    inputs = {"pixel_values": torch.zeros(1, 3, 64, 64)}
    if windows:
        inputs["patch_offsets"] = [torch.tensor([0, 0, 64]), torch.tensor([0, 20, 84])]
    logits = torch.full((1, 1, 16, 16), 9.0)
    logits[..., 8:] = -9.0  # the left half of the input
    x, _, right, bottom = Mask.from_dense(
        (network._placed(logits, inputs, 1 if windows else 0, (76, 100))[0] > 0.5).numpy()
    ).box_xyxy
    expected = (20 / 84 * 100, 52 / 84 * 100) if windows else (0, 32 / size[1] * 100)
    np.testing.assert_allclose((x, right), expected, atol=2)
    assert bottom == 76


def test_p_base_over_names_and_synonyms(folder, image):
    network = made(folder)
    described = network.describe(image, some_masks(76, 100))
    base = network.classify(described, vocabulary("double door", "cat", "elephant"))
    np.testing.assert_allclose(base[:, :2], described[:, 1:3], rtol=1e-6)
    assert (base[:, 2] == 0).all()


def test_one_forward_pass_for_both_roles(folder, image, tmp_path):
    text = f"universal:{folder},min_area=1"
    with Segmenter.open(tmp_path / "s", masks=text, classifier=text, device="cpu") as segmenter:
        assert segmenter.classifier is segmenter.generator
        runs = []
        segmenter.generator.network.register_forward_hook(lambda *_: runs.append(1))
        segmenter.store.add_class("cat")
        assert {segment.class_name for segment in segmenter.segment(image).segments} <= {"cat", None}
        assert len(runs) == 1


def test_wrong_folders_are_errors(tmp_path):
    folder = tiny.eomt(tmp_path / "good", windows=False)
    cut = tmp_path / "cut"
    shutil.copytree(folder, cut)
    (cut / "model.safetensors").write_bytes((cut / "model.safetensors").read_bytes()[:500])
    other = tiny.sam(tmp_path / "sam")
    for name in (str(cut), other, str(tmp_path)):
        with pytest.raises(WeightsError, match=r"cannot be loaded .*config.json"):
            made(name)
    with pytest.raises(WeightsError, match=r"not on this disk and cannot be fetched.*HF_HOME"):
        made("nobody/nothing")


def test_a_model_in_the_hubs_cache(tmp_path, monkeypatch, image):
    """The layout that the hub's client leaves on the disk, with no network."""
    import huggingface_hub.constants as constants

    folder = tiny.eomt(tmp_path / "good", windows=False)
    home = tmp_path / "hub" / "models--someone--tiny"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text("0" * 40)
    shutil.copytree(folder, home / "snapshots" / ("0" * 40))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    cached = made("someone/tiny")
    np.testing.assert_array_equal(cached.probabilities(image), made(folder).probabilities(image))
