"""The timm encoder's maps against DINOv2's and DINOv3's own code, at full architecture with weights by a formula."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file

from knnclip.encoders.timm import TimmEncoder, TimmSettings
from tests.encoders import dino


@pytest.fixture(scope="module", params=dino.SIZES)
def network(request, tmp_path_factory):
    """The name of a network, its encoder, and the maps that the encoder makes of the picture."""
    name = request.param
    file = tmp_path_factory.mktemp("dino") / "weights.safetensors"
    save_file(dino.weights(name), file)
    encoder = TimmEncoder(TimmSettings(name, file, dino.STAGES), "cpu")
    size = dino.SIZES[name]
    form = replace(encoder.formats[0], pixels=size[0] * size[1])
    assert form.size(size) == size
    return name, encoder, encoder.maps(dino.picture(name), form)


def test_maps_are_those_of_the_authors_code(network):
    name, _, maps = network
    with np.load(dino.GOLDEN) as golden:
        np.testing.assert_allclose(dino.kept(maps), golden[name], atol=1e-4)


def test_maps_are_those_of_the_authors_code_as_it_runs(network):
    name, _, maps = network
    folder = os.environ.get("KNNCLIP_ORIGINALS")
    if not folder:
        pytest.skip("KNNCLIP_ORIGINALS names no folder with checkouts of dinov2 and dinov3")
    for ours, theirs in zip(maps, dino.original(name, Path(folder)), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_pictures_are_as_large_as_the_network_was_trained(network):
    name, encoder, _ = network
    assert encoder.formats[0].pixels == (256 * 256 if "dinov3" in name else 518 * 518)
