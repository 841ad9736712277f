"""What a stranger sent is read in another process first, which it may end."""

import os
import shutil
import signal

import pytest

from demo import classes, trial
from demo.picker import open_zip
from demo.trial import try_to_read
from knnclip.errors import InputError, UsageError


def never():
    return False


def test_what_can_be_read_is_read(sample, sessions_of):
    try_to_read("dataset", sample / "data" / "val", never)
    try_to_read("store", classes.export_store(sessions_of().of("one")), never)


def test_what_cannot_be_read_is_one_line(tmp_path):
    (tmp_path / "x.knnclip").write_bytes(b"SQLite format 3\0" + bytes(5000))
    for kind, path in (("store", tmp_path / "x.knnclip"), ("dataset", tmp_path)):
        with pytest.raises(InputError) as error:
            try_to_read(kind, path, never)
        assert len(str(error.value).splitlines()) == 1


def greedy(path):
    bytearray(8 * 2**30)


def crashing(path):
    os.kill(os.getpid(), signal.SIGSEGV)


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither these signals nor these limits")
@pytest.mark.parametrize("reader", [greedy, crashing])
def test_what_takes_memory_or_life_takes_those_of_another_process(tmp_path, monkeypatch, reader):
    program = f"import demo.trial, tests.demo.test_trial as t; demo.trial._limit_memory(); t.{reader.__name__}(None)"
    monkeypatch.setattr(trial, "PROGRAM", ("-c", program))
    with pytest.raises(InputError, match="4 GB of memory"):
        try_to_read("dataset", tmp_path, never)


def test_what_takes_too_long_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "PROGRAM", ("-c", "import time; time.sleep(1000)"))
    monkeypatch.setattr(trial, "MAX_S", 0.3)
    with pytest.raises(InputError, match="longer than"):
        try_to_read("dataset", tmp_path, never)
    with pytest.raises(UsageError, match="session ended"):
        try_to_read("dataset", tmp_path, lambda: True)


def test_a_zip_and_a_store_of_a_client_are_tried_first(sessions_of, tmp_path, monkeypatch, sample):
    session, tried = sessions_of().of("one"), []
    exported = classes.export_store(session)

    def refuse(kind, path, given_up):
        tried.append(kind)
        raise InputError(f"{path} is bad")

    monkeypatch.setattr("demo.classes.try_to_read", refuse)
    monkeypatch.setattr("demo.picker.try_to_read", refuse)
    shutil.make_archive(str(tmp_path / "a"), "zip", sample / "data" / "val")
    with pytest.raises(InputError, match=r"^mine\.knnclip is bad$"):
        classes.import_store(session, exported, "mine.knnclip")
    with pytest.raises(InputError) as error:
        open_zip(session, tmp_path / "a.zip", "mine.zip")
    assert str(session.folder) not in str(error.value)
    assert tried == ["store", "dataset"]
