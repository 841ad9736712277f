"""Brushes in Label Studio's run lengths, against its own decoder and encoder as it publishes them.

``brush.npz`` was made with ``label_studio_sdk.converter.brush`` 2.1.2: ``encode_rle`` of the masks that ``drawn``
makes, each value repeated in four channels.
"""

from pathlib import Path

import numpy as np
import pytest

from knnclip.errors import MaskError
from knnclip.service.label_studio.brush import HEADER_BITS, decode, encode
from knnclip.structures import Mask

GOLDEN = Path(__file__).parent / "brush.npz"


def drawn(name):
    """Masks that have runs of every kind of length."""
    rng = np.random.default_rng(5)
    if name == "noise":
        return rng.random((37, 53)) < 0.4
    if name == "one pixel":
        dense = np.zeros((9, 7), dtype=bool)
        dense[4, 3] = True
        return dense
    if name == "full":
        return np.ones((200, 333), dtype=bool)
    dense = np.zeros((300, 257), dtype=bool)
    dense[20:150, 30:200] = True
    dense[60:70, 90:94] = False
    return dense


NAMES = ["noise", "one pixel", "full", "block with a hole"]


def by_the_book(packed):
    """The published decoder, word for word of its description: bit after bit."""
    bits = "".join(f"{byte:08b}" for byte in packed)
    at = 0

    def read(size):
        nonlocal at
        at += size
        return int(bits[at - size : at], 2)

    count, word, sizes = read(32), read(5) + 1, [read(4) + 1 for _ in range(4)]
    out, i = np.zeros(count, dtype=np.uint8), 0
    while i < count:
        repeated = read(1)
        j = i + 1 + read(sizes[read(2)])
        if repeated:
            out[i:j] = read(word)
        else:
            out[i:j] = [read(word) for _ in range(j - i)]
        i = j
    return out


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_is_to_the_byte_what_label_studio_writes_but_for_single_values(name):
    dense = drawn(name)
    packed = encode(Mask.from_dense(dense))
    assert packed == np.load(GOLDEN)[name].tolist()
    assert (by_the_book(packed).reshape(*dense.shape, 4)[..., 3] == dense * 255).all()
    assert (decode(packed, dense.shape).to_dense() == dense).all()


def singles(values):
    """Values that follow each other without a repetition, in pieces of at most 8."""
    bits = f"{len(values):032b}00111" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))
    for first in range(0, len(values), 8):
        piece = values[first : first + 8]
        bits += "000" + f"{len(piece) - 1:03b}" + "".join(f"{value:08b}" for value in piece)
    bits += "0" * (-len(bits) % 8)
    return [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]


def test_values_that_follow_each_other_singly_are_read_and_alpha_alone_counts():
    rgba = np.random.default_rng(1).integers(0, 256, (5, 6, 4))
    rgba[..., 3] *= rgba[..., 0] > 100
    assert (by_the_book(singles(rgba.ravel())) == rgba.ravel()).all()
    assert (decode(singles(rgba.ravel()), (5, 6)).to_dense() == (rgba[..., 3] > 0)).all()


WRONG = [
    ([], "cut off"), ([0] * 8, "0 values"), ("abc", "list of bytes"), ([256], "list of bytes"),
    ([1.5], "list of bytes"), ([True], "list of bytes"), (None, "list of bytes"), ([255] * 40, "4,294,967,295 values"),
]  # fmt: skip


@pytest.mark.parametrize(("packed", "said"), WRONG, ids=lambda value: str(value)[:20])
def test_what_is_no_brush_is_told(packed, said):
    with pytest.raises(MaskError, match=said):
        decode(packed, (9, 7))


def test_a_brush_that_is_cut_off_or_goes_on_is_told_wherever_that_is():
    packed = encode(Mask.from_dense(drawn("noise")))
    for length in range(HEADER_BITS // 8 + 1, len(packed), 7):
        with pytest.raises(MaskError, match="cut off"):
            decode(packed[:length], (37, 53))
    longer = singles(list(range(8)))
    longer[3] = 4  # values of one pixel, where eight are given
    with pytest.raises(MaskError, match="go on after"):
        decode(longer, (1, 1))
    with pytest.raises(MaskError, match="empty"):
        decode(singles([0] * 4), (1, 1))
