"""The timm encoder on tiny networks with random weights, and on a real one."""

import shutil
from dataclasses import replace
from math import ceil
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models import save_for_hf

from knnclip.encoders.timm import TimmEncoder, TimmSettings, needs
from knnclip.errors import MaskError, UsageError, WeightsError
from knnclip.parts.inputs import InputFormat
from knnclip.parts.pooling import mask_weights
from knnclip.structures import Mask

CNN, VIT = "test_efficientnet", "test_vit"
FIXED = "vit_tiny_patch16_224"
"""Made for one size, unlike timm's own networks for tests."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Files with random weights, as timm makes them."""
    folder = tmp_path_factory.mktemp("weights")
    for name in (CNN, VIT, FIXED, "test_convnext"):
        torch.manual_seed(0)
        network = timm.create_model(name, pretrained=False)
        for parameter in network.parameters():
            parameter.data.normal_(0, 0.1)
        save_file(network.state_dict(), folder / f"{name}.safetensors")
        torch.save(network.state_dict(), folder / f"{name}.pt")
    return folder


@pytest.fixture
def random_weights(monkeypatch):
    """Networks with random weights in place of the published ones."""
    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained=False, **options: create(name, **options))


def encoder(weights, name=CNN, suffix="safetensors", **settings):
    return TimmEncoder(TimmSettings(name, weights / f"{name}.{suffix}", **{"pixels": (96 * 128,), **settings}), "cpu")


@pytest.fixture
def image(rng):
    return rng.integers(0, 256, (60, 80, 3)).astype(np.uint8)


@pytest.fixture
def masks(rng):
    ys, xs = np.mgrid[:60, :80]
    dense = [ys < 30, (ys - 40) ** 2 + (xs - 50) ** 2 < 100, (ys == 7) & (xs == 3), np.ones((60, 80), bool)]
    return [Mask.from_dense(mask) for mask in dense]


@pytest.mark.parametrize("name", [CNN, VIT, "test_convnext"])
@pytest.mark.parametrize("stages", [(), (0, 1)])
def test_vectors_are_unit_finite_and_the_same_for_every_order(weights, image, masks, name, stages):
    made = encoder(weights, name, stages=stages)
    vectors = made.encode(image, masks)
    assert vectors.shape == (4, made.fingerprint.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(made.encode(image, masks[::-1]), vectors[::-1])
    np.testing.assert_array_equal(made.encode(image, masks[2:3]), vectors[2:3])
    assert made.encode(image, []).shape == (0, made.fingerprint.dim)


def test_maps_of_a_vit_are_what_forward_features_says_of_its_patches(weights, image):
    made = encoder(weights, VIT)
    tokens = made.network.forward_features(torch.from_numpy(made.formats[0].prepare(image))[None])
    patches = tokens[0, made.network.num_prefix_tokens :].detach().numpy()
    maps = made.maps(image, made.formats[0])[0]
    np.testing.assert_allclose(maps.reshape(len(maps), -1).T, patches, rtol=1e-5, atol=1e-5)


def test_earlier_stages_of_a_vit_pass_the_final_norm_too(weights, image):
    made = encoder(weights, VIT, stages=(0, 1))
    batch = torch.from_numpy(made.formats[0].prepare(image))[None]
    plain = made.network.forward_intermediates(batch, indices=[0, 1], intermediates_only=True)
    for ours, theirs in zip(made.maps(image, made.formats[0]), plain, strict=True):
        normed = made.network.norm(theirs[0].permute(1, 2, 0)).permute(2, 0, 1)
        np.testing.assert_allclose(ours, normed.detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("name", [CNN, "test_convnext", "test_resnet", "resnetv2_18"])
@pytest.mark.usefixtures("random_weights")
def test_maps_of_a_convolutional_network_are_as_its_stages_make_them(image, name):
    made = TimmEncoder(TimmSettings(name, pixels=(96 * 128,)), "cpu")
    batch = torch.from_numpy(made.formats[0].prepare(image))[None]
    batch = batch.contiguous(memory_format=torch.channels_last)
    (expected,) = made.network.forward_intermediates(batch, indices=made.stages, intermediates_only=True)
    np.testing.assert_array_equal(made.maps(image, made.formats[0])[0], expected[0].numpy())


@pytest.mark.parametrize(("name", "layout"), [(CNN, "corners"), (VIT, "tiles"), ("test_convnext", "tiles")])
def test_the_layout_of_the_cells_is_found(weights, name, layout):
    assert encoder(weights, name).formats[0].layout == layout


def test_a_bright_spot_is_felt_where_it_is(weights):
    """A cell answers most to what lies at its place: the layout is right."""
    made = encoder(weights, CNN, stages=(1,), pixels=(129 * 129,))
    grey = np.full((129, 129, 3), 128, np.uint8)
    for spot in ((16, 96), (64, 32), (128, 128), (0, 0)):
        image = grey.copy()
        image[max(spot[0] - 1, 0) : spot[0] + 2, max(spot[1] - 1, 0) : spot[1] + 2] = 255
        change = np.abs(made.maps(image, made.formats[0])[0] - made.maps(grey, made.formats[0])[0]).sum(axis=0)
        found = np.array(np.unravel_index(change.argmax(), change.shape)) * 128 / (np.array(change.shape) - 1)
        assert np.abs(found - spot).max() <= 4


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_every_file_format_is_the_same_encoder(weights, suffix):
    assert encoder(weights, suffix=suffix).fingerprint == encoder(weights).fingerprint


@pytest.mark.parametrize(
    "settings",
    [
        {"stages": (0,)},
        {"pixels": (64 * 64,)},
        {"pixels": (96 * 128, 64 * 64)},
        {"flip": True},
        {"mean": (0.5,)},
        {"std": (0.5, 0.5, 0.6)},
        {"centre": 0.5},
        {"stages": (4,), "stage_weights": (2.0,)},
    ],
)
def test_whatever_changes_the_vectors_changes_the_fingerprint(weights, settings):
    assert encoder(weights, **settings).fingerprint != encoder(weights).fingerprint


def test_weights_of_stages_and_centring_are_what_they_say(weights, image, masks):
    made = encoder(weights, stages=(1, 4), stage_weights=(0.5, 2.0), centre=0.75)
    parts = []
    for plane, weight in zip(made.maps(image, made.formats[0]), (0.5, 2.0), strict=True):
        centred = plane - 0.75 * plane.mean(axis=(1, 2), keepdims=True)
        grid = tuple(plane.shape[1:])
        pooled = np.array(mask_weights(masks, (60, 80), grid, "corners") @ centred.reshape(len(plane), -1).T)
        parts.append(weight * pooled / np.linalg.norm(pooled, axis=1, keepdims=True))
    expected = np.concatenate(parts, axis=1)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(made.encode(image, masks), expected, atol=1e-5)


def test_several_sizes_are_averaged(weights, image, masks):
    one, other = (encoder(weights, pixels=(pixels,)).encode(image, masks) for pixels in (96 * 128, 64 * 64))
    both = encoder(weights, pixels=(96 * 128, 64 * 64)).encode(image, masks)
    np.testing.assert_allclose(both, (one + other) / np.linalg.norm(one + other, axis=1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize("name", [CNN, VIT])
def test_with_flip_a_mirrored_image_looks_the_same(weights, image, masks, name):
    made = encoder(weights, name, flip=True, stages=(0, 1))
    mirrored = [Mask.from_dense(mask.to_dense()[:, ::-1]) for mask in masks]
    there, here = made.encode(np.ascontiguousarray(image[:, ::-1]), mirrored), made.encode(image, masks)
    np.testing.assert_allclose(there, here, atol=1e-5)
    plain = encoder(weights, name, stages=(0, 1)).encode(image, masks)
    assert np.abs(plain - here).max() > 1e-3


@pytest.mark.parametrize(
    "settings",
    [{"centre": 1.0}, {"stages": (1, 0)}, {"stages": (1,), "stage_weights": (1, 2)}, {"pixels": (0,)},
     {"stages": (1,), "stage_weights": (0,)}],
)  # fmt: skip
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(UsageError):
        TimmSettings(CNN, **settings)


def test_wrong_files_are_errors(weights, tmp_path):
    content = (weights / f"{CNN}.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(content[:-100])
    for file, message in [
        (tmp_path / "cut.safetensors", "cannot be read as weights"),
        (tmp_path / "none.safetensors", "does not exist"),
        (weights / f"{VIT}.safetensors", "another architecture"),
    ]:
        with pytest.raises(WeightsError, match=message):
            TimmEncoder(TimmSettings(CNN, file), "cpu")


def test_unknown_models_and_stages_are_errors(weights):
    with pytest.raises(UsageError, match="unknown timm model 'resnett18'; did you mean 'resnet18'"):
        TimmEncoder(TimmSettings("resnett18"), "cpu")
    with pytest.raises(UsageError, match="has stages 0 to"):
        encoder(weights, stages=(9,))
    with pytest.raises(UsageError, match=r"cannot be made so.*pad_type"):
        encoder(weights, VIT, pad_type="same")
    with pytest.raises(UsageError, match="device 'tpu'"):
        TimmEncoder(TimmSettings(CNN), "tpu")


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("vit_tiny_patch16_224", 224 * 224),
        ("xcit_nano_12_p16_224", 224 * 224),
        ("naflexvit_base_patch16_gap", 384 * 384),
        ("swin_tiny_patch4_window7_224", 720 * 960),
        ("sam2_hiera_tiny", 720 * 960),
        ("resnet18", 720 * 960),
    ],
)
@pytest.mark.usefixtures("random_weights")
def test_networks_for_every_size_have_one_by_default(name, pixels, image):
    made = TimmEncoder(TimmSettings(name), "cpu")
    assert made.formats[0].pixels == pixels
    small = replace(made.formats[0], pixels=96 * 128)
    height, width = small.size((60, 80))
    (found,) = made.maps(image, small)
    assert found.shape == (made.fingerprint.dim, ceil(height / small.multiple), ceil(width / small.multiple))


@pytest.mark.parametrize(
    "name",
    ["beit_base_patch16_224", "hiera_tiny_224", "maxvit_pico_rw_256", "coatnet_pico_rw_224", "levit_128s",
     "efficientformerv2_s0", "cait_xxs24_224", "mvitv2_tiny"],
)  # fmt: skip
@pytest.mark.usefixtures("random_weights")
def test_networks_for_one_size_are_refused_in_one_line(name):
    with pytest.raises(UsageError, match=f"timm model {name} does not take pictures of every size") as error:
        TimmEncoder(TimmSettings(name), "cpu")
    assert "\n" not in str(error.value)


def test_weights_that_cannot_be_fetched_are_one_clear_error(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError) as error:
        TimmEncoder(TimmSettings("mobilenetv2_100.ra_in1k"), "cpu")
    for part in ("mobilenetv2_100.ra_in1k", "huggingface.co/timm/mobilenetv2_100.ra_in1k", "weights=FILE", "HF_HOME"):
        assert part in str(error.value)


def test_a_mask_of_another_image_is_refused(weights, image):
    with pytest.raises(MaskError):
        encoder(weights).encode(image, [Mask.from_dense(np.ones((5, 5)))])


@pytest.mark.parametrize(
    ("shape", "layout", "size"),
    [((60, 80), "tiles", (96, 128)), ((60, 80), "corners", (97, 129)), ((5, 4000), "tiles", (32, 3136))],
)
def test_the_input_keeps_the_proportions(shape, layout, size):
    made = InputFormat(96 * 128, 32, layout, (0.5,) * 3, (0.5,) * 3)
    assert made.size(shape) == size
    prepared = made.prepare(np.full((*shape, 3), 255, np.uint8))
    assert prepared.shape == (3, *size)
    np.testing.assert_allclose(prepared, 1, atol=1e-6)


def test_a_real_network(shared_data, rng):
    file = shared_data.parent / "models" / "mobilenetv2_100_imagenet_timm.safetensors"
    settings = TimmSettings(
        "mobilenetv2_100", file, (2, 3, 4), pixels=(128 * 128,), mean=(0.5,), std=(0.5,), pad_type="same"
    )
    made = TimmEncoder(settings, "cpu")
    assert made.fingerprint.dim == 32 + 96 + 320
    from skimage import data

    cat, coffee = data.chelsea(), data.coffee()
    halves = [np.s_[:, : cat.shape[1] // 2], np.s_[:, cat.shape[1] // 2 :]]
    vectors = [
        made.encode(np.ascontiguousarray(image[half]), [Mask.from_dense(np.ones(image[half].shape[:2]))])[0]
        for image in (cat, coffee)
        for half in halves
    ]
    similar = np.array(vectors) @ np.array(vectors).T
    assert min(similar[0, 1], similar[2, 3]) > max(similar[0, 2], similar[0, 3], similar[1, 2], similar[1, 3])


@pytest.fixture(params=[CNN, FIXED])
def saved_for_hub(request, tmp_path, weights):
    """A network's name, and a folder as timm saves it for a hub."""
    network = timm.create_model(request.param, pretrained=False)
    network.load_state_dict(torch.load(weights / f"{request.param}.pt", weights_only=True))
    save_for_hf(network, tmp_path / "saved", model_args={})
    return request.param, tmp_path / "saved"


def test_a_local_folder_is_the_same_network(saved_for_hub, weights, image, masks):
    name, folder = saved_for_hub
    made = TimmEncoder(TimmSettings(f"local-dir:{folder}", pixels=(96 * 128,)), "cpu")
    np.testing.assert_array_equal(made.encode(image, masks), encoder(weights, name).encode(image, masks))


def test_a_folder_that_moved_makes_vectors_that_can_be_compared(saved_for_hub, tmp_path):
    _, folder = saved_for_hub
    made = TimmEncoder(TimmSettings(f"local-dir:{folder}"), "cpu")
    folder.rename(tmp_path / "elsewhere")
    assert TimmEncoder(TimmSettings(f"local-dir:{tmp_path / 'elsewhere'}"), "cpu").fingerprint == made.fingerprint


def test_a_hub_cache_is_used_offline(saved_for_hub, weights, image, masks, monkeypatch, tmp_path):
    name, folder = saved_for_hub
    repository = tmp_path / "hub" / "models--somebody--tiny"
    shutil.copytree(folder, repository / "snapshots" / "abc")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    made = TimmEncoder(TimmSettings("hf-hub:somebody/tiny", pixels=(96 * 128,)), "cpu")
    np.testing.assert_array_equal(made.encode(image, masks), encoder(weights, name).encode(image, masks))


def test_what_is_needed_is_told(weights):
    file = weights / f"{CNN}.safetensors"
    assert needs(TimmSettings(CNN, file))[0].on_disk
    assert not needs(TimmSettings(CNN, Path("nowhere.safetensors")))[0].on_disk
    (need,) = needs(TimmSettings("mobilenetv2_100.ra_in1k"))
    assert need.name == "timm/mobilenetv2_100.ra_in1k"
    assert need.size_mb == pytest.approx(14.2, abs=0.1)


def test_cells_come_from_the_pass_of_the_masks(weights, image, masks, monkeypatch):
    made = encoder(weights, stages=(2, 3), stage_weights=(0.5, 1.0), centre=0.5, pixels=(96 * 128, 48 * 64), flip=True)
    passes = []
    forward = made._forward
    monkeypatch.setattr(made, "_forward", lambda batch: passes.append(1) or forward(batch))
    vectors = made.encode(image, masks)
    cells = made.cells(image)
    assert len(passes) == 4, "two sizes, each mirrored"
    assert cells.embeddings.shape[2] == vectors.shape[1]
    np.testing.assert_allclose(np.linalg.norm(cells.embeddings.astype(np.float32), axis=2), 1, atol=2e-3)
