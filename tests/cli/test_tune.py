"""``knnclip tune``, what ``store info`` shows of it, and ``ingest`` that tunes by itself."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from knnclip.cli import app
from knnclip.store import Store

from ..test_tuning import FINGERPRINT, add


def run(*words):
    result = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "300"})
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def folder(tmp_path):
    with Store.create(tmp_path / "s", FINGERPRINT, settings={"preset": "builtin"}) as store:
        add(store, 0, 300)
    return tmp_path / "s"


def test_what_is_found_is_told_shown_and_undone(folder):
    assert "none: those of the preset" in run("store", "info", folder)
    assert "tuned for pixels by 300 instances" in run("tune", folder, "--aim", "pixels")
    assert "tuned for pixels by 300 instances of generation 3" in run("store", "info", folder)
    assert "answers by the settings of its preset" in run("tune", folder, "--untuned")
    assert "none: those of the preset" in run("store", "info", folder)


def test_an_aim_that_is_none_is_refused(folder):
    result = CliRunner().invoke(app, ["tune", str(folder), "--aim", "speed"])
    assert "an aim is one of classes, pixels, masks" in str(result.exception)


@pytest.mark.parametrize("untuned", [True, False])
def test_ingest_tunes_a_store_that_has_doubled(tmp_path, sample_data, untuned):
    words = ["ingest", sample_data / "train", "--store", tmp_path / "s", "--preset", "builtin", "--images", "*0.*"]
    output = run(*words, *(["--untuned"] if untuned else []))
    assert ("tuned for classes" in output) is not untuned
    with Store.open(tmp_path / "s", read_only=True) as store:
        assert (store.tunings.newest() is None) is untuned
    if not untuned:
        assert "tuned for" not in run(*words), "nothing new"
