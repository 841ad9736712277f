"""What comes from the canvas is checked, and what goes back is the picture at its own pixels."""

import base64
import zlib

import numpy as np
import pytest
from PIL import Image

from demo import api, canvas, payload, sessions, teaching
from knnclip.errors import ImageError, UsageError
from knnclip.images import encode_png
from knnclip.structures import Mask

WIDE = (1800, 2400)
"""Height and width of a picture that is larger than what goes to the page with an answer."""


@pytest.fixture
def session(sessions_of):
    return sessions_of().of("one")


def opened(session, tmp_path, shape=WIDE):
    """Opens a picture of coarse noise, and returns it."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    picture = np.kron(coarse, np.ones((shape[0] // 6, shape[1] // 8, 1), dtype=np.uint8))
    (tmp_path / "wide.png").write_bytes(encode_png(picture))
    teaching.open_picture(session, tmp_path / "wide.png", "wide.png")
    return picture


def ids_of(message):
    """The map of segment ids in a message."""
    runs = np.frombuffer(zlib.decompress(base64.b64decode(message["ids"])), dtype="<u4")
    lengths, ids = np.split(runs, 2)
    width, height = message["size"]
    return np.repeat(ids, lengths).reshape(height, width)


def sent(mask):
    """A mask as the page sends it."""
    return {"box": list(mask.box_xyxy), "counts": mask.encode().decode()}


def a_mask(shape=WIDE):
    dense = np.zeros(shape, dtype=bool)
    dense[100:1500, 301:302] = dense[701, 200:1900] = True
    return Mask.from_dense(dense)


def test_a_picture_is_analysed_at_its_own_pixels(session, tmp_path):
    picture = opened(session, tmp_path)
    np.testing.assert_array_equal(teaching.picture_of(session).analysis.image, picture)
    message = payload.answer(session, with_picture=True)
    assert (message["size"], message["detailed"]) == ([2400, 1800], False)
    np.testing.assert_array_equal(ids_of(message), teaching.picture_of(session).segmentation.panoptic)


def test_a_small_picture_is_shown_without_loss(session, sample):
    path = next((sample / "data" / "val" / "images").iterdir())
    teaching.open_picture(session, path, path.name)
    message = payload.answer(session, with_picture=True)
    assert message["detailed"]
    assert message["picture"].startswith("data:image/png")


def test_a_picture_with_more_pixels_than_can_be_waited_for_is_refused(session, tmp_path, monkeypatch):
    monkeypatch.setattr(teaching, "MAX_PICTURE_PIXELS", 1000)
    with pytest.raises(ImageError, match=r"^wide\.png: 2400 x 1800 pixels exceed"):
        opened(session, tmp_path)


def test_a_mask_made_by_hand_is_stored_as_it_was_drawn(session, tmp_path):
    opened(session, tmp_path)
    mask = a_mask()
    message = canvas.teach(session, {"segments": [], "name": "wire", "mask": sent(mask)})
    assert message["text"].startswith("taught wire: ")
    rows = [row for row in session.segmenter.store.instances() if row.class_name == "wire" and row.origin == "truth"]
    (stored,) = session.segmenter.store.labelled(instance_ids=[row.instance_id for row in rows]).values()
    assert (stored.mask.box_xyxy, stored.mask.shape) == (mask.box_xyxy, WIDE)
    np.testing.assert_array_equal(stored.mask.crop, mask.crop)


def test_a_mask_of_the_api_is_taken_as_it_is(session, tmp_path):
    opened(session, tmp_path)
    mask = a_mask()
    told = api.draw_mask(session, sent(mask))
    assert told == {"box_xyxy": mask.box_xyxy, "area_px": mask.area}
    assert session.teach.drawn is not None


GOOD = sent(Mask.from_dense(np.eye(40, 50, dtype=bool)))


@pytest.mark.parametrize(
    "mask",
    [
        None,
        [],
        {},
        {"counts": GOOD["counts"]},
        {"box": GOOD["box"]},
        GOOD | {"box": [0, 0, 40]},
        GOOD | {"box": [0, 0, 40.5, 40]},
        GOOD | {"box": [0, 0, 41, 40]},
        GOOD | {"box": [20, 0, 60, 40]},
        GOOD | {"box": [-1, 0, 39, 40]},
        GOOD | {"box": [0, 0, 2**40, 2**40]},
        GOOD | {"counts": ""},
        GOOD | {"counts": "é"},
        GOOD | {"counts": 7},
        GOOD | {"counts": GOOD["counts"][:-1]},
        GOOD | {"counts": GOOD["counts"] * 2},
        GOOD | {"counts": "P" * 100_000},
    ],
    ids=lambda mask: str(mask)[:40],
)
def test_a_mask_that_is_none_is_refused(mask):
    canvas.checked_mask(GOOD, (40, 50))
    with pytest.raises(UsageError, match="again"):
        canvas.checked_mask(mask, (40, 50))


def test_a_click_goes_through_the_regions_and_says_when_it_begins_again(session, tmp_path, monkeypatch):
    opened(session, tmp_path)
    regions = [Mask.from_dense(np.pad(np.ones((n, n)), ((0, WIDE[0] - n), (0, WIDE[1] - n)))) for n in (10, 20, 30)]
    monkeypatch.setattr(session.segmenter, "regions_at", lambda analysis, point: regions)
    areas, texts, again = [], [], []
    for point in ([5, 5], [7, 4], [5, 5], [5, 5], [500, 5]):
        message = canvas.draw(session, {"point": point})
        areas.append(session.teach.drawn.area)
        texts.append(message["text"])
        again.append(message["again"])
    assert areas == [100, 400, 900, 100, 100]
    assert again == [False, True, True, True, False]
    assert "1 of 3" in texts[0]
    assert "largest; the smallest comes next" in texts[2]
    assert "smallest region once more" in texts[3]
    assert "once more" not in texts[4]


def test_pictures_used_least_recently_are_closed_when_all_together_are_too_large(sessions_of, sample, monkeypatch):
    path = next((sample / "data" / "val" / "images").iterdir())
    with Image.open(path) as picture:
        monkeypatch.setattr(sessions, "MAX_OPEN_PIXELS", 2 * picture.width * picture.height)
    app = sessions_of()
    for name in ("one", "two", "three"):
        teaching.open_picture(app.of(name), path, path.name)
    assert [app.of(name).teach.pixels > 0 for name in ("two", "three", "one")] == [True, True, False]
    with pytest.raises(UsageError, match="make room"):
        teaching.picture_of(app.of("one"))
