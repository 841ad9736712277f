"""What the command line writes to a terminal is one line of text, whatever a file or a system brings."""

import sys

import pytest

from knnclip import cli
from knnclip.cli.common import visible


def test_control_characters_are_shown_not_sent():
    assert visible("a\x1b[31mb\r\n\tc\x9bd\u202ee") == r"a\x1b[31mb \tc\x9bd\u202ee"
    assert visible("naïve 😀, caf\udce9") == "naïve 😀, caf\\udce9"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PermissionError(13, "Permission denied", "/x/y"), "error: /x/y: Permission denied; check the path"),
        (MemoryError("1 GB"), "error: there is not enough memory (1 GB)"),
        (OSError("no address"), "error: no address"),
    ],
)
def test_what_the_system_refuses_is_one_line(monkeypatch, capsys, error, line):
    def fail():
        raise error

    monkeypatch.setattr(cli, "app", fail)
    monkeypatch.setattr(sys, "argv", ["knnclip"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith(line)
