"""The benchmark of presets, in a small form on the CPU, and the networks that it measures."""

from dataclasses import replace

import numpy as np
import pytest
import timm
import torch

from knnclip.doctor.finding import regions
from knnclip.masks.sam import SIZES_MB
from knnclip.parts.weights import network_mb
from scripts import benchmark_gpu
from scripts.benchmark_gpu import Run, agreement
from scripts.random_weights import eomt_small, sam2

VIDEO_MB = 30
"""Of the published files: the memory of videos, which the network of images leaves out."""


def test_one_command_makes_the_table(capsys, monkeypatch):
    monkeypatch.setattr(benchmark_gpu, "ROWS", 1000)
    assert benchmark_gpu.main(["light"], "cpu", "96x64", 1, None) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1].strip() for line in lines if line.startswith("| `")] == ["`light`"]
    assert all("not measured" in line for line in lines if line.startswith("| `"))
    assert "ms on the CPU, not measured on a GPU" in lines[-1]


@pytest.mark.parametrize("model", ["facebook/sam2.1-hiera-tiny", "facebook/sam2.1-hiera-small"])
def test_random_networks_have_the_size_of_the_published_ones(model):
    with torch.device("meta"):
        assert network_mb(sam2(model)) == pytest.approx(SIZES_MB[model] - VIDEO_MB, abs=2)


def test_eomt_is_a_small_vit_with_a_small_head():
    with torch.device("meta"):
        trunk = network_mb(timm.create_model("vit_small_patch16_224", num_classes=0))
        assert trunk < network_mb(eomt_small()) < 1.3 * trunk
        assert len(eomt_small().config.id2label) == 133


def test_what_differs_between_devices_is_counted():
    masks = regions(30, 40)
    vectors = np.eye(3)
    one = Run(1, 1, 1, None, masks, vectors, np.zeros((0, 0)))
    assert agreement(one, one) == {"iou": 1, "cosine": 1, "described": 1}
    other = replace(one, masks=masks[:2], vectors=vectors[[1, 0, 2]])
    assert agreement(one, other)["iou"] < 0.9
    assert agreement(one, other)["cosine"] == 0
