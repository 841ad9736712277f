"""Universal segmentation networks on tiny checkpoints, against transformers' own post-processing."""

import json
import shutil

import numpy as np
import pytest
import torch

from knnclip.errors import UsageError, WeightsError
from knnclip.networks.universal import UniversalSegmenter, UniversalSettings
from knnclip.networks.universal_input import UniversalInput
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
    inputs, windows = network.input(image, **asked)
    with torch.inference_mode():
        return network.network(**inputs), inputs, windows


def soft_masks_of(network, image):
    """``(Q, H, W)``: sigmoid at the size of the input, without its padding, at the size of the image."""
    outputs, inputs, windows = outputs_of(network, image)
    size = inputs["pixel_values"].shape[-2:]
    soft = torch.nn.functional.interpolate(outputs.masks_queries_logits, size, mode="bilinear").sigmoid()
    height, width = windows[0].resized
    return torch.nn.functional.interpolate(soft[..., :height, :width], image.shape[:2], mode="bilinear")[0], outputs


def averaged(scores):
    """Full scores ``(L, H, W)`` as ``probabilities`` has them."""
    grid = (scores.shape[1] // 4, scores.shape[2] // 4)
    pooled = torch.nn.functional.adaptive_avg_pool2d(scores, grid)
    return (pooled / pooled.sum(dim=0).clamp(min=1)).numpy()


@pytest.mark.parametrize("folder", ["mask2former", "oneformer", "eomt-padded"], indirect=True)
def test_probabilities_are_the_queries_labels_times_their_masks(folder, image):
    network = made(folder)
    soft, outputs = soft_masks_of(network, image)
    labels = outputs.class_queries_logits.softmax(dim=-1)[0, :, :-1]
    expected = averaged(torch.einsum("ql,qhw->lhw", labels, soft))
    np.testing.assert_allclose(network.probabilities(image), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("folder", ["mask2former"], indirect=True)
def test_probabilities_are_the_semantic_scores_of_transformers(folder, rng):
    """Exactly where the input has the 384 x 384 pixels that its post-processing takes for granted."""
    image = rng.integers(0, 256, (400, 400, 3)).astype(np.uint8)
    network = made(folder, size=384)
    outputs, inputs, _ = outputs_of(network, image)
    assert inputs["pixel_values"].shape[-2:] == (384, 384)
    scores = network.input._images.post_process_semantic_segmentation(
        outputs, target_sizes=[(400, 400)], return_segmentation_scores=True
    )[0].segmentation_scores
    np.testing.assert_allclose(network.probabilities(image), averaged(scores), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("folder", ["eomt-windows"], indirect=True)
def test_probabilities_of_windows_are_the_semantic_scores_of_transformers(folder, image):
    network = made(folder)
    outputs, _, windows = outputs_of(network, image)
    assert len(windows) == 2
    scores = network.input._images.post_process_semantic_segmentation(
        outputs, target_sizes=[(76, 100)], return_segmentation_scores=True
    )[0].segmentation_scores
    far = np.abs(network.probabilities(image) - averaged(scores)).max(axis=0) > 1e-5
    assert set(np.nonzero(far)[1]) <= {5, 6, 18, 19}, "but where a window ends, at 20 and 64 of 84 columns"


@pytest.mark.parametrize("folder", ["eomt-padded"], indirect=True)
def test_masks_of_padded_inputs_are_those_of_transformers(folder, image):
    network = made(folder)
    outputs, _, _ = outputs_of(network, image)
    logits = torch.nn.functional.interpolate(outputs.masks_queries_logits, (64, 64), mode="bilinear")
    expected = network.input._images.unpad_image(logits, [(76, 100)], network.input.size)[0] > 0
    for mask, other in zip(network._answer(image).masks, (one.numpy() for one in expected if one.any()), strict=True):
        both = mask.to_dense() & other
        assert both.sum() / (mask.to_dense() | other).sum() > 0.97


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


@pytest.mark.parametrize("folder", ["mask2former", "oneformer", "eomt-padded"], indirect=True)
def test_a_proposal_is_the_soft_mask_of_a_query_cut_at_one_half(folder, image):
    network = made(folder)
    soft, outputs = soft_masks_of(network, image)
    soft = soft.numpy()
    found = [mask.to_dense() for mask in network._answer(image).masks]
    expected = [mask > 0.5 for mask in soft if (mask > 0.5).any()]
    assert len(found) == len(expected) >= 1
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    labels = outputs.class_queries_logits.softmax(dim=-1)[0, :, :-1].amax(dim=-1).numpy()
    inside = np.array([mask[mask > 0.5].mean() for mask in soft if (mask > 0.5).any()])
    kept = np.array([(mask > 0.5).any() for mask in soft])
    np.testing.assert_allclose(network._answer(image).scores, labels[kept] * inside, rtol=1e-4)


@pytest.mark.parametrize("windows", [True, False])
def test_masks_of_windows_and_of_padded_inputs_lie_where_they_were_seen(tmp_path, windows, image):
    network = made(tiny.eomt(tmp_path, windows=windows))
    _, places = network.input(image)
    assert [place.resized for place in places] == ([(64, 84)] * 2 if windows else [(49, 64)])
    left_half = torch.zeros(1, 64, 64)
    left_half[..., :32] = 1
    x, _, right, bottom = Mask.from_dense((places[-1].placed(left_half, (76, 100))[0] > 0.5).numpy()).box_xyxy
    expected = (20 / 84 * 100, 52 / 84 * 100) if windows else (0, 50)
    np.testing.assert_allclose((x, right), expected, atol=2)
    assert bottom == 76


def test_labels_without_a_name_are_refused_unless_they_are_given(tmp_path, image):
    folder = tiny.eomt(tmp_path / "model", windows=False)
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    names = {str(i): f"LABEL_{i}" for i in range(4)}
    (tmp_path / "model" / "config.json").write_text(
        json.dumps(config | {"id2label": names, "label2id": {name: int(i) for i, name in names.items()}})
    )
    with pytest.raises(WeightsError, match=r"universal: .*model does not say.*'LABEL_0'.*labels=coco-panoptic"):
        made(folder)
    with pytest.raises(WeightsError, match=r"has 4 classes, coco-panoptic names 133"):
        made(folder, labels="coco-panoptic")
    (tmp_path / "names.txt").write_text("sky\ndoor, gate\ncat\ntree-merged\n")
    network = made(folder, labels=str(tmp_path / "names.txt"))
    described = network.describe(image, some_masks(76, 100))
    base = network.classify(described, vocabulary("Trees", "gate"))
    np.testing.assert_allclose(base, described[:, [3, 1]], rtol=1e-6)


def test_p_base_over_names_and_synonyms(folder, image):
    network = made(folder)
    described = network.describe(image, some_masks(76, 100))
    base = network.classify(described, vocabulary("double door", "cat", "elephant"))
    np.testing.assert_allclose(base[:, :2], described[:, 1:3], rtol=1e-6)
    assert (base[:, 2] == 0).all()


def test_one_forward_pass_for_both_roles(folder, image, tmp_path):
    text = f"universal:{folder},min_area=1"
    with Segmenter.open(tmp_path / "s", "builtin", masks=text, classifier=text, device="cpu") as segmenter:
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


PREPROCESSOR = {"height": 384, "width": 384}
"""What the published preprocessor files of Mask2Former say."""


def mask2former_input(labels, size=0, said=PREPROCESSOR, embed_dim=192):
    import transformers as tf

    config = tf.Mask2FormerConfig(backbone_config=tf.SwinConfig(embed_dim=embed_dim), num_labels=labels)
    return UniversalInput(tf.Mask2FormerImageProcessor(size=said, size_divisor=32), config, size)


@pytest.mark.parametrize(
    ("labels", "options", "shape", "resized", "expected"),
    [
        # The shapes that detectron2's ResizeShortestEdge and padding to 32 give with the published configurations.
        (133, {}, (480, 1280), (500, 1333), (512, 1344)),
        (133, {}, (480, 640), (800, 1066), (800, 1088)),
        (80, {}, (640, 480), (1066, 800), (1088, 800)),
        (150, {}, (512, 683), (640, 853), (640, 864)),
        (150, {"embed_dim": 96}, (512, 683), (512, 683), (512, 704)),
        (100, {}, (600, 600), (640, 640), (640, 640)),
        (19, {}, (1024, 2048), (1024, 2048), (1024, 2048)),
        (8, {}, (512, 1024), (1024, 2048), (1024, 2048)),
        (65, {}, (768, 1024), (1536, 2048), (1536, 2048)),
        (133, {"size": 400}, (480, 640), (400, 533), (416, 544)),
        (133, {"size": 400}, (480, 1280), (250, 666), (256, 672)),
        (7, {}, (480, 640), (384, 384), (384, 384)),  # a network of one's own: as its file says
        (7, {"size": 320}, (480, 640), (320, 320), (320, 320)),
        (133, {"said": {"shortest_edge": 300, "longest_edge": 500}}, (480, 640), (300, 400), (320, 416)),
    ],
)
def test_a_mask2former_is_shown_the_size_of_its_training(labels, options, shape, resized, expected):
    made_input = mask2former_input(labels, **options)
    inputs, windows = made_input(np.full((*shape, 3), 200, np.uint8))
    assert inputs["pixel_values"].shape[-2:] == expected
    assert np.abs(np.subtract(windows[0].resized, resized)).max() <= 1, "rounded otherwise"
    height, width = windows[0].resized
    assert (inputs["pixel_values"][..., :height, :width] != 0).all()
    assert not inputs["pixel_values"][..., height:, :].any()
    assert not inputs["pixel_values"][..., width:].any()


@pytest.mark.parametrize("windows", [True, False])
def test_an_eomt_is_shown_its_square_whatever_its_file_says(windows):
    import transformers as tf

    config = tf.EomtConfig(image_size=64, patch_size=8)
    said = tf.EomtImageProcessor(size={"shortest_edge": 128, "longest_edge": 128}, do_split_image=windows)
    inputs, places = UniversalInput(said, config, 0)(np.full((30, 90, 3), 200, np.uint8))
    assert inputs["pixel_values"].shape == (3 if windows else 1, 3, 64, 64)
    assert {place.resized for place in places} == {(64, 192) if windows else (21, 64)}
    assert UniversalInput(said, config, 64).size["shortest_edge"] == 64
    with pytest.raises(UsageError, match=r"takes squares of 64 px, as it was trained; leave size out, .* at 128 px"):
        UniversalInput(said, config, 128)


def test_the_network_sees_the_image_and_not_the_copy_that_masks_are_made_on():
    """A street of 2048 x 1024 pixels is not made small and then large again."""
    made_input = mask2former_input(19)
    image = np.zeros((1024, 2048, 3), np.uint8)
    image[::2] = 255
    rows = made_input(image)[0]["pixel_values"][0, 0, :, 0]
    assert (rows[::2] > rows[1::2] + 1).all()
