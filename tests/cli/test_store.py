"""What ``knnclip store`` and ``knnclip classes`` print."""

from __future__ import annotations

import os

import pytest
from typer.testing import CliRunner

from knnclip.cli import app
from knnclip.cli.common import printable
from knnclip.store import Store

from ..store.samples import FINGERPRINT, instance

STEERING = "\x1b[2J\x07\x9b31m\r\n\u2028\u202eevil"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("traffic cone", "traffic cone"),
        ("Straße 信号 🚦 👩\u200d🚒 [b] \\x", "Straße 信号 🚦 👩\u200d🚒 [b] \\x"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb\tc\rd\0", "a\\nb\\tc\\rd\\x00"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202eevil\u2066", "\\u202eevil\\u2066"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_steers_a_terminal_is_shown_as_escapes(text, shown):
    assert printable(text) == shown


@pytest.fixture
def folder(tmp_path):
    with Store.create(tmp_path / "store", FINGERPRINT, settings={f"name{STEERING}": f"value{STEERING}"}) as store:
        store.add([instance(1, f"class{STEERING}")], store.begin_source("teach", f"what{STEERING}"))
        store.add_class("other", synonyms=[f"synonym{STEERING}"])
    return tmp_path / "store"


@pytest.mark.parametrize(
    "command",
    [
        ["store", "info"],
        ["classes", "list"],
        ["classes", "rename", f"class{STEERING}", f"new{STEERING}"],
        ["classes", "merge", f"class{STEERING}", "--into", "other"],
        ["classes", "add", f"added{STEERING}"],
    ],
    ids=" ".join,
)
def test_no_command_prints_raw_control_characters(folder, command):
    words = command.copy()
    words.insert(2, str(folder))
    result = CliRunner().invoke(app, words, env={"COLUMNS": "300"})
    assert result.exit_code == 0, result.output
    assert "x1b" in result.output
    assert not set(result.output) & set(STEERING.replace("evil", "").replace("[2J", "").replace("31m", "")) - {"\n"}


def test_verify_and_info_tell_what_was_left(folder):
    draft = folder / "index.cache.7-ab"
    log = folder / "store.db-wal"
    with Store.open(folder, read_only=True) as reader, reader.view(), Store.open(folder, busy_timeout_s=0.05) as store:
        store.add([instance(2)], 1)
        with reader.view():
            store.add([instance(3)], 1)
            store.forget(instance_ids=[2])
            draft.write_bytes(b"half")
            assert log.stat().st_size > 0
            for command in ("verify", "info"):
                result = CliRunner().invoke(app, ["store", command, str(folder)], env={"COLUMNS": "300"})
                assert result.exit_code == 0, result.output
                assert os.fspath(draft) in result.output
                assert "forgotten ones may be among them" in result.output


@pytest.mark.parametrize(
    ("masks", "shown"),
    [
        ('{"name": "regions", "model": "", "options": {"min_area": ["100"]}}', "setting masks regions,min_area=100"),
        ('{"name": "of a later version"}', 'setting masks {"name": "of a later version"}'),
    ],
)
def test_info_writes_parts_as_people_do_and_keeps_what_it_does_not_know(tmp_path, masks, shown):
    Store.create(tmp_path / "s", FINGERPRINT, settings={"preset": "builtin", "masks": masks}).close()
    result = CliRunner().invoke(app, ["store", "info", str(tmp_path / "s")])
    assert result.exit_code == 0
    assert shown in result.output


@pytest.mark.parametrize("which", [["cat"], ["--source", "1"], ["--instance", "1"]], ids=" ".join)
@pytest.mark.parametrize(("answer", "left"), [("n\n", 1), ("", 1), ("y\n", 0)], ids=["no", "nothing", "yes"])
def test_forgetting_asks_first(tmp_path, which, answer, left):
    with Store.create(tmp_path / "store", FINGERPRINT) as store:
        store.add([instance(1, "cat")], store.begin_source("teach", "a cat"))
    command = ["classes", "forget", str(tmp_path / "store"), *which]
    done = CliRunner().invoke(app, command, input=answer)
    assert "for good?" in done.output
    with Store.open(tmp_path / "store") as store:
        assert len(store) == left
    if left:
        assert CliRunner().invoke(app, [*command, "--yes"]).exit_code == 0
        with Store.open(tmp_path / "store") as store:
            assert len(store) == 0
