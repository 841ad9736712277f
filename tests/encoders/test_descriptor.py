"""The region descriptor: what its features mean, what they ignore, and that any mask of any image has one."""

import numpy as np
import pytest

from knnclip.encoders.descriptor import (
    BORDERS,
    FEATURES,
    HEIGHTS,
    SHAPE,
    SIZE,
    RegionDescriptor,
    outlines,
    raw_features,
)
from knnclip.encoders.descriptor_scales import SCALES
from knnclip.encoders.feature_maps import GRADIENT_SIGMAS_PX, feature_maps, histogram_planes
from knnclip.errors import MaskError
from knnclip.structures import Mask

NAMES = [name for name, _ in FEATURES]
OUTLINE = (*SIZE, *SHAPE, *HEIGHTS, "off_centre", *BORDERS)


def photo(height=72, width=96, seed=0):
    """Smooth colour with fine texture at the right."""
    rng = np.random.default_rng(seed)
    ys, xs = np.mgrid[0:height, 0:width]
    base = np.stack([120 + 60 * np.sin(ys / 13), 100 + xs, 180 - 1.5 * ys], axis=2)
    grain = rng.normal(0, 25, (height, width, 1)) * (xs > width // 2)[..., None]
    return np.clip(base + grain, 0, 255).astype(np.uint8)


def box(shape, x0, y0, x1, y1):
    dense = np.zeros(shape, bool)
    dense[y0:y1, x0:x1] = True
    return Mask.from_dense(dense)


def some_masks(shape=(72, 96)):
    rng = np.random.default_rng(9)
    dense = [rng.random(shape) < share for share in (0.001, 0.1, 0.9)]
    boxes = [
        box(shape, 3, 4, 40, 30),
        box(shape, 50, 10, 52, 70),
        box(shape, 0, 60, 96, 72),
        box(shape, 95, 71, 96, 72),
    ]
    return boxes + [Mask.from_dense(mask) for mask in dense if mask.any()]


def features(image, masks):
    return dict(zip(NAMES, raw_features(image, masks).T, strict=True))


def test_unit_rows_of_the_announced_size():
    encoder = RegionDescriptor()
    rows = encoder.encode(photo(), some_masks())
    assert rows.shape == (len(some_masks()), encoder.fingerprint.dim)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


def test_every_feature_has_one_scale():
    assert len(set(NAMES)) == len(NAMES)
    assert set(SCALES) == set(NAMES)
    assert all(spread > 0 for _, spread in SCALES.values())


def test_the_vector_of_a_mask_does_not_depend_on_the_other_masks_or_the_run():
    image, masks = photo(), some_masks()
    together = RegionDescriptor().encode(image, masks)
    for index, mask in enumerate(masks):
        np.testing.assert_array_equal(RegionDescriptor().encode(image, [mask])[0], together[index])


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (3, 3), (1, 50), (50, 1), (7, 400), (700, 500)])
@pytest.mark.parametrize("kind", ["noise", "black", "white"])
def test_any_size_of_image_and_a_mask_of_one_pixel(shape, kind):
    image = {
        "noise": np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8),
        "black": np.zeros((*shape, 3), np.uint8),
        "white": np.full((*shape, 3), 255, np.uint8),
    }[kind]
    masks = [box(shape, 0, 0, shape[1], shape[0]), box(shape, shape[1] - 1, shape[0] - 1, shape[1], shape[0])]
    assert np.isfinite(RegionDescriptor().encode(image, masks)).all()


def test_no_masks():
    assert RegionDescriptor().encode(photo(), []).shape == (0, len(FEATURES))


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(MaskError, match="mask 0 is for 5x4 px"):
        RegionDescriptor().encode(photo(), [box((4, 5), 0, 0, 1, 1)])


def test_means_spreads_and_bins_are_those_of_the_pixels():
    image, masks = photo(), some_masks()
    found, planes = features(image, masks), feature_maps(image)
    centres = tuple(step / 6 - 0.5 for step in range(7))
    bins = histogram_planes(planes["rank"], centres, 1 / 6)
    for index, mask in enumerate(masks):
        pixels = {name: mask.select(plane).astype(np.float64) for name, plane in planes.items()}
        for name in ("rank", "a", "cos4_1.5", "lbp_3", "coherence_3.0"):
            assert found[f"mean {name}"][index] == pytest.approx(pixels[name].mean(), abs=1e-6)
        for name in ("rank", "detail"):
            assert found[f"spread {name}"][index] == pytest.approx(max(pixels[name].std(), 1e-3), abs=1e-4)
        for number, plane in enumerate(bins):
            assert found[f"bin rank {number}"][index] == pytest.approx(mask.select(plane).mean(), abs=1e-6)


def test_bins_share_each_value_between_two_neighbours():
    values = np.linspace(-0.5, 0.5, 101, dtype=np.float32)[None]
    planes = np.stack(histogram_planes(values, tuple(step / 6 - 0.5 for step in range(7)), 1 / 6))
    np.testing.assert_allclose(planes.sum(axis=0), 1, atol=1e-5)
    assert ((planes > 1e-4).sum(axis=0) <= 2).all()


def test_context_looks_above_and_below():
    image = np.full((360, 360, 3), 90, np.uint8)
    image[:120] = (60, 90, 250)  # blue above
    image[240:] = (60, 160, 40)  # green below
    middle = box((360, 360), 160, 170, 200, 190)
    found = {name: values[0] for name, values in features(image, [middle]).items()}
    assert found["far_above blue_yellow"] > found["above blue_yellow"] > found["around blue_yellow"] > 0 - 1e-3
    assert found["far_above blue_yellow"] > 0.3
    assert found["far_below blue_yellow"] < -0.3
    assert found["far_below red_green"] < -0.3
    assert found["mean blue_yellow"] == pytest.approx(0, abs=1e-3)


def test_context_stops_at_the_border():
    image = photo(360, 360)
    top = features(image, [box((360, 360), 100, 0, 140, 8)])
    assert top["far_above rank"][0] == pytest.approx(top["above rank"][0], abs=0.02)


@pytest.mark.parametrize(
    ("gain", "gamma"), [((0.5, 0.5, 0.5), 1.0), ((1.0, 0.8, 0.6), 1.0), ((1.0, 1.0, 1.0), 1.4)], ids=str
)
def test_light_moves_a_vector_less_than_another_place_does(gain, gamma):
    image = np.clip(photo(), 20, 230)
    lit = (255 * (image / 255 * np.array(gain)) ** gamma).astype(np.uint8)
    masks = [box((72, 96), 5, 5, 25, 25), box((72, 96), 65, 45, 90, 65)]
    before, after = RegionDescriptor().encode(image, masks), RegionDescriptor().encode(lit, masks)
    assert (before @ after.T).argmax(axis=1).tolist() == [0, 1]
    assert np.einsum("nd,nd->n", before, after).min() > 0.8


def test_left_and_right_are_not_told_apart():
    image, masks = photo(80, 96), some_masks((80, 96))
    mirrored = [Mask.from_dense(mask.to_dense()[:, ::-1]) for mask in masks]
    before, after = raw_features(image, masks), raw_features(np.ascontiguousarray(image[:, ::-1]), mirrored)
    np.testing.assert_allclose(before, after, atol=2e-3)


def test_gradients_know_their_direction():
    ys, xs = np.mgrid[0:64, 0:64]
    inside = slice(12, -12), slice(12, -12)
    for wave, cos2, cos4 in ((xs, 1, 1), (ys, -1, 1), ((xs + ys) / 2**0.5, 0, -1)):
        stripes = np.repeat((128 + 60 * np.sin(wave / 2))[..., None], 3, axis=2).astype(np.uint8)
        planes = feature_maps(stripes)
        for sigma_px in GRADIENT_SIGMAS_PX[:2]:
            strength = planes[f"relative_{sigma_px}"][inside].mean()
            assert planes[f"cos2_{sigma_px}"][inside].mean() / strength == pytest.approx(cos2, abs=0.1)
            assert planes[f"cos4_{sigma_px}"][inside].mean() / strength == pytest.approx(cos4, abs=0.15)
            assert planes[f"coherence_{sigma_px}"][inside].mean() > 0.9


def test_ranks_do_not_change_under_a_monotone_curve():
    image = np.repeat(photo()[..., 1:2], 3, axis=2)
    darker = (255 * (image / 255) ** 2).astype(np.uint8)
    assert np.abs(feature_maps(image)["rank"] - feature_maps(darker)["rank"]).mean() < 0.02


def test_each_pixel_has_one_binary_pattern():
    planes = feature_maps(photo())
    total = sum(planes[name] for name in planes if name.startswith("lbp_"))
    assert (total == 1).all()


def slow_outline(mask):
    height, width = mask.shape
    ys, xs = np.nonzero(mask.to_dense())
    points = np.stack([(ys + 0.5) / height, (xs + 0.5) / width * (width / height)])  # in image heights
    covariance = np.cov(points, bias=True) if len(ys) > 1 else np.zeros((2, 2))
    covariance = covariance * (1 - np.eye(2)) + np.diag(
        np.maximum(np.diag(covariance), [1e-6, 1e-6 * (width / height) ** 2])
    )
    minor2, major2 = np.linalg.eigvalsh(covariance)
    minor, major = max(minor2, 1e-6) ** 0.5, major2**0.5
    area = len(ys) / height**2
    return {
        "log_area": np.log(len(ys) / (height * width) + 1e-5),
        "log_major": np.log(major),
        "log_minor": np.log(minor),
        "spread_x": covariance[1, 1] ** 0.5,
        "spread_y": covariance[0, 0] ** 0.5,
        "height": (ys.max() + 1 - ys.min()) / height,
        "elongation": np.log(major / minor),
        "upright": (covariance[1, 1] - covariance[0, 0]) / covariance.trace(),
        "fill": area / (4 * np.pi * major * minor),
        "y": points[0].mean(),
        "top": points[0].min(),
        "bottom": points[0].max(),
        "off_centre": abs((xs + 0.5).mean() / width - 0.5),
        "touches_bottom": float(ys.max() == height - 1),
        "touches_side": float(xs.min() == 0 or xs.max() == width - 1),
    }


def test_outlines_against_their_definition():
    masks = some_masks()
    found = outlines(masks)
    for row, mask in zip(found, masks, strict=True):
        expected = slow_outline(mask)
        for name, value in zip(OUTLINE, row, strict=True):
            assert value == pytest.approx(expected[name], abs=1e-6), name


def test_a_solid_ellipse_fills_itself():
    ys, xs = np.mgrid[0:200, 0:300]
    dense = ((ys - 100) / 60) ** 2 + ((xs - 150) / 90) ** 2 <= 1
    assert outlines([Mask.from_dense(dense)])[0, OUTLINE.index("fill")] == pytest.approx(1, abs=0.02)


def test_a_large_image_is_described_like_its_reduction():
    small = photo(300, 400)
    large = np.kron(small, np.ones((3, 3, 1), np.uint8))
    mask = box((300, 400), 40, 50, 140, 170)
    tripled = Mask.from_dense(np.kron(mask.to_dense(), np.ones((3, 3), bool)))
    similarity = RegionDescriptor().encode(small, [mask])[0] @ RegionDescriptor().encode(large, [tripled])[0]
    assert similarity > 0.97
