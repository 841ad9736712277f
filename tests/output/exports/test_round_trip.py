"""Whatever is written is read back by our own readers: each object to the pixel, each name as it is."""

import numpy as np
import pytest
from PIL import Image as Pil

from knnclip.datasets import detect_format, open_dataset
from knnclip.output.exports import EXPORTS, export
from tests.output.exports.made import NAMES, answered, objects_of, random_labels

MAPS = [card.name for card in EXPORTS if card.name != "csv"]
OBJECTS = [name for name in MAPS if name != "masks"]
IGNORED = {"voc": ("background",)}


def opened(out, name):
    assert detect_format(out / name) == name
    dataset = open_dataset(out / name, ignore=IGNORED.get(name, ()))
    assert dataset.rejected == ()
    return dataset


def read_back(dataset):
    for sample in dataset.samples:
        labelled = dataset.load(sample)
        assert labelled.rejected == ()
        yield sample, labelled


@pytest.fixture
def pictures(tmp_path, rng):
    return [answered(tmp_path / f"photo {number}.png", random_labels(rng)) for number in range(4)]


@pytest.mark.parametrize("name", OBJECTS)
def test_objects_are_read_back_to_the_pixel(tmp_path, pictures, name):
    assert export(pictures, tmp_path / "out", [name]) == ()
    dataset = opened(tmp_path / "out", name)
    assert set(NAMES) == set(dataset.class_names)
    assert len(dataset.samples) == len(pictures)
    for (sample, labelled), given in zip(read_back(dataset), pictures, strict=True):
        assert sample.image_path.name == given.image_path.name
        assert sample.image_path.read_bytes() == given.image_path.read_bytes()
        found = sorted((item.class_name, item.mask.to_dense().tobytes()) for item in labelled.instances)
        assert found == objects_of(given.segmentation)


@pytest.mark.parametrize("name", MAPS)
def test_the_class_of_each_pixel_is_read_back(tmp_path, pictures, name):
    export(pictures, tmp_path / "out", [name])
    dataset = opened(tmp_path / "out", name)
    for (_, labelled), given in zip(read_back(dataset), pictures, strict=True):
        names = np.array([*dataset.class_names, None], dtype=object)[labelled.label_map]
        known = {0: None} | {info.class_id: info.name for info in given.segmentation.vocabulary}
        wanted = np.vectorize(known.get, otypes=[object])(given.segmentation.semantic)
        assert (names == wanted).all()


@pytest.mark.parametrize("shape", [(3, 9973), (9973, 3)])
@pytest.mark.parametrize("name", OBJECTS)
def test_a_pixel_of_a_long_picture_is_read_back(tmp_path, rng, name, shape):
    labels = np.where(rng.random(shape) < 0.01, rng.integers(1, 8, shape), 0).astype(np.int32)
    given = answered(tmp_path / "a.png", labels)
    export([given], tmp_path / "out", [name])
    ((_, labelled),) = read_back(opened(tmp_path / "out", name))
    found = sorted((item.class_name, item.mask.to_dense().tobytes()) for item in labelled.instances)
    assert found == objects_of(given.segmentation)


@pytest.mark.parametrize("name", OBJECTS)
def test_two_files_of_one_name_and_odd_names_stay_apart(tmp_path, rng, name):
    places = ["x/a.png", "y/a.png", "a.jpg", "Ä 東京 (1).png", "A.png", "a#b%c&d'e.png"]
    given = [answered(tmp_path / place, random_labels(rng)) for place in places]
    export(given, tmp_path / "out", [name])
    found = sorted(
        sorted((item.class_name, item.mask.to_dense().tobytes()) for item in labelled.instances)
        for _, labelled in read_back(opened(tmp_path / "out", name))
    )
    assert found == sorted(objects_of(item.segmentation) for item in given)


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("orientation", [3, 6])
def test_labels_lie_on_the_picture_as_it_is_seen(tmp_path, name, orientation):
    upright = np.zeros((60, 40), np.int32)
    upright[5:15, 3:13] = 1
    exif = Pil.Exif()
    exif[0x0112] = orientation
    stored = np.rot90(upright, 1 if orientation == 6 else 2)
    Pil.fromarray(np.repeat((stored * 255).astype(np.uint8)[..., None], 3, axis=2)).save(tmp_path / "a.png", exif=exif)
    export([answered(tmp_path / "a.png", upright)], tmp_path / "out", [name])
    ((_, labelled),) = read_back(opened(tmp_path / "out", name))
    assert ((labelled.label_map >= 0) == (labelled.image[..., 0] > 128)).all()


@pytest.mark.parametrize("name", MAPS)
def test_a_reduced_answer_is_written_in_the_pixels_of_the_picture(tmp_path, name):
    labels = np.zeros((20, 30), np.int32)
    labels[2:9, 3:20] = 1
    labels[4, 5] = 0
    given = answered(tmp_path / "a.png", labels.repeat(2, axis=0).repeat(2, axis=1))
    small = answered(tmp_path / "small.png", labels).segmentation
    export([type(given)(given.image_path, given.size, small)], tmp_path / "out", [name])
    ((_, labelled),) = read_back(opened(tmp_path / "out", name))
    assert ((labelled.label_map >= 0) == (given.segmentation.semantic > 0)).all()
