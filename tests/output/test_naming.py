"""Names for the files of results."""

import os
import unicodedata
from pathlib import Path

import pytest

from knnclip.output.naming import UniqueNames, portable


def unique_names(files):
    unique = UniqueNames()
    return [unique.of(file.stem) for file in files]


def test_equal_names_of_different_folders_do_not_overwrite_each_other(tmp_path):
    files = [tmp_path / "x" / "a.png", tmp_path / "y" / "a.png", tmp_path / "b.png", tmp_path / "a~2.png"]
    names = unique_names(files)
    assert names[0] == "a"
    assert len(set(names)) == len(files)


def test_names_that_are_one_file_to_some_systems_do_not_overwrite_each_other(tmp_path):
    names = ["A.png", "a.png", "caf\u00e9.png", "cafe\u0301.png", "STRASSE.png", "stra\u00dfe.png", "A~2.png"]
    found = unique_names([tmp_path / name for name in names])
    assert found[0] == "A"
    assert len({unicodedata.normalize("NFC", name).casefold() for name in found}) == len(names)


def test_a_long_name_has_room_for_what_is_added(tmp_path):
    bad = os.fsdecode(b"\xe9" * 250)
    for name in unique_names([tmp_path / f"{'x' * 250}.png", tmp_path / f"{'x' * 250}.jpg", tmp_path / f"{bad}.png"]):
        (tmp_path / f"{name}.12345.json").touch()
    assert len(list(tmp_path.iterdir())) == 3


def test_a_thousand_files_of_one_name_are_named_in_no_time(tmp_path):
    names = unique_names([tmp_path / str(i) / "a.png" for i in range(20_000)])
    assert len(set(names)) == 20_000


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.jpg", "a"),
        ("Straße 5 – 東京.png", "Straße 5 – 東京"),
        ("a:b\\c|d.png", "a_b_c_d"),
        ("line\nbreak\x1b.png", "line_break_"),
        (os.fsdecode(b"\xe9t\xe9.png"), "_t_"),
        (" .png", "_"),
    ],
)
def test_a_portable_name_is_text_that_every_system_takes(name, stem):
    assert portable(Path(name)) == stem
