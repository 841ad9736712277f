"""A label map of a MATLAB file: what SciPy wrote is read, whatever else is refused in one line."""

import struct
import zlib

import numpy as np
import pytest
from scipy.io import savemat

from knnclip.datasets.matlab import HEADER_BYTES, read_matrix
from knnclip.errors import DatasetError

LIMIT = 10_000


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("shape", [(3, 5), (1, 1), (1, 4), (40, 30)])
def test_what_scipy_wrote_is_read(tmp_path, rng, dtype, compressed, shape):
    values = rng.integers(0, 100, shape).astype(dtype)
    file = tmp_path / "a.mat"
    savemat(file, {"other": np.ones((2, 2)), "names": ["a", "b"], "LabelMap": values}, do_compression=compressed)
    found = read_matrix(file, "LabelMap", LIMIT)
    assert found.shape == shape
    np.testing.assert_array_equal(found, values)


def test_a_matrix_beyond_the_limit_is_refused_before_it_is_decoded(tmp_path):
    savemat(tmp_path / "a.mat", {"LabelMap": np.zeros((200, 200), dtype=np.uint8)}, do_compression=True)
    with pytest.raises(DatasetError, match=r"a\.mat: .*\(200, 200\)|more than"):
        read_matrix(tmp_path / "a.mat", "LabelMap", LIMIT)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"MATLAB 5.0",
        b"\x89HDF\r\n\x1a\n" + bytes(600),
        bytes(HEADER_BYTES),
        bytes(124) + b"\0\1IM",
        bytes(124) + b"\0\1IM" + struct.pack("<II", 14, 2**32 - 1),
        bytes(124) + b"\0\1IM" + struct.pack("<II", 15, 4) + b"\0\0\0\0",
        bytes(124) + b"\0\1IM" + struct.pack("<II", 15, 8) + zlib.compress(b""),
        bytes(124) + b"\0\1IM" + struct.pack("<II", 14, 0),
    ],
    ids=range(9),
)
def test_what_is_no_such_file_is_refused(tmp_path, content):
    (tmp_path / "a.mat").write_bytes(content)
    with pytest.raises(DatasetError, match=r"a\.mat: "):
        read_matrix(tmp_path / "a.mat", "LabelMap", LIMIT)


@pytest.mark.parametrize(
    "value", [np.zeros((2, 2, 2)), np.zeros((0, 3)), {"a": 1}, "text", np.array([[1, "x"]], dtype=object)]
)
def test_what_is_no_map_of_numbers_is_refused(tmp_path, value):
    savemat(tmp_path / "a.mat", {"LabelMap": value})
    with pytest.raises(DatasetError, match=r"a\.mat: "):
        read_matrix(tmp_path / "a.mat", "LabelMap", LIMIT)


@pytest.mark.parametrize("compressed", [False, True])
def test_no_flipped_or_missing_byte_does_more_than_be_refused_or_change_a_value(tmp_path, rng, compressed):
    file = tmp_path / "a.mat"
    savemat(file, {"LabelMap": rng.integers(0, 460, (20, 30)).astype(np.uint16)}, do_compression=compressed)
    whole = file.read_bytes()
    for trial in range(600):
        damaged = bytearray(whole)
        if trial % 3 == 0:
            del damaged[int(rng.integers(len(whole))) :]
        else:
            for at in rng.integers(HEADER_BYTES - 4, len(whole), int(rng.integers(1, 4))).tolist():
                damaged[at] ^= int(rng.integers(1, 256))
        file.write_bytes(damaged)
        try:
            found = read_matrix(file, "LabelMap", LIMIT)
        except DatasetError:
            continue
        assert found.ndim == 2
        assert found.size <= LIMIT
