"""What ``--help`` says, in a terminal of 80 columns."""

import typer.main
from rich.text import Text

from knnclip.cli import app
from knnclip.output.exports import EXPORTS

from .command import run


def commands(command, name="knnclip"):
    yield name, command
    for part, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, f"{name} {part}")


def test_no_help_holds_what_is_taken_for_markup():
    """Text in square brackets would be missing from the page."""
    lost = []
    for name, command in commands(typer.main.get_command(app)):
        texts = [command.help, *(getattr(parameter, "help", None) for parameter in command.params)]
        lost += [(name, text) for text in texts if text and Text.from_markup(text).plain != text]
    assert not lost


def test_every_option_has_a_help():
    silent = [
        (name, parameter.name)
        for name, command in commands(typer.main.get_command(app))
        for parameter in command.params
        if hasattr(parameter, "help") and not parameter.help and parameter.param_type_name == "option"
    ]
    assert not silent


def test_segment_names_every_format_that_it_writes():
    (write,) = (option for option in typer.main.get_command(app).commands["segment"].params if option.name == "write")
    named = write.help.split("files), ")[1].split(", each")[0].split(", ")
    assert named == [card.name for card in EXPORTS]


def test_a_list_that_is_not_given_shows_no_default(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = run("ingest", "--help").stdout
    assert "--exclude" in shown
    assert "dynamic" not in shown
    assert max(map(len, shown.splitlines())) <= 80
