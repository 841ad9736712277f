"""Pictures that a camera stored lying on their side: labels made on them as stored, or as they are seen."""

import json

import numpy as np
import pytest
from PIL import Image as Pil

from knnclip.datasets import open_dataset
from knnclip.errors import DatasetError

H, W = 60, 40  # upright
ORIENTATION = 0x0112

SWAPPED = {  # orientation: how stored pixels come upright, and how upright ones are stored
    5: (lambda stored: stored.swapaxes(0, 1), lambda upright: upright.swapaxes(0, 1)),
    6: (lambda stored: np.rot90(stored, -1), lambda upright: np.rot90(upright, 1)),
    7: (lambda stored: np.rot90(stored, -1)[::-1], lambda upright: np.rot90(upright[::-1], 1)),
    8: (lambda stored: np.rot90(stored, 1), lambda upright: np.rot90(upright, -1)),
}


def upright_labels():
    """A red field at the top left, a green one at the right."""
    labels = np.zeros((H, W), np.uint8)
    labels[5:15, 3:13] = 1
    labels[20:50, 30:38] = 2
    return labels


def store_picture(path, labels, orientation):
    """The picture of the labels, stored as the camera does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colors = np.array([(0, 0, 0), (255, 0, 0), (0, 255, 0)], np.uint8)
    exif = Pil.Exif()
    exif[ORIENTATION] = orientation
    stored = np.ascontiguousarray(SWAPPED[orientation][1](colors[labels]))
    Pil.fromarray(stored).save(path, exif=exif)


def fits(labelled):
    """Whether the labels lie where the colours are."""
    red, green = (labelled.image[..., channel] > 128 for channel in (0, 1))
    return (labelled.label_map == 0)[red].all() and (labelled.label_map == 1)[green].all()


@pytest.fixture
def masks(tmp_path):
    (tmp_path / "classes.txt").write_text("0 void\n1 red\n2 green\n")

    def write(orientation, as_stored):
        labels = upright_labels()
        store_picture(tmp_path / "images" / "a.png", labels, orientation)
        (tmp_path / "labels").mkdir(exist_ok=True)
        turned = SWAPPED[orientation][1](labels) if as_stored else labels
        Pil.fromarray(np.ascontiguousarray(turned)).save(tmp_path / "labels" / "a.png")
        return open_dataset(tmp_path)

    return write


@pytest.mark.parametrize("as_stored", [True, False])
@pytest.mark.parametrize("orientation", SWAPPED)
def test_label_images(masks, orientation, as_stored):
    dataset = masks(orientation, as_stored)
    labelled = dataset.load(dataset.samples[0])
    assert labelled.image.shape == (H, W, 3)
    assert fits(labelled)
    assert sorted(item.mask.area for item in labelled.instances) == [100, 240]


def test_labels_with_swapped_sides_of_a_picture_that_is_upright_are_an_error(masks, tmp_path):
    dataset = masks(6, as_stored=True)
    Pil.fromarray(np.zeros((H, W, 3), np.uint8)).save(tmp_path / "images" / "a.png")
    with pytest.raises(DatasetError, match=r"a\.png: the labels are for 60x40 px, the image has 40x60 px"):
        dataset.load(dataset.samples[0])


RED = ((3, 5), (13, 5), (13, 15), (3, 15))
GREEN = ((30, 20), (38, 20), (38, 50), (30, 50))


def as_stored(points):
    """Corners on the picture as orientation 6 stores it: its first column is the upright picture's top row."""
    return [(y, W - x) for x, y in points]


def coco(root, turn, size):
    annotations = [
        {
            "id": i,
            "image_id": 1,
            "category_id": i,
            "segmentation": [[value for point in turn(points) for value in point]],
        }
        for i, points in enumerate((RED, GREEN))
    ]
    content = {
        "images": [{"id": 1, "file_name": "images/a.png", "height": size[0], "width": size[1]}],
        "categories": [{"id": 0, "name": "red"}, {"id": 1, "name": "tint of green"}],
        "annotations": annotations,
    }
    (root / "instances.json").write_text(json.dumps(content))


def labelme(root, turn, size):
    shapes = [
        {"label": name, "points": turn(points), "shape_type": "polygon"}
        for name, points in (("a red", RED), ("green", GREEN))
    ]
    content = {"imagePath": "a.png", "shapes": shapes, "imageHeight": size[0], "imageWidth": size[1]}
    (root / "a.json").write_text(json.dumps(content))


def cvat(root, turn, size):
    drawn = "".join(
        f'<polygon label="{name}" points="{";".join(f"{x},{y}" for x, y in turn(points))}"/>'
        for name, points in (("a red", RED), ("green", GREEN))
    )
    (root / "annotations.xml").write_text(
        f'<annotations><image name="a.png" width="{size[1]}" height="{size[0]}">{drawn}</image></annotations>'
    )


@pytest.mark.parametrize("write", [coco, labelme, cvat])
@pytest.mark.parametrize(("turn", "size"), [(list, (H, W)), (as_stored, (W, H))], ids=["as seen", "as stored"])
def test_polygons_are_on_the_picture_whose_size_the_file_says(tmp_path, write, turn, size):
    store_picture(tmp_path / "images" / "a.png", upright_labels(), 6)
    write(tmp_path, turn, size)
    dataset = open_dataset(tmp_path)
    labelled = dataset.load(dataset.samples[0])
    assert labelled.rejected == ()
    assert fits(labelled)
    assert [item.mask.area for item in labelled.instances] == [100, 240]


def test_yolo_is_on_the_picture_as_it_is_seen(tmp_path):
    store_picture(tmp_path / "images" / "a.png", upright_labels(), 6)
    (tmp_path / "labels").mkdir()
    lines = [f"{i} " + " ".join(f"{x / W} {y / H}" for x, y in points) for i, points in enumerate((RED, GREEN))]
    (tmp_path / "labels" / "a.txt").write_text("\n".join(lines))
    (tmp_path / "classes.txt").write_text("red\ngreen\n")
    dataset = open_dataset(tmp_path)
    assert fits(dataset.load(dataset.samples[0]))
