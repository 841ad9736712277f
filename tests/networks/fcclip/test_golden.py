"""Against tensors that the original FC-CLIP made, and the parameter lists of its published checkpoints."""

import json
import sys
from pathlib import Path

import pytest
import torch

from knnclip.networks.fcclip.checkpoint import make_network
from knnclip.networks.fcclip.naming import TRAINING, to_official

sys.path.insert(0, str(Path(__file__).parents[3] / "scripts"))
import trace_fcclip


@pytest.fixture(scope="module")
def golden(shared_data):
    return shared_data.parent / "golden"


@pytest.fixture(scope="module")
def traced(golden, tmp_path_factory):
    """The tensors of every stage of every image, and the original's."""
    folder = golden / "fcclip_tiny"
    made = trace_fcclip.Golden(folder)
    with torch.inference_mode():
        return {
            image["name"]: (*made.trace(image), trace_fcclip.load_file(folder / f"{image['name']}.safetensors"), image)
            for image in made.info["images"]
        }


@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_every_stage_is_the_originals(traced, name):
    found, segments, wanted, image = traced[name]
    assert set(found) == set(wanted)
    off = {}
    for key, tensor in wanted.items():
        assert found[key].shape == tensor.shape, key
        error, limit = trace_fcclip.error_of(key, found[key], tensor)
        if not error < limit:
            off[key] = error
    assert not off
    assert segments == image["segments_info"]


def test_the_images_are_not_all_of_the_networks_multiple(traced):
    assert any(side % 32 for *_, image in traced.values() for side in image["input_size"])


@pytest.mark.parametrize(("manifest", "backbone"), [("large", "convnext_large_d_320"), ("r50", "RN50")])
def test_the_published_checkpoints_load_with_nothing_missing_or_left_over(golden, manifest, backbone):
    shapes = {
        name: tuple(shape)
        for name, shape in json.loads((golden / f"fcclip_{manifest}_keys.json").read_text()).items()
        if not name.startswith(TRAINING)
    }
    with torch.device("meta"):
        network = make_network(shapes, source=manifest)
    assert network.model == backbone
    assert {name: tuple(tensor.shape) for name, tensor in to_official(network.state_dict()).items()} == shapes


def test_the_script_says_what_is_off(golden, tmp_path, capsys):
    folder = golden / "fcclip_tiny"
    assert trace_fcclip.main(folder, tmp_path / "out", check=True)
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    for file in folder.iterdir():
        (wrong / file.name).symlink_to(file)
    tensors = trace_fcclip.load_file(folder / "coffee.safetensors")
    tensors["mask_features"] = tensors["mask_features"] * 1.01
    (wrong / "coffee.safetensors").unlink()
    trace_fcclip.save_file(tensors, wrong / "coffee.safetensors")
    capsys.readouterr()
    assert not trace_fcclip.main(wrong, tmp_path / "out", check=True)
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines() if "OFF" in line] == ["mask_features"]
