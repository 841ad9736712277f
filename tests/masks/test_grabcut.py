"""A gesture becomes the object, whatever the gesture."""

import numpy as np
import pytest

from knnclip.errors import MaskError
from knnclip.masks.grabcut import GrabCut


@pytest.fixture
def scene(rng):
    """A green field with a red disc, and the disc."""
    ys, xs = np.mgrid[0:120, 0:160]
    disc = (ys - 60) ** 2 + (xs - 90) ** 2 < 25**2
    image = np.where(disc[..., None], (200, 40, 40), (60, 150, 60)) + rng.normal(0, 8, (120, 160, 3))
    return image.clip(0, 255).astype(np.uint8), disc


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


@pytest.mark.parametrize("box", [(60, 30, 120, 90), (55, 25, 200, 95), (0, 0, 160, 120)])  # tight, over the edge, all
def test_box(scene, box):
    image, disc = scene
    assert iou(GrabCut().mask_from_box(image, box).to_dense(), disc) > 0.9


def test_scribble_with_and_without_background(scene):
    image, disc = scene
    foreground, background = np.zeros_like(disc), np.zeros_like(disc)
    foreground[60, 72:108] = True
    background[10, 10:150] = True
    for marked in (None, background):
        mask = GrabCut().mask_from_scribble(image, foreground, marked).to_dense()
        assert iou(mask, disc) > 0.85
        assert mask[foreground].all()


def test_same_input_same_mask(scene):
    image, _ = scene
    first, second = (GrabCut().mask_from_box(image, (60, 30, 120, 90)).to_dense() for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_large_images_are_worked_on_in_small(scene):
    image, disc = scene
    large, box = np.kron(image, np.ones((12, 12, 1), np.uint8)), (60 * 12, 30 * 12, 120 * 12, 90 * 12)
    assert iou(GrabCut().mask_from_box(large, box).to_dense(), np.kron(disc, np.ones((12, 12), bool))) > 0.9


@pytest.mark.parametrize("box", [(200, 0, 220, 10), (10, 10, 10, 20), (20, 20, 10, 10)])
def test_boxes_without_pixels_are_refused(scene, box):
    with pytest.raises(MaskError, match="holds no pixel"):
        GrabCut().mask_from_box(scene[0], box)


def test_wrong_scribbles_are_refused(scene):
    image, disc = scene
    with pytest.raises(MaskError, match="empty"):
        GrabCut().mask_from_scribble(image, np.zeros_like(disc))
    with pytest.raises(MaskError, match="has shape"):
        GrabCut().mask_from_scribble(image, disc[:-1])
    with pytest.raises(MaskError, match="no background"):
        GrabCut().mask_from_scribble(image, np.ones_like(disc))


def test_a_scribble_leaves_out_what_does_not_hang_together_with_it(scene):
    image, disc = scene
    image = image.copy()
    image[20:30, 60:75] = (200, 40, 40)  # a patch like the disc, near it
    scribble = np.zeros_like(disc)
    scribble[60, 68:112] = True
    mask = GrabCut().mask_from_scribble(image, scribble).to_dense()
    assert not mask[20:30, 60:75].any()
    assert iou(mask, disc) > 0.85
