"""The region hierarchy: what it promises about cover, nesting, number and determinism."""

from pathlib import Path

import numpy as np
import pytest

from knnclip.errors import UsageError
from knnclip.masks.regions import RegionGenerator, RegionSettings
from knnclip.parts.roles import GuidedGenerator
from knnclip.structures import Cells

CAMVID = Path(__file__).parents[2] / "../shared/data/camvid/val/images"


def scene(height=90, width=120, seed=0):
    """A noisy sky, ground and a thin dark pole."""
    rng = np.random.default_rng(seed)
    image = np.zeros((height, width, 3))
    image[: height // 2] = (120, 160, 220)
    image[height // 2 :] = (90, 110, 60)
    image[height // 6 : -height // 6, width // 2 : width // 2 + 3] = (30, 20, 20)
    return np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def same(one, other):
    return (
        one.shape == other.shape
        and np.array_equal(one.scores, other.scores)
        and all(
            a.box_xyxy == b.box_xyxy and np.array_equal(a.crop, b.crop)
            for a, b in zip(one.masks, other.masks, strict=True)
        )
    )


IMAGES = [scene(), scene(91, 77, 3), noise(60, 80), noise(5, 300), noise(200, 260, 2)]


@pytest.mark.parametrize("image", IMAGES)
def test_leaves_cover_every_pixel_once_and_scores_fall(image):
    proposals = RegionGenerator().generate(image)
    assert proposals.shape == image.shape[:2]
    assert 0 < len(proposals) <= 400
    assert proposals.scores.dtype == np.float32
    assert (np.diff(proposals.scores) <= 0).all()
    assert proposals.scores.min() >= 0
    assert proposals.scores.max() <= 1
    cover = sum(
        mask.to_dense().astype(int) for mask, score in zip(proposals.masks, proposals.scores, strict=True) if score == 1
    )
    assert (cover == 1).all()


@pytest.mark.parametrize("image", IMAGES)
def test_coarse_regions_are_unions_of_at_least_two_leaves_and_no_mask_comes_twice(image):
    proposals = RegionGenerator(RegionSettings(leaves=40, parents=12)).generate(image)
    leaves = [mask.to_dense() for mask, score in zip(proposals.masks, proposals.scores, strict=True) if score == 1]
    coarse = [mask.to_dense() for mask, score in zip(proposals.masks, proposals.scores, strict=True) if score < 1]
    for region in coarse:
        shares = np.array([(region & leaf).sum() / leaf.sum() for leaf in leaves])
        assert set(shares) <= {0.0, 1.0}
        assert shares.sum() >= 2
    assert len({dense.tobytes() for dense in leaves + coarse}) == len(proposals)


def test_the_limits_hold_and_are_reached():
    leaves, parents = RegionGenerator(RegionSettings(leaves=30, parents=7)).levels(noise(200, 260))
    assert leaves.max() + 1 == 30
    assert parents.shape == (30,)
    assert parents.max() + 1 == 7


def test_a_thin_thing_does_not_bleed_into_its_surroundings():
    image = scene()
    truth = np.zeros(image.shape[:2], bool)
    truth[15:-15, 60:63] = True
    masks = [mask.to_dense() for mask in RegionGenerator().generate(image).masks]
    pure = [mask for mask in masks if (mask & truth).sum() > 0.9 * mask.sum()]
    assert (np.logical_or.reduce(pure) & truth).sum() > 0.9 * truth.sum()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2), (40, 60)])
def test_an_image_of_one_colour_has_no_masks(shape):
    proposals = RegionGenerator().generate(np.full((*shape, 3), 77, np.uint8))
    assert len(proposals) == 0
    assert proposals.scores.shape == (0,)
    assert proposals.shape == shape


@pytest.mark.parametrize("wrong", [{"leaves": 0}, {"leaves": 40_000}, {"sigma_px": 0.0}])
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        RegionSettings(**wrong)


def test_same_image_same_masks():
    for image in IMAGES:
        assert same(RegionGenerator().generate(image), RegionGenerator().generate(image.copy()))


def test_leaves_of_a_large_image_cover_it_once_and_follow_its_edges():
    ys, xs = np.mgrid[:1080, :1440]
    truth = (xs - 700) ** 2 + (ys - 540) ** 2 < 350**2
    rng = np.random.default_rng(0)
    image = np.where(truth[..., None], (180, 90, 60), (70, 110, 150)) + rng.normal(0, 4, (1080, 1440, 3))
    proposals = RegionGenerator().generate(image.astype(np.uint8))
    leaves = [mask for mask, score in zip(proposals.masks, proposals.scores, strict=True) if score == 1]
    assert (sum(mask.to_dense().astype(int) for mask in leaves) == 1).all()
    answer = np.logical_or.reduce([mask.to_dense() for mask in leaves if mask.select(truth).mean() > 0.5])
    # The working copy's pixels are three wide: enlarged alone, most of a pixel all along the circle is wrong.
    assert (answer != truth).sum() < 0.5 * 2 * np.pi * 350


def test_what_a_network_sees_tells_apart_what_has_one_colour():
    image = noise(60, 80)
    cells = np.zeros((6, 8, 2), np.float16)
    cells[:, :4, 0] = cells[:, 4:, 1] = 1
    generator = RegionGenerator(RegionSettings(leaves=2, parents=1))
    assert isinstance(generator, GuidedGenerator)
    proposals = generator.generate_by(image, Cells(cells, "tiles"))
    for mask in proposals.masks[:2]:
        share = mask.to_dense()[:, :40].sum() / mask.area
        assert min(share, 1 - share) < 0.1  # fragments lie across the cells' border
    assert same(proposals, generator.generate_by(image.copy(), Cells(cells.copy(), "tiles")))
    alone = generator.generate(image).masks[0]
    assert 0.1 < alone.to_dense()[:, :40].sum() / alone.area < 0.9


def test_many_numbers_a_cell_are_as_good_as_few():
    image = noise(60, 80)
    few = np.zeros((6, 8, 2), np.float32)
    few[:, :4, 0] = few[:, 4:, 1] = 1
    turned = few @ np.linalg.qr(np.random.default_rng(1).normal(size=(300, 2)))[0].T
    one, other = (
        RegionGenerator(RegionSettings(leaves=2)).levels(image, Cells(cells, "tiles"))[0] for cells in (few, turned)
    )
    agree = (one == other).mean()
    assert max(agree, 1 - agree) > 0.95


@pytest.mark.skipif(not CAMVID.is_dir(), reason="shared/data/camvid is not there")
def test_a_street_is_cut_into_some_hundred_regions():
    from knnclip.images import read_image

    proposals = RegionGenerator().generate(read_image(sorted(CAMVID.glob("*.jpg"))[0]))
    assert 250 < len(proposals) <= 400
