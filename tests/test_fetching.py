"""Weights that a library fetches, and weights that a person gets by hand."""

import hashlib
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from typer.testing import CliRunner

from knnclip import fetching
from knnclip.catalogue import PartOverrides, from_settings, needed_weights, to_settings
from knnclip.cli import app
from knnclip.errors import UsageError, WeightsError
from knnclip.fetching import by_hand, fetch, hub_refusal, keep
from knnclip.networks.fcclip import card
from knnclip.parts.caches import weights_folder
from knnclip.parts.card import Card
from knnclip.presets import preset_by_name
from tests.progress import Listener

PAPER = preset_by_name("paper")


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    """A stand-in for the published file, by the name that a browser gives it; what it holds is not looked at."""
    monkeypatch.setenv("KNNCLIP_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "downloads" / "fcclip_cocopan (1).pth"
    file.parent.mkdir()
    file.write_bytes(b"weights")
    stand_in = replace(card.CHECKPOINT, sha256=hashlib.sha256(b"weights").hexdigest(), check=lambda path: None)
    monkeypatch.setattr(card, "CHECKPOINT", stand_in)
    return file


def test_a_file_that_was_handed_over_is_found_from_every_folder(checkpoint, tmp_path, monkeypatch):
    assert [Path(need.name).name for need in by_hand(PAPER)] == ["fcclip_cocopan.pth"]
    told = Listener()
    kept = keep(PAPER, checkpoint, progress=told)
    assert kept.as_published
    assert told.started == (1, 0)
    assert told.items == 1
    assert kept.path == tmp_path / "cache" / "weights" / "fcclip_cocopan.pth"
    monkeypatch.chdir("/")
    assert by_hand(PAPER) == []
    named = PartOverrides.read().into(PAPER)
    assert named.masks.model == named.classifier.model == str(kept.path)
    assert from_settings(to_settings(PAPER).get).masks.model == str(kept.path)


def test_a_file_in_the_current_folder_comes_first(checkpoint, tmp_path):
    keep(PAPER, checkpoint)
    (tmp_path / "fcclip_cocopan.pth").touch()
    assert PartOverrides.read().into(PAPER).masks.model == str(tmp_path / "fcclip_cocopan.pth")


def test_a_folder_of_ones_own_is_remembered_and_nothing_is_copied_twice(checkpoint, tmp_path):
    place = keep(PAPER, checkpoint, tmp_path / "big").path
    assert place == tmp_path / "big" / "fcclip_cocopan.pth"
    before = place.stat().st_ino
    assert keep(PAPER, place, tmp_path / "big").path.stat().st_ino == before
    assert (weights_folder() / "fcclip_cocopan.pth").samefile(place)
    assert by_hand(PAPER) == []


def test_another_checksum_is_told(checkpoint):
    checkpoint.write_bytes(b"other")
    assert not keep(PAPER, checkpoint).as_published


def test_a_file_of_another_network_is_refused_and_not_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("KNNCLIP_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    torch.save({"model": {"layer.weight": torch.zeros(2)}}, "fcclip_cocopan.pth")
    with pytest.raises(WeightsError, match="none of the known CLIP backbones"):
        keep(PAPER, Path("fcclip_cocopan.pth"))
    Path("fcclip_cocopan.pth").write_bytes(b"<html>quota exceeded</html>")
    with pytest.raises(WeightsError, match="cannot be read as weights"):
        keep(PAPER, Path("fcclip_cocopan.pth"))
    assert not weights_folder().exists()
    with pytest.raises(UsageError, match="needs no file that is got by hand"):
        keep(preset_by_name("light"), Path("fcclip_cocopan.pth"))
    with pytest.raises(UsageError, match="does not exist"):
        keep(PAPER, Path("nowhere.pth"))


def test_without_the_hub_it_is_said_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    before = time.perf_counter()
    with pytest.raises(WeightsError, match=r"eomt_small.*127\.0\.0\.1:9 does not answer.*presets fetch laptop"):
        fetch(preset_by_name("laptop"), lambda need: pytest.fail("nothing is begun"))
    assert time.perf_counter() - before < 2 * fetching.PROBE_S
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert hub_refusal() == "HF_HUB_OFFLINE is set"
    fetch(preset_by_name("builtin"), lambda need: pytest.fail("nothing is missing"))


def test_what_cannot_be_fetched_does_not_keep_the_rest_away(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(fetching, "hub_refusal", lambda: None)
    asked = []

    def refuse(spec, device):
        asked.append(spec.model)
        raise WeightsError(f"{spec.model} is gated")

    monkeypatch.setattr(Card, "make_from", lambda card, spec, device: refuse(spec, device))
    with pytest.raises(WeightsError, match="small is gated; convnext_base_w is gated"):
        fetch(preset_by_name("clip"), lambda need: None)
    assert len(asked) == 2, "each part once"


def test_the_command_tells_where_what_is_missing_is_and_takes_it(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    run = CliRunner().invoke
    told = run(app, ["presets", "fetch", "paper"])
    assert "drive.google.com" in told.output
    assert "1.5 GB" in told.output
    assert card.CHECKPOINT.sha256 in told.output
    assert isinstance(told.exception, WeightsError), "DINOv2 is missing, too"
    listed = run(app, ["presets"]).output
    assert "to be got by hand: https://drive.google.com" in listed
    monkeypatch.setattr("knnclip.fetching.fetch", lambda preset, tell: None)
    assert run(app, ["presets", "fetch", "paper"]).exit_code == 2, "something is still missing"
    done = run(app, ["presets", "fetch", "paper", "--file", str(checkpoint)])
    assert done.exit_code == 0, done.output
    assert "has the known checksum" in done.output
    assert "preset paper is ready" in done.output
    assert [need.on_disk for need in needed_weights(PAPER)] == [True, False]
    assert isinstance(run(app, ["presets", "fetch", "paper", "--to", "x"]).exception, UsageError)
