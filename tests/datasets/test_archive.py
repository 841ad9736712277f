"""Zip files from strangers: unpacked where they should be, or not at all."""

import struct
import zipfile

import pytest

from knnclip.datasets.archive import MAX_RATIO, extract_zip
from knnclip.errors import DatasetError


def make_zip(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("prefix", ["", "set/", "a/"])
def test_the_folder_that_holds_the_data_is_found(tmp_path, prefix):
    members = {f"{prefix}images/1.png": b"one", f"{prefix}labels/1.png": b"two", "__MACOSX/._1.png": b""}
    root = extract_zip(make_zip(tmp_path / "z.zip", members), tmp_path / "out")
    assert (root / "images" / "1.png").read_bytes() == b"one"
    assert (root / "labels" / "1.png").read_bytes() == b"two"


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "..\\evil", "C:/evil", "C:\\evil"])
def test_places_outside_the_folder_are_refused_before_anything_is_written(tmp_path, name):
    file = make_zip(tmp_path / "z.zip", {"good": b"x", name: b"x"})
    with pytest.raises(DatasetError, match="outside its folder"):
        extract_zip(file, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"z.zip"}


def test_a_bomb_is_stopped_early(tmp_path):
    file = make_zip(tmp_path / "z.zip", {"zeros": bytes(50 * 2**20)})
    with pytest.raises(DatasetError, match="far more than its size"):
        extract_zip(file, tmp_path / "out")
    assert sum(path.stat().st_size for path in (tmp_path / "out").rglob("*")) <= MAX_RATIO * file.stat().st_size


def test_a_size_that_lies_does_not_help_a_bomb(tmp_path):
    file = make_zip(tmp_path / "z.zip", {"zeros": bytes(50 * 2**20)})
    content = bytearray(file.read_bytes())
    place = content.index(b"PK\x01\x02")
    content[place + 24 : place + 28] = struct.pack("<I", 10)  # the central directory says 10 bytes
    file.write_bytes(bytes(content))
    with pytest.raises(DatasetError):
        extract_zip(file, tmp_path / "out")
    assert sum(path.stat().st_size for path in (tmp_path / "out").rglob("*")) <= MAX_RATIO * file.stat().st_size


def test_a_limit_in_bytes_holds_for_all_files_together(tmp_path):
    file = make_zip(tmp_path / "z.zip", {f"{i}": bytes(1000) for i in range(10)}, zipfile.ZIP_STORED)
    with pytest.raises(DatasetError):
        extract_zip(file, tmp_path / "out", max_bytes=9_999)
    assert extract_zip(file, tmp_path / "fits", max_bytes=10_000)


@pytest.mark.parametrize("content", [b"", b"%PDF-1.4", b"PK\x03\x04 cut off"])
def test_what_is_no_zip_is_said_to_be_none(tmp_path, content):
    (tmp_path / "z.zip").write_bytes(content)
    with pytest.raises(DatasetError, match=r"z\.zip cannot be unpacked .* make a plain zip"):
        extract_zip(tmp_path / "z.zip", tmp_path / "out")


def test_a_damaged_member_is_an_error(tmp_path):
    file = make_zip(tmp_path / "z.zip", {"a": b"0123456789" * 10}, zipfile.ZIP_STORED)
    content = bytearray(file.read_bytes())
    content[content.index(b"0123456789")] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(DatasetError, match="CRC"):
        extract_zip(file, tmp_path / "out")


def test_a_name_that_is_too_long_or_twice_a_folder_is_an_error(tmp_path):
    for members in ({"x" * 300: b"x"}, {"a": b"x", "a/b": b"x"}):
        with pytest.raises(DatasetError, match="cannot be unpacked"):
            extract_zip(make_zip(tmp_path / "z.zip", members), tmp_path / f"out{len(members)}")
