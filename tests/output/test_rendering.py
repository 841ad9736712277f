"""Pictures: what is in them, and that no name can break them."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image as Pil

from knnclip.images import encode_thumbnail
from knnclip.output.colors import UNKNOWN_COLOR
from knnclip.output.rendering import (
    OUTLINE_COLOR,
    anchor,
    class_colors,
    evidence_crop,
    evidence_sheet,
    legend,
    overlay,
    shorten,
    side_by_side,
)
from knnclip.structures import UNKNOWN, Evidence, Mask, Segment, Segmentation
from knnclip.vocabulary import ClassInfo, Vocabulary

RED, BLUE = (200, 0, 0), (0, 0, 200)
VOCABULARY = Vocabulary.of([ClassInfo(5, "car", True, RED), ClassInfo(2, "sky", False, BLUE)])


@pytest.fixture
def segmentation():
    """Sky above, a car below at the left, unknown at the right."""
    semantic = np.full((60, 80), 2, np.int32)
    semantic[30:, :40], semantic[30:, 40:] = 5, UNKNOWN
    panoptic = np.full((60, 80), 1, np.int32)
    panoptic[30:, :40], panoptic[30:, 40:] = 2, 3
    return Segmentation(semantic, panoptic, np.ones((60, 80), np.float32), (), Vocabulary(()))


def test_each_class_in_its_colour(segmentation):
    colors = class_colors(segmentation.semantic, VOCABULARY)
    assert tuple(colors[0, 0]) == BLUE
    assert tuple(colors[-1, 0]) == RED
    assert tuple(colors[-1, -1]) == UNKNOWN_COLOR


def test_an_overlay_is_the_picture_its_colours_and_a_legend(segmentation):
    image = np.full((60, 80, 3), 100, np.uint8)
    drawn = overlay(image, segmentation, VOCABULARY, opacity=0.5)
    assert drawn.shape[0] > 60
    assert drawn.shape[1] == 80
    assert tuple(drawn[5, 5]) == (50, 50, 150)
    assert tuple(drawn[45, 5]) == (150, 50, 50)
    assert (drawn[30, :] == 255).all()  # the border between sky and what is below
    unknown = drawn[32:60, 42:]
    assert (unknown == 235).all(axis=-1).any(), "unknown is hatched"
    assert not (drawn[:29] == 235).all(axis=-1).any(), "what has a name is not"
    np.testing.assert_array_equal(image, 100)


def test_a_legend_has_a_swatch_for_each_class_present(segmentation):
    row = legend(segmentation.semantic, VOCABULARY, width_px=400)
    present = {tuple(color) for color in row.reshape(-1, 3)}
    assert {RED, BLUE, UNKNOWN_COLOR} <= present
    places = [int(np.flatnonzero((row == color).all(axis=-1).any(axis=0))[0]) for color in (BLUE, RED)]
    assert places == sorted(places), "the larger area goes first"
    assert legend(segmentation.semantic, VOCABULARY, width_px=90).shape[0] > row.shape[0], "it wraps"


@pytest.mark.parametrize("name", ["x" * 1000, "a\nb\tc", "😀" * 40, "<b>", "日本"])
def test_no_name_breaks_a_picture(name, segmentation):
    vocabulary = Vocabulary.of([ClassInfo(5, name, True, RED), ClassInfo(2, "sky", False, BLUE)])
    assert legend(segmentation.semantic, vocabulary, width_px=300).shape[1] == 300
    assert len(shorten(name)) <= 32
    assert "\n" not in shorten(name)


def test_short_names_stay_as_they_are():
    assert shorten("traffic cone") == "traffic cone"
    assert shorten("abcdefghij", 5) == "ab…ij"


def test_panels_stand_side_by_side():
    panels = [("before", np.zeros((40, 50, 3), np.uint8)), ("after", np.full((30, 20, 3), (9, 200, 9), np.uint8))]
    drawn = side_by_side(panels)
    assert drawn.shape[1] > 70
    assert (drawn == (9, 200, 9)).all(axis=-1).sum() == 30 * 20


def test_an_evidence_sheet_shows_the_stored_pixels():
    stored = np.zeros((50, 100, 3), np.uint8)
    stored[10:30, 20:60] = (0, 255, 0)
    image = np.full((60, 80, 3), 128, np.uint8)
    dense = np.zeros((60, 80), bool)
    dense[20:40, 20:40] = True
    evidence = tuple(
        Evidence(i, 0.9 - i / 10, 5, "car", ref, 100, 50, (20, 10, 60, 30), 1)
        for i, ref in enumerate(["a.jpg", "gone.jpg"])
    )
    segment = Segment(1, 5, "car", True, 0.8, "retrieval", Mask.from_dense(dense), (), evidence)
    sheet = evidence_sheet(image, segment, {"a.jpg": encode_thumbnail(stored)})
    green = (sheet[..., 1] > 200) & (sheet[..., 0] < 60) & (sheet[..., 2] < 60)
    assert green.sum() > 500
    assert (sheet == (255, 0, 0)).all(axis=-1).any(), "the segment is outlined"
    without = evidence_sheet(image, segment, {})
    assert without.shape == sheet.shape
    buffer = BytesIO()
    Pil.fromarray(sheet).save(buffer, "PNG")
    assert buffer.tell() > 0


def test_a_segment_without_evidence_has_a_sheet_too():
    mask = Mask.from_dense(np.ones((4, 4)))
    segment = Segment(1, UNKNOWN, None, False, 1.0, "unknown", mask, (), ())
    assert evidence_sheet(np.zeros((4, 4, 3), np.uint8), segment, {}).ndim == 3


@pytest.mark.parametrize(
    ("box", "expected"), [((10, 20, 31, 25), (20, 22)), ((0, 0, 9, 9), (4, 4)), ((79, 59, 80, 60), (79, 59))]
)
def test_an_anchor_is_the_middle_of_a_blob(box, expected):
    dense = np.zeros((60, 80), bool)
    dense[box[1] : box[3], box[0] : box[2]] = True
    x, y = anchor(Mask.from_dense(dense))
    assert y == expected[1]
    assert abs(x - expected[0]) <= (box[2] - box[0]) // 2
    assert dense[y, x]


def test_an_anchor_of_a_ring_lies_on_it():
    ys, xs = np.mgrid[:60, :80]
    ring = (abs(np.hypot(ys - 30, xs - 40) - 20) < 4).astype(bool)
    x, y = anchor(Mask.from_dense(ring))
    assert ring[y, x]


def test_an_evidence_crop_shows_the_instance_at_the_scale_of_its_thumbnail():
    image = np.zeros((600, 2048, 3), np.uint8)
    image[200:400, 800:1000] = (0, 200, 0)
    evidence = Evidence(1, 0.9, 5, "car", "a.png", 2048, 600, (800, 200, 1000, 400), 1)
    crop = evidence_crop(evidence, encode_thumbnail(image), Mask.from_dense(image.any(axis=2)))
    green = (crop[..., 1] > 120) & (crop[..., 0] < 80)
    assert crop.shape[:2] == (74, 74)  # 50 px of the instance and a quarter of it on each side
    assert abs(int(green.sum()) - 50 * 50) < 150
    yellow = (crop == OUTLINE_COLOR).all(axis=-1)
    assert 190 <= yellow.sum() <= 210, "a line around the mask"
    assert not (yellow & green).any()
