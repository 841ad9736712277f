from __future__ import annotations

import numpy as np
import pytest

from knnclip.errors import MaskError
from knnclip.rle import check_mask
from knnclip.structures import Mask

from .store.samples import mask


def encoded(counts):
    """Run lengths as COCO compresses them, without asking whether they can be."""
    text = bytearray()
    for index, count in enumerate(counts):
        rest = count - (counts[index - 2] if index > 2 else 0)
        while True:
            digit, rest = rest & 31, rest >> 5
            more = rest != (-1 if digit & 16 else 0)
            text.append(digit + 32 * more + 48)
            if not more:
                break
    return bytes(text)


@pytest.mark.parametrize("seed", range(30))
def test_what_was_encoded_is_accepted_with_its_area(seed):
    given = mask(seed, (20 + seed, 300))
    assert check_mask(given.encode(), given.box_xyxy, 300, 20 + seed) == given.area


@pytest.mark.parametrize("shape", [(1, 1), (1, 70), (70, 1), (3000, 2000)])
def test_full_masks_are_accepted(shape):
    given = Mask.from_dense(np.ones(shape))
    assert check_mask(given.encode(), given.box_xyxy, shape[1], shape[0]) == given.area


@pytest.mark.parametrize(
    ("rle", "message"),
    [
        (b"", "empty"),
        (b"\xff", "hold bytes that are none"),
        (encoded([0, 100])[:-1], "empty, cut off"),
        (b"oooooooo0", "more than 7 digits"),
        (encoded([0, 99]), "99 px"),
        (encoded([0, 101]), "101 px"),
        (encoded([100]), "does not fill its box"),
        (encoded([0, 50, 0, 50]), "not positive"),
        (encoded([0, 150, -50]), "not positive"),
        (encoded([0, 2**28]), "px, box"),
        (encoded([10, 90]), "does not fill its box"),
        (encoded([0, 90, 10]), "does not fill its box"),
        (encoded([1, 9] * 10), "does not fill its box"),
        (encoded([0, *[9, 1] * 10]), "does not fill its box"),
    ],
)
def test_what_no_encoder_makes_is_refused(rle, message):
    with pytest.raises(MaskError, match=message):
        check_mask(rle, (5, 5, 15, 15), 20, 20)


@pytest.mark.parametrize(
    ("box", "size"),
    [
        ((0, 0, 4_000_000_000, 4_000_000_000), (20, 20)),
        ((0, 0, 4_000_000_000, 4_000_000_000), (4_000_000_000, 4_000_000_000)),
        ((-5, 0, 5, 10), (20, 20)),
        ((15, 15, 5, 5), (20, 20)),
        ((0, 0, 10, 10), (0, 20)),
    ],
)
def test_boxes_are_bounded_before_anything_is_allocated(box, size):
    with pytest.raises(MaskError, match=r"box .* does not lie in|has not 1 to"):
        check_mask(encoded([0, 100]), box, *size)


def test_damaged_runs_are_refused_or_decode_to_what_they_say():
    rng = np.random.default_rng(0)
    outcomes = set()
    for seed in range(2000):
        given = mask(seed % 50, (30, 40))
        damaged = np.frombuffer(given.encode(), dtype=np.uint8).copy()
        if seed % 10:
            damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
        try:
            area = check_mask(damaged.tobytes(), given.box_xyxy, 40, 30)
        except MaskError:
            outcomes.add("refused")
            continue
        outcomes.add("accepted")
        assert Mask.decode(damaged.tobytes(), given.box_xyxy, given.shape).area == area
    assert outcomes == {"refused", "accepted"}
