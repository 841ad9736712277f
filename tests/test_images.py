"""Whatever a file holds becomes upright RGB, or an error that names the file."""

import numpy as np
import pytest
from PIL import Image as Pil

from knnclip.errors import ImageError
from knnclip.images import (
    THUMBNAIL_PX,
    as_image,
    encode_jpeg,
    encode_png,
    encode_thumbnail,
    pixel_digest,
    read_image,
    read_index_map,
    reduce_image,
    write_png,
)

RED, GREY = (255, 0, 0), (128, 128, 128)


def saved(tmp_path, picture, name="x.png", **options):
    picture.save(tmp_path / name, **options)
    return tmp_path / name


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (Pil.new("RGB", (2, 2), RED), RED),
        (Pil.new("L", (2, 2), 128), GREY),
        (Pil.new("LA", (2, 2), (0, 0)), (255, 255, 255)),  # transparent black over white
        (Pil.new("RGBA", (2, 2), (255, 0, 0, 128)), (255, 127, 127)),
        (Pil.new("1", (2, 2), 1), (255, 255, 255)),
        (Pil.fromarray(np.full((2, 2), 128 * 257, np.uint16)), GREY),  # 16-bit grey
        (Pil.new("P", (2, 2), 0), (0, 0, 0)),
    ],
)
def test_every_mode_becomes_rgb(tmp_path, picture, expected):
    image = read_image(saved(tmp_path, picture))
    assert image.shape == (2, 2, 3)
    assert image.dtype == np.uint8
    np.testing.assert_allclose(image[0, 0], expected, atol=1)


def test_palette_with_transparent_colour_lies_over_white(tmp_path):
    picture = Pil.new("P", (2, 2), 1)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    assert read_image(saved(tmp_path, picture, transparency=1))[0, 0].tolist() == [255, 255, 255]


def test_cmyk_jpeg(tmp_path):
    image = read_image(saved(tmp_path, Pil.new("CMYK", (8, 8), (0, 255, 255, 0)), "x.jpg"))
    assert image[4, 4, 0] > 200
    assert image[4, 4, 1] < 60


def test_exif_orientation_is_applied(tmp_path):
    picture = Pil.fromarray(np.arange(18, dtype=np.uint8).reshape(2, 3, 3))
    exif = Pil.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    upright = read_image(saved(tmp_path, picture, exif=exif))
    np.testing.assert_array_equal(upright, np.rot90(np.asarray(picture), -1))


def test_first_frame_of_an_animation(tmp_path):
    frames = [Pil.new("RGB", (4, 4), color) for color in (RED, (0, 0, 255))]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    assert read_image(tmp_path / "x.gif")[0, 0].tolist() == list(RED)


def test_size_limit_is_checked_before_decoding(tmp_path):
    path = saved(tmp_path, Pil.new("1", (500, 400)))
    content = bytearray(path.read_bytes())
    path.write_bytes(content[:60])  # the pixels are gone, the header is there
    with pytest.raises(ImageError, match="500 x 400 pixels exceed"):
        read_image(path, max_pixels=199_999)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p.write_bytes(b"%PDF-1.4"), "not an image"),
        (lambda p: p.write_bytes(b""), "not an image"),
        (lambda p: p.mkdir(), "cannot be opened"),
        (lambda p: None, "cannot be opened"),
        (lambda p: (Pil.effect_noise((64, 64), 50).save(p), p.write_bytes(p.read_bytes()[:900])), "damaged"),
    ],
)
def test_what_is_no_image_is_named(tmp_path, make, message):
    path = tmp_path / "wrong.png"
    make(path)
    with pytest.raises(ImageError, match=message) as error:
        read_image(path)
    assert "wrong.png" in str(error.value)


@pytest.mark.parametrize("wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_arrays_are_checked(wrong):
    with pytest.raises(ImageError, match=r"\(H, W, 3\) uint8"):
        as_image(wrong)


@pytest.mark.parametrize("top", [11, 255, 256, 40_000])
def test_index_maps_come_back_unscaled(tmp_path, top):
    indices = np.array([[0, top], [1, 2]])
    write_png(tmp_path / "deep" / "x.png", indices)
    np.testing.assert_array_equal(read_index_map(tmp_path / "deep" / "x.png"), indices)


def test_palette_index_maps_give_indices_not_colours(tmp_path):
    picture = Pil.fromarray(np.array([[0, 3], [1, 2]], np.uint8), "L").convert("P")
    picture.putdata([0, 3, 1, 2])
    assert read_index_map(saved(tmp_path, picture)).tolist() == [[0, 3], [1, 2]]


def test_coloured_label_images_are_refused(tmp_path):
    with pytest.raises(ImageError, match="one index a pixel"):
        read_index_map(saved(tmp_path, Pil.new("RGB", (2, 2))))


def test_thumbnails_are_bounded_and_digests_tell_shapes_apart():
    image = np.zeros((40, 2000, 3), np.uint8)
    from io import BytesIO

    assert max(Pil.open(BytesIO(encode_thumbnail(image))).size) == THUMBNAIL_PX
    assert pixel_digest(image) != pixel_digest(image.reshape(2000, 40, 3))
    assert pixel_digest(image) == pixel_digest(image.copy())


@pytest.mark.parametrize(
    ("shape", "reduced"), [((400, 100), (200, 50)), ((100, 400), (50, 200)), ((200, 199), (200, 199))]
)
def test_a_reduced_image_keeps_its_proportions(shape, reduced):
    assert reduce_image(np.full((*shape, 3), 7, np.uint8), 200).shape == (*reduced, 3)


def test_a_small_image_is_not_copied(rng):
    image = rng.integers(0, 256, (20, 30, 3)).astype(np.uint8)
    assert reduce_image(image, 30) is image


def test_a_line_survives_any_reduction():
    assert reduce_image(np.zeros((5000, 1, 3), np.uint8), 100).shape == (100, 1, 3)


def test_jpeg_and_png_are_what_they_are_called(tmp_path, rng):
    image = rng.integers(0, 256, (20, 30, 3)).astype(np.uint8)
    (tmp_path / "x.png").write_bytes(encode_png(image))
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), image)
    (tmp_path / "x.jpg").write_bytes(encode_jpeg(image, 15))
    assert read_image(tmp_path / "x.jpg").shape == (10, 15, 3)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P"])
def test_a_picture_of_pillow_is_what_its_file_is(tmp_path, mode):
    noise = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    picture = Pil.fromarray(noise).convert(mode)
    exif = Pil.Exif()
    exif[0x0112] = 6  # lying on its side
    file = saved(tmp_path, picture, exif=exif)
    with Pil.open(file) as opened:
        np.testing.assert_array_equal(as_image(opened), read_image(file))
    np.testing.assert_array_equal(as_image(Pil.fromarray(noise)), noise)


@pytest.mark.parametrize("wrong", [None, 7, [[[1, 2, 3]]], b"bytes"])
def test_what_is_no_image_is_told_what_one_is(wrong):
    with pytest.raises(ImageError, match="a picture of Pillow"):
        as_image(wrong)
