"""The region hierarchy: what it promises about cover, nesting, number and determinism."""

from pathlib import Path

import numpy as np
import pytest

from knnclip.masks.regions import Adjacency, RegionGenerator, RegionSettings, adjacency, merge, merge_costs

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


def test_same_image_same_masks():
    for image in IMAGES:
        assert same(RegionGenerator().generate(image), RegionGenerator().generate(image.copy()))


def test_a_large_image_is_cut_like_its_reduction():
    small = scene(360, 480)
    large = np.kron(small, np.ones((3, 3, 1), np.uint8))
    proposals, reduced = RegionGenerator().generate(large), RegionGenerator().generate(small)
    assert proposals.shape == (1080, 1440)
    assert len(proposals) == len(reduced)
    for mask, other in zip(proposals.masks, reduced.masks, strict=True):
        np.testing.assert_array_equal(mask.to_dense()[1::3, 1::3], other.to_dense())


def slow_adjacency(labels, lab):
    pairs = {}
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            for dy, dx in ((0, 1), (1, 0)):
                if y + dy < labels.shape[0] and x + dx < labels.shape[1]:
                    key = tuple(sorted((int(labels[y, x]), int(labels[y + dy, x + dx]))))
                    if key[0] != key[1]:
                        pairs[key] = pairs.get(key, 0) + 1
    sums = [lab[labels == region].sum(axis=0) for region in range(labels.max() + 1)]
    return pairs, np.array(sums)


def test_adjacency_and_costs_against_their_definition():
    rng = np.random.default_rng(5)
    labels = np.unique(rng.integers(0, 6, (7, 9)), return_inverse=True)[1].reshape(7, 9)
    lab = rng.random((7, 9, 3)).astype(np.float32) * 50
    graph = adjacency(labels, lab)
    pairs, sums = slow_adjacency(labels, lab)
    assert dict(zip(zip(graph.first, graph.second, strict=True), graph.border_px, strict=True)) == pairs
    np.testing.assert_allclose(graph.lab_sum, sums, rtol=1e-5)
    for (i, j), cost in zip(zip(graph.first, graph.second, strict=True), merge_costs(graph), strict=True):
        a, b = (labels == i).sum(), (labels == j).sum()
        distance = ((sums[i] / a - sums[j] / b) ** 2).sum()
        assert cost == pytest.approx(a * b / (a + b) * distance / (1 + pairs[i, j]), rel=1e-5)


def test_merging_joins_the_nearest_first_and_keeps_the_sums():
    graph = Adjacency(
        np.array([10, 10, 10, 10]),
        np.array([[0.0, 0, 0], [10, 0, 0], [500, 0, 0], [530, 0, 0]]),
        np.array([0, 1, 2]),
        np.array([1, 2, 3]),
        np.array([4, 4, 4]),
    )
    three, _ = merge(graph, 3)
    assert three[0] == three[1]
    assert len(set(three)) == 3
    two, merged = merge(graph, 2)
    assert two[0] == two[1] != two[2] == two[3]
    assert sorted(merged.area_px) == [20, 20]
    assert sorted(merged.lab_sum[:, 0]) == [10, 1030]
    assert merged.border_px.tolist() == [4]


def test_islands_cannot_be_merged_further():
    none = np.zeros(0, dtype=np.int64)
    mapping, graph = merge(Adjacency(np.array([1, 1]), np.zeros((2, 3)), none, none, none), 1)
    assert mapping.tolist() == [0, 1]
    assert len(graph.area_px) == 2


@pytest.mark.skipif(not CAMVID.is_dir(), reason="shared/data/camvid is not there")
def test_a_street_is_cut_into_some_hundred_regions():
    from knnclip.images import read_image

    proposals = RegionGenerator().generate(read_image(sorted(CAMVID.glob("*.jpg"))[0]))
    assert 250 < len(proposals) <= 400
