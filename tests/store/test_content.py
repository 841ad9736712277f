from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from knnclip.errors import StoreError
from knnclip.images import encode_jpeg, encode_png
from knnclip.store.content import check_units, is_stored_unit, prepare
from knnclip.structures import ImageReference, Mask

from .samples import DIM, image, instance, mask, unit, units

GOOD = unit(1)


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (np.where(np.arange(DIM) == 3, np.nan, GOOD), "not finite"),
        (np.where(np.arange(DIM) == 3, np.inf, GOOD), "not finite"),
        (np.zeros(DIM), "has length 0, not 1"),
        (GOOD * 1.01, "has length 1.01, not 1"),
        (GOOD * np.float32(1e30), "not 1"),
        (GOOD[:-1], r"shape \(7,\), the store holds \(8,\)"),
        (np.float32(1), r"shape \(\)"),
        (GOOD[None], r"shape \(1, 8\)"),
    ],
)
def test_a_bad_embedding_is_refused_by_its_place(vector, message):
    with pytest.raises(StoreError, match=f"row 2 .*{message}"):
        check_units([GOOD, GOOD, vector, GOOD], DIM, what="row")


def test_good_embeddings_are_rounded():
    rows = units(3, 4)
    assert np.array_equal(check_units(rows, DIM, what="row"), rows.astype(np.float16))
    assert check_units(rows[:0], DIM, what="row").shape == (0, DIM)
    assert check_units(GOOD[None] * np.float32(1.0005), DIM, what="row").shape == (1, DIM)


def test_what_was_accepted_passes_when_it_is_read_back():
    rng = np.random.default_rng(0)
    for dim in (1, 2, 38, 768):
        for row in units(5, 50, dim) * (1 + rng.uniform(-9e-4, 9e-4, (50, 1)).astype(np.float32)):
            assert is_stored_unit(check_units(row[None], dim, what="row").tobytes(), dim)
    assert not is_stored_unit(GOOD.astype("<f2").tobytes(), DIM + 1)
    assert not is_stored_unit((GOOD * 1.1).astype("<f2").tobytes(), DIM)
    assert not is_stored_unit(np.full(DIM, np.nan, "<f2").tobytes(), DIM)


SOUND = instance(1)
LOOSE = Mask((0, 0, 4, 4), np.eye(4, dtype=bool) & (np.arange(4) < 3), (12, 16))


WIDE = Mask((0, 0, 1, 1), np.ones((1, 1), dtype=bool), (2**14, 2**15))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (replace(SOUND, class_name="  "), "class name is empty"),
        (replace(SOUND, class_name="a\0b"), "NUL"),
        (replace(SOUND, class_name="\ud800"), "not valid Unicode"),
        (replace(SOUND, class_name="x" * 1001), "1001 characters"),
        (replace(SOUND, image=image("\ud800.png")), "image reference .* not valid Unicode"),
        (replace(SOUND, mask=mask(1, (12, 17))), "mask is for 17x12 px, the image has 16x12 px"),
        (replace(SOUND, mask=LOOSE), "does not fill its box"),
        (replace(SOUND, mask=replace(SOUND.mask, crop=SOUND.mask.crop[1:])), "does not fill its box"),
        (replace(SOUND, image=image("x" * 10_001)), "10,001 characters"),
        (replace(SOUND, mask=WIDE, image=ImageReference("w.png", 2**15, 2**14)), "has not 1 to 268,435,456 pixels"),
        (replace(SOUND, purity=0.0), "purity"),
        (replace(SOUND, purity=1.5), "purity"),
        (replace(SOUND, purity=float("nan")), "purity"),
    ],
)
def test_what_cannot_be_stored_is_refused_by_its_place(broken, message):
    with pytest.raises(StoreError, match=f"new instance 1 .*{message}"):
        prepare([SOUND, broken], DIM)


def test_the_key_depends_on_all_that_a_row_is():
    def key(row):
        (found,) = prepare([row], DIM)
        return found.key

    others = [
        replace(SOUND, class_name="dog"),
        replace(SOUND, image=image("b.png")),
        replace(SOUND, origin="proposal"),
        replace(SOUND, embedding=unit(2)),
        replace(SOUND, mask=mask(2)),
        replace(SOUND, mask=replace(SOUND.mask, shape=(13, 16)), image=image(SOUND.image.ref, (13, 16))),
        # parts that read the same when they are put one after the other
        replace(SOUND, class_name="truth", origin=SOUND.class_name),
    ]
    keys = [key(row) for row in [SOUND, *others]]
    assert len(set(keys)) == len(keys)
    assert key(replace(SOUND, purity=0.5)) == keys[0] == key(instance(1))
    assert len(keys[0]) == 16


@pytest.mark.parametrize(
    "thumbnail",
    [b"no picture", encode_png(np.zeros((4, 4), dtype=np.uint8)), encode_jpeg(np.zeros((9, 600, 3), np.uint8), 600)],
    ids=["no picture", "PNG", "too large"],
)
def test_a_thumbnail_that_is_none_is_refused(thumbnail):
    broken = replace(SOUND, image=replace(SOUND.image, thumbnail=thumbnail))
    with pytest.raises(StoreError, match=r"image 'a\.png': the thumbnail is not a JPEG of at most 512 px"):
        prepare([SOUND, broken], DIM)
    assert prepare([replace(SOUND, image=replace(SOUND.image, thumbnail=b""))], DIM)
