"""What the command line writes to a terminal is one line of text, whatever a file or a system brings."""

import sys

import pytest

from knnclip import cli


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PermissionError(13, "Permission denied", "/x/y"), "error: /x/y: Permission denied; check the path"),
        (MemoryError("1 GB"), "error: there is not enough memory (1 GB)"),
        (OSError("no\n\x1b[31m address"), r"error: no \x1b[31m address"),
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


def test_a_bar_shows_once_work_has_begun_and_not_before(capsys):
    from knnclip.cli.common import Bar

    with Bar("class names", "names"):
        pass
    assert capsys.readouterr().err == ""
    with Bar("class names", "names") as bar:
        bar.start(2)
        bar.advance()
        bar.advance()
    assert "class names" in capsys.readouterr().err
