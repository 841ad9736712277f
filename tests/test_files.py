"""Files in, with errors that name the place; files out, whole or not at all."""

import csv
import json
import math
import os
import subprocess
import sys
import threading
from dataclasses import dataclass

import numpy as np
import pytest

from knnclip import files
from knnclip.errors import InputError, OutputError
from knnclip.files import (
    as_json,
    path_text,
    read_json,
    read_text,
    read_xml,
    write_atomically,
    write_csv,
    write_json,
    write_json_lines,
)
from knnclip.images import write_png

BYTES_THAT_ARE_NO_TEXT = os.fsdecode(b"caf\xe9.png")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("naïve\n".encode(), "naïve\n"),
        ("\ufeffsky\r\nsea\rsun".encode(), "sky\nsea\nsun"),  # a byte order mark, line ends of three systems
        (b"", ""),
    ],
)
def test_text_is_read_as_it_is_meant(tmp_path, content, text):
    (tmp_path / "x.txt").write_bytes(content)
    assert read_text(tmp_path / "x.txt") == text
    assert read_text(str(tmp_path / "x.txt")) == text


@pytest.mark.parametrize(
    ("read", "content", "message"),
    [
        (read_text, None, r"x: cannot be read \(No such file"),
        (read_text, b"sky\nsea\ncaf\xe9\n", "x line 3: expected UTF-8 text, found byte 0xe9; save it as UTF-8"),
        (read_text, b"\xef\xbb\xbfsky\n\xff", "x line 2: .* byte 0xff"),
        (read_json, b"\xff\xfe", "x line 1: expected UTF-8"),
        (read_json, b'{"a": 1,\n "b" 2}', r"x line 2 column 6: is not JSON \(Expecting ':' delimiter\); mend"),
        (read_json, b"", "x line 1 column 1: is not JSON"),
        (read_json, b"[" * 100_000, r"x: is JSON that cannot be read \(maximum recursion depth"),
        (read_json, b"1" * 5000, r"x: is JSON that cannot be read \(Exceeds the limit"),
        (read_xml, b"<a>\n  <b></c></a>", r"x line 2 column 8: is not XML \(mismatched tag\); mend"),
        (read_xml, b"", r"x line 1 column 1: is not XML \(no element found\)"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_place_and_what_was_found(tmp_path, read, content, message):
    if content is not None:
        (tmp_path / "x").write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read(tmp_path / "x")
    assert str(tmp_path / "x") in str(error.value)


def test_a_folder_is_no_text(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_text(tmp_path)


@dataclass(frozen=True)
class Score:
    name: str
    value: float
    parts: tuple[int, ...] = ()


def test_what_is_written_as_json_is_read_back(tmp_path):
    content = {"scores": [Score("sky", 0.5, (1, 2)), Score("sea", math.nan)], 3: None, "naïve": "😀"}
    write_json(tmp_path / "deep" / "x.json", content)
    assert read_json(tmp_path / "deep" / "x.json") == {
        "scores": [{"name": "sky", "value": 0.5, "parts": [1, 2]}, {"name": "sea", "value": None, "parts": []}],
        "3": None,
        "naïve": "😀",
    }
    assert as_json(Score) is Score, "a class is no dataclass object"


def test_file_names_that_are_no_text_survive_json_and_do_not_stop_a_table(tmp_path):
    write_json(tmp_path / "x.json", {"file": BYTES_THAT_ARE_NO_TEXT})
    assert read_json(tmp_path / "x.json")["file"] == BYTES_THAT_ARE_NO_TEXT
    write_json_lines(tmp_path / "x.jsonl", [{"file": BYTES_THAT_ARE_NO_TEXT}, Score("two\nlines", 1.0)])
    first, second = read_text(tmp_path / "x.jsonl").splitlines()
    assert json.loads(first)["file"] == BYTES_THAT_ARE_NO_TEXT
    assert json.loads(second)["name"] == "two\nlines"
    write_csv(tmp_path / "x.csv", [{"file": BYTES_THAT_ARE_NO_TEXT, "value": math.nan}])
    assert read_text(tmp_path / "x.csv").splitlines() == ["file,value", r"caf\udce9.png,"]


def test_what_cannot_be_written_leaves_nothing_and_names_the_file(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"x\.png cannot be written"):
        write_png(tmp_path / "file" / "x.png", np.zeros((2, 2), np.uint8))
    target = tmp_path / "folder"
    target.mkdir()
    (target / "inside").touch()
    with pytest.raises(OutputError, match="folder cannot be written"):
        write_atomically(target, b"content")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_failure_while_writing_keeps_the_file_from_before_and_no_draft(tmp_path, monkeypatch):
    write_atomically(tmp_path / "x", b"before")

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match=r"x cannot be written \(No space left on device\); make room"):
        write_atomically(tmp_path / "x", b"after")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("x", b"before")]


@pytest.mark.parametrize("name", ["x" * 255, "ж" * 127, "文" * 85])
def test_the_longest_names_that_a_file_system_takes_can_be_written(tmp_path, name):
    write_atomically(tmp_path / name, b"content")
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_a_file_has_the_rights_of_its_process_whatever_other_threads_write(tmp_path):
    code = """
import os, sys, threading
from pathlib import Path
from knnclip.files import write_atomically
os.umask(0o027)
folder = Path(sys.argv[1])
def write(thread):
    for i in range(50):
        write_atomically(folder / f"{thread}-{i}", b"x")
threads = [threading.Thread(target=write, args=[i]) for i in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(os.umask(0))
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 0o027
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o640}


def test_readers_see_one_whole_file_or_the_other(tmp_path):
    file, wrong, done = tmp_path / "x", [], threading.Event()
    contents = {bytes([i]) * 100_000 for i in range(4)}
    write_atomically(file, min(contents))

    def watch():
        while not done.is_set():
            if (found := file.read_bytes()) not in contents:
                wrong.append(len(found))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(10):
        for content in contents:
            write_atomically(file, content)
    done.set()
    watcher.join()
    assert not wrong


def test_a_cell_that_begins_a_formula_is_text(tmp_path):
    names = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "a=b", ""]
    write_csv(tmp_path / "x.csv", [{"name": name, "value": -0.5} for name in names])
    with (tmp_path / "x.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [*(f"'{name}" for name in names[:6]), "a=b", ""]
    assert {row["value"] for row in rows} == {"-0.5"}, "a number is none"


def test_a_file_that_would_fill_the_memory_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_TEXT_BYTES", 10)
    (tmp_path / "x.json").write_text("[" + " " * 10 + "]")
    for read in (read_text, read_json, read_xml):
        with pytest.raises(InputError, match="has 12 bytes, at most 10 are read"):
            read(tmp_path / "x.json")


def test_a_path_is_text_whatever_its_bytes():
    assert path_text(BYTES_THAT_ARE_NO_TEXT) == r"caf\xe9.png"
    assert path_text("naïve 😀") == "naïve 😀"
