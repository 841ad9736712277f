"""Pickles of arrays as detectron2's zoo publishes them; what else a pickle can do is refused before it is done."""

import pickle
import random
import sys
import tracemalloc

import numpy as np
import pytest

from knnclip.errors import WeightsError
from knnclip.parts.pickles import read_pickle
from knnclip.parts.weights import read_weights

ARRAYS = {
    "float32": np.arange(6, dtype=np.float32).reshape(2, 3),
    "float16": np.ones((2, 1, 2), np.float16),
    "counter": np.array(7, np.int64),
    "big-endian": np.arange(3, dtype=">f8"),
    "columns first": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
    "none": np.zeros((0, 4), np.float32),
    "flags": np.array([True, False]),
}
ZOO = {"model": ARRAYS, "__author__": "Detectron2 Model Zoo", "iteration": np.int64(3), "more": [1.5, (None, b"x")]}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"])
def test_arrays_of_every_protocol(tmp_path, protocol, core):
    content = pickle.dumps(ZOO, protocol)
    for module in (b"numpy._core.multiarray", b"numpy._core.numeric"):  # as older versions of NumPy wrote them
        renamed = module.replace(b"numpy._core", core)
        old, new = ((bytes([len(m)]) if protocol >= 4 else b"c") + m for m in (module, renamed))
        content = content.replace(old, new)
    if core == b"numpy.core" and protocol >= 4:
        # Frames tell their length, and it has changed.
        content = pickle.PROTO + bytes([protocol]) + content[11:] if content[2:3] == pickle.FRAME else content
    (tmp_path / "w.pkl").write_bytes(content)
    found = read_pickle(tmp_path / "w.pkl")
    assert found["iteration"] == 3
    assert found["more"] == [1.5, (None, b"x")]
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found["model"][name], array)
        assert found["model"][name].shape == array.shape
    weights = read_weights(tmp_path / "w.pkl")
    assert {name: tuple(tensor.shape) for name, tensor in weights.items()} == {n: a.shape for n, a in ARRAYS.items()}
    np.testing.assert_array_equal(weights["big-endian"].numpy(), ARRAYS["big-endian"])


def test_text_of_python_2_as_bytes(tmp_path):
    """Python 2 wrote the bytes of an array as text."""
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR(K\x01(K\x02t"
    array += b"cnumpy\ndtype\n(U\x02f4K\x00K\x01tR(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array += b"\x89U\x08\x00\x00\x80?\x00\x00\x00@tb"
    (tmp_path / "w.pkl").write_bytes(b"(dS'model'\n(dS'a'\n" + array + b"ssS'__author__'\nS'x'\ns.")
    assert read_weights(tmp_path / "w.pkl")["a"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"res2_0_branch2a_w": ARRAYS["float32"]}, "names of Caffe2"),
        ({"blobs": {"conv1_w": ARRAYS["float32"]}}, "names of Caffe2"),
        ({**ZOO, "matching_heuristics": True}, "matched by likeness.*model_final"),
        ({**ZOO, "model": [1]}, "no tensors by name"),
        ({**ZOO, "model": {"a": 1}}, "no tensors by name"),
        ([ARRAYS], "names of Caffe2"),
    ],
)
def test_what_is_no_trained_network_is_an_error(tmp_path, content, reason):
    (tmp_path / "w.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(WeightsError, match=reason) as error:
        read_weights(tmp_path / "w.pkl")
    assert "\n" not in str(error.value)


def nested(depth):
    return b"(" * depth + b"t" * depth


HOSTILE = {
    "os.system": b"cos\nsystem\n(S'touch executed'\ntR.",
    "os.system by protocol 4": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0etouch executed\x85R.",
    "builtins": b"cbuiltins\neval\n(S'1'\ntR.",
    "a class": b"(ios\nsystem\n.",
    "an object": b"(cos\nsystem\no.",
    "NEWOBJ": b"cnumpy\nndarray\n)\x81.",
    "NEWOBJ_EX": b"cnumpy\nndarray\n)}\x92.",
    "persistent id": b"Pexecuted\n.",
    "extension": b"\x82\x01.",
    "state of a dictionary": b"}}b.",
    "an attribute of numpy": b"cnumpy\nload\n(S'/etc/passwd'\ntR.",
    "a dotted name": b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.dumps\x93.",
    "calls what is no function": b"cnumpy\nndarray\n)R.",
    "calls text": b"S'os.system'\n)R.",
    "objects in an array": pickle.dumps(np.array([{}], object), 2),
    "fields in an array": pickle.dumps(np.zeros(2, "i4,f4"), 2),
    "text in an array": pickle.dumps(np.array(["a"]), 2),
    "an array of another kind": pickle.dumps(np.ma.zeros(3), 2),
    "a tuple so deep that its hash overflows": b"}" + nested(100_000) + b"I1\ns.",
    "a memo of billions": b"Nr\xff\xff\xff\xff" + b"N" * 9,
    "text of terabytes": b"\x8d\xff\xff\xff\xff\xff\x0f\x00\x00abc.",
    "bytes of terabytes": b"\x8e\xff\xff\xff\xff\xff\x0f\x00\x00abc.",
    "a huge frame": b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",
    "a shape that its bytes do not fill": pickle.dumps(np.zeros(300, np.uint8), 2).replace(b"M,\x01", b"M\xff\xff"),
    "a negative shape": b"\x80\x04\x8c\x0bnumpy.dtype\x8c\x01x\x93.",
    "no end": b"N",
    "nothing": b"",
    "no mark": b"t.",
    "an empty stack": b".",
    "digits": b"I" + b"9" * 10_000 + b"\n.",
    "a key that is a list": b"}]Ns.",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_pickle_is_one_line_and_nothing_is_done(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    refused(tmp_path / "w.pkl", content)
    assert [file.name for file in tmp_path.iterdir()] == ["w.pkl"]


def refused(file, content):
    """Reads a pickle that must not be weights, within bounded memory, importing nothing."""
    file.write_bytes(content)
    modules = set(sys.modules)
    tracemalloc.start()
    try:
        with pytest.raises(WeightsError) as error:
            read_weights(file)
        assert tracemalloc.get_traced_memory()[1] < 60 * 2**20
    finally:
        tracemalloc.stop()
    assert set(sys.modules) <= modules
    assert "\n" not in str(error.value)
    assert str(file) in str(error.value)


def test_one_text_cannot_become_many_arrays(tmp_path):
    """100 kB that are encoded, or used as an array, a thousand times over."""
    text = b"X" + (100_000).to_bytes(4, "little") + b"a" * 100_000 + b"q\x00X\x06\0\0\0latin1q\x01"
    encoded = b"c_codecs\nencode\nh\x00h\x01\x86R"
    refused(tmp_path / "w.pkl", b"\x80\x02(" + text + encoded * 1000 + b"l.")
    data = b"B" + (100_000).to_bytes(4, "little") + b"a" * 100_000 + b"q\x00"
    number = b"cnumpy\ndtype\nX\x02\0\0\0u1\x85Rq\x01"
    used = b"cnumpy.core.numeric\n_frombuffer\n(h\x00h\x01J" + (100_000).to_bytes(4, "little") + b"\x85X\x01\0\0\0CtR"
    refused(tmp_path / "w.pkl", b"\x80\x02(" + data + number + used * 1000 + b"l.")


def test_mutated_pickles_are_read_or_refused(tmp_path):
    modules, rng = set(sys.modules), random.Random(0)
    valid = [pickle.dumps(ZOO, protocol) for protocol in (0, 2, 4, 5)]
    messages = []
    for _ in range(1500):
        content = bytearray(rng.choice(valid))
        for _ in range(rng.choice((1, 1, 2, 5))):
            at = rng.randrange(len(content))
            if rng.random() < 0.3:
                del content[at : at + rng.randrange(1, 9)]
            else:
                content[at] = rng.choice((rng.randrange(256), *b"cRb\x93\x81oiQ\x8e\x8dr.\x85t"))
        (tmp_path / "w.pkl").write_bytes(content)
        try:
            read_weights(tmp_path / "w.pkl")
        except WeightsError as error:
            messages.append(str(error))
    assert len(messages) > 500
    assert not any("\n" in message for message in messages)
    assert set(sys.modules) <= modules
