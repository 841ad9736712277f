"""Commands that run networks say how long a picture takes before the first one."""

from dataclasses import replace

import pytest
from typer.testing import CliRunner

import demo.sample
import knnclip.evaluation
import knnclip.presets
from knnclip.cli import app
from knnclip.errors import UsageError
from knnclip.presets import PRESETS


@pytest.fixture
def slow(monkeypatch):
    """The preset ``builtin``, of which it is said that a picture takes 99 s."""
    preset = replace(PRESETS["builtin"], cost=replace(PRESETS["builtin"].cost, cpu_s=99))
    monkeypatch.setattr(knnclip.presets, "PRESETS", {"builtin": preset})


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("command", ["continual", "shots"])
def test_protocols_say_how_long_a_picture_takes(sample_data, monkeypatch, command):
    def too_early(*args, **named):
        raise UsageError("encoded")

    monkeypatch.setattr(knnclip.evaluation, "encode_splits", too_early)
    places = [str(sample_data / "train"), str(sample_data / "val")]
    told = CliRunner().invoke(app, [command, *places, "--preset", "builtin", "--device", "cpu"])
    assert "encoded" in told.output or "encoded" in str(told.exception)
    assert "about 99 s on two cores" in told.output


@pytest.mark.usefixtures("slow")
def test_the_demos_sample_says_how_long_a_picture_takes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo.sample, "ingest", lambda *args, **named: None)
    demo.sample.make_sample(tmp_path, "builtin", {"device": "cpu"})
    assert "about 99 s on two cores" in capsys.readouterr().err
