"""What was seen to end a whole run is a rejection of the one item, or one line for the file."""

import base64
import json
import os
import random
import time
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image as Pil
from PIL import PngImagePlugin

from knnclip.datasets import open_dataset
from knnclip.datasets.archive import extract_zip
from knnclip.datasets.base import MAX_CLASSES
from knnclip.datasets.polygons import MAX_OUTLINE_PX, MAX_POLYGONS, mask_from_coco
from knnclip.errors import DatasetError, ImageError, InputError, KnnclipError, MaskError
from knnclip.images import read_image, read_index_map
from tests.datasets.test_archive import make_zip
from tests.fuzz import sets

NAN, BOMB = float("nan"), 10**9


def edited(file, change):
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def loaded(root, data_format="auto"):
    """The rejections of opening and of all images that can be read, with how many images those are."""
    dataset = open_dataset(root, data_format)
    rejected, images = list(dataset.rejected), 0
    for sample in dataset.samples:
        try:
            rejected += dataset.load(sample).rejected
            images += 1
        except InputError as error:
            rejected.append(error)
    return [str(item) for item in rejected], images


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: c["images"][1].update(height="tall"), "'height' is 'tall'"),
        (lambda c: c["images"][1].update(id=[2]), "'id' is a list of 1"),
        (lambda c: c["images"][1].update(file_name="x" * 5000), "is missing"),
        (lambda c: c["images"][1].update(file_name="a\0b"), "'file_name'"),
        (lambda c: c["images"].append(7), "expected an object, found 7"),
        (lambda c: c["annotations"][0].update(segmentation=[sets.SQUARE, {"a": 1}]), "a polygon is a list of numbers"),
        (lambda c: c["annotations"][0].update(segmentation=[[NAN] * 6]), "not finite"),
        (lambda c: c["annotations"][0].update(segmentation=["abcdef"]), "a polygon"),
        (lambda c: c["annotations"][0].update(category_id="cat"), "'category_id' is 'cat'"),
        (lambda c: c["annotations"][0].update(image_id=[1]), "'image_id' is a list of 1"),
        (lambda c: c["annotations"][0].update(iscrowd="no"), "'iscrowd' is 'no', expected 0 or 1"),
        (lambda c: c["annotations"][1]["segmentation"].update(counts=[BOMB, BOMB]), "run length"),
        (lambda c: c["annotations"][1]["segmentation"].update(counts=["1", None]), "run length"),
        (lambda c: c["annotations"][1]["segmentation"].update(size=None), "the mask is for nothing"),
        (lambda c: c["annotations"][1]["segmentation"].update(size=[BOMB, BOMB]), "the mask is for 1000000000x"),
        (lambda c: c["annotations"][2]["segmentation"].update(counts="oooooo"), "run length"),
        (lambda c: c["annotations"][2]["segmentation"].update(counts="`" * 40), "run length"),
        (lambda c: c["annotations"][2]["segmentation"].update(counts="é"), "run lengths"),
        (lambda c: c["categories"][1].update(name=None), "has no 'name'"),
        (lambda c: c["categories"][1].update(name="\ud800"), "'name'"),
        (lambda c: c["categories"].append([]), "expected an object"),
    ],
)
def test_one_bad_entry_of_coco_is_rejected_and_the_rest_is_read(tmp_path, change, reason):
    sets.coco(tmp_path)
    edited(tmp_path / "instances.json", change)
    rejected, images = loaded(tmp_path)
    assert images >= 1
    assert any(reason in item for item in rejected), rejected


def test_a_size_of_null_is_no_size(tmp_path):
    sets.coco(tmp_path)
    edited(tmp_path / "instances.json", lambda c: c["images"][0].update(height=None, width=None))
    assert loaded(tmp_path) == ([], 2)


def test_images_that_share_an_id_lend_each_other_no_annotations(tmp_path):
    sets.coco(tmp_path)
    edited(tmp_path / "instances.json", lambda c: c["images"][1].update(id=1))
    dataset = open_dataset(tmp_path)
    assert dataset.samples == ()
    assert any("id 1 is that of several images" in item.reason for item in dataset.rejected)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["annotations"][0]["segments_info"].__setitem__(0, 7),
        lambda c: c["annotations"][0]["segments_info"][0].update(id=[1]),
        lambda c: c["annotations"][0]["segments_info"][0].update(id=""),
        lambda c: c["annotations"][0]["segments_info"][0].update(category_id="\ud800"),
        lambda c: c["annotations"][0]["segments_info"][0].update(iscrowd="no"),
        lambda c: c["annotations"][0]["segments_info"][0].update(id=2),
        lambda c: c["annotations"].append({"image_id": [], "file_name": "\ud800", "segments_info": None}),
        lambda c: c["annotations"].append({**c["annotations"][0], "file_name": "../../images/a.jpg"}),
        lambda c: c["annotations"].append(c["annotations"][0]),
        lambda c: c["categories"].append({"id": [], "name": "x"}),
    ],
)
def test_one_bad_entry_of_coco_panoptic_is_rejected_and_the_rest_is_read(tmp_path, change):
    sets.panoptic(tmp_path)
    edited(tmp_path / "panoptic_val.json", change)
    rejected, images = loaded(tmp_path)
    assert (len(rejected), images) == (1, 1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: c["shapes"][0]["points"].__setitem__(0, [NAN, 1]), "'x' is nan"),
        (lambda c: c["shapes"][0]["points"].__setitem__(0, [1, 2, 3]), "a list of x and y"),
        (lambda c: c["shapes"][0].update(points=None), "has no 'points'"),
        (lambda c: c["shapes"].__setitem__(0, "shape"), "expected an object"),
        (lambda c: c["shapes"][0].update(label=" "), "empty"),
        (lambda c: c["shapes"][3]["points"].__setitem__(0, [1e8, 1]), "outside the image"),
        (lambda c: c["shapes"][3].update(mask="%%%"), "no picture"),
    ],
)
def test_one_bad_shape_of_labelme_is_rejected_and_the_rest_is_read(tmp_path, change, reason):
    sets.labelme(tmp_path)
    edited(tmp_path / "a.json", change)
    rejected, images = loaded(tmp_path)
    assert (len(rejected), images) == (1, 1)
    assert reason in rejected[0]


def test_a_drawn_mask_is_not_decoded_beyond_its_image(tmp_path):
    sets.labelme(tmp_path)
    png = Pil.new("1", (5000, 5000))
    png.save(tmp_path / "bomb.png")
    mask = base64.b64encode((tmp_path / "bomb.png").read_bytes()).decode()
    (tmp_path / "bomb.png").unlink()
    edited(tmp_path / "a.json", lambda c: c["shapes"][3].update(mask=mask))
    rejected, images = loaded(tmp_path)
    assert (len(rejected), images) == (1, 1)
    assert "exceed the limit of 768" in rejected[0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('xtl="0"', 'xtl="nan"'), ('rx="4"', 'rx="inf"'), ("2.0,2.0;", "nan,nan;"), ("2.0,2.0;", "2.0;"),
        ('rle="2, 3, 5, 38"', 'rle="2, 3, 5, 99999999999"'), ('rle="2, 3, 5, 38"', 'rle="a"'),
        ('height="6"', 'height="tall"'), ('width="8"', 'width="100000"'), ('left="4"', 'left="1e999"'),
        ('z_order="2"', 'z_order="top"'),
    ],
)  # fmt: skip
def test_one_bad_shape_of_cvat_is_rejected_and_the_rest_is_read(tmp_path, old, new):
    sets.cvat(tmp_path)
    file = tmp_path / "annotations.xml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    rejected, images = loaded(tmp_path)
    assert (len(rejected), images) == (1, 1), rejected


@pytest.mark.parametrize("size", ['width="wide"', 'width="-1"', 'width="9e9"'])
def test_an_image_of_cvat_whose_size_is_no_number_is_rejected(tmp_path, size):
    sets.cvat(tmp_path)
    file = tmp_path / "annotations.xml"
    box = '<box label="cat" xtl="0" ytl="0" xbr="9" ybr="9"/>'
    other = f'<image id="1" name="b.png" height="24" {size}>{box}</image>'
    sets.picture(tmp_path / "images" / "b.png")
    file.write_text(file.read_text().replace("</annotations>", other + "</annotations>"))
    rejected, images = loaded(tmp_path)
    assert (len(rejected), images) == (1, 1)


def test_entities_are_refused(tmp_path):
    sets.cvat(tmp_path)
    file = tmp_path / "annotations.xml"
    entity = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><annotations>'
    file.write_text(file.read_text().replace("<annotations>", entity))
    with pytest.raises(InputError, match="line 2: expected elements, found a document type"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(labels={}),
        lambda c: c["labels"][0].update(color=[1, 2]),
        lambda c: c["labels"][0].update(color=["a", 2, 999]),
        lambda c: c["labels"][0].update(readable=None),
        lambda c: c["labels"].__setitem__(0, []),
        lambda c: c["labels"][0].update(evaluate="yes"),
    ],
)
def test_a_bad_configuration_of_mapillary_is_an_error_of_the_file(tmp_path, change):
    sets.mapillary(tmp_path)
    edited(tmp_path / "config_v2.0.json", change)
    with pytest.raises(DatasetError, match=r"config_v2\.0\.json does not list the labels"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("spoil", [lambda b: b"", lambda b: b[:200], lambda b: b[:130] + b"\xff" * 8 + b[138:]])
def test_a_damaged_matrix_is_an_error_of_its_image(tmp_path, spoil):
    sets.matlab(tmp_path)
    file = tmp_path / "trainval" / "a.mat"
    file.write_bytes(spoil(file.read_bytes()))
    rejected, images = loaded(tmp_path)
    assert (len(rejected), images) == (1, 0)
    assert "a.mat" in rejected[0]


@pytest.mark.parametrize("values", [np.full((24, 32), 300_000_000, np.int32), np.full((24, 32), -7, np.int32)])
def test_a_label_beyond_16_bits_costs_no_memory(tmp_path, values):
    Pil.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(ImageError, match=r"a\.tif: a label image holds 0 to 65535, found (300000000|-7)"):
        read_index_map(tmp_path / "a.tif")


def test_an_overlong_text_in_a_png_is_an_error_of_the_image(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("a", "x" * (PngImagePlugin.MAX_TEXT_CHUNK + 1), zip=True)
    Pil.new("L", (4, 4)).save(tmp_path / "a.png", pnginfo=info)
    for read in (read_image, read_index_map):
        with pytest.raises(ImageError, match=r"a\.png: the image is damaged"):
            read(tmp_path / "a.png")


@pytest.mark.parametrize("write", ["classes.txt", "data.yaml", "instances.json"])
def test_a_flood_of_classes_is_refused_quickly(tmp_path, write):
    count = 200_000
    if write == "instances.json":
        sets.coco(tmp_path)
        edited(tmp_path / write, lambda c: c.update(categories=[{"id": i, "name": f"c{i}"} for i in range(count)]))
    elif write == "data.yaml":
        sets.yolo(tmp_path)
        (tmp_path / write).write_text("names:\n" + "".join(f"  - c{i}\n" for i in range(count)))
    else:
        sets.masks(tmp_path)
        (tmp_path / write).write_text("".join(f"{i} c{i}\n" for i in range(count)))
    begin = time.monotonic()
    with pytest.raises(DatasetError, match=rf"at most {MAX_CLASSES:,}|an index is 0 to 65535"):
        open_dataset(tmp_path)
    assert time.monotonic() - begin < 20


def test_outlines_and_polygons_are_bounded_before_they_are_drawn():
    shape = (4000, 4000)
    zigzag = [value for i in range(2000) for value in ((i % 2) * 15_000, i)]
    assert len(zigzag) * 7_500 > MAX_OUTLINE_PX
    with pytest.raises(MaskError, match=r"the outline is .* px long"):
        mask_from_coco([zigzag], shape)
    with pytest.raises(MaskError, match="polygons, at most"):
        mask_from_coco([sets.SQUARE] * (MAX_POLYGONS + 1), shape)


def test_run_lengths_longer_than_their_image_never_reach_compiled_code():
    for counts in ("`" * 6 + "0", "0" * 9, "o" * 8 + "0"):
        with pytest.raises(MaskError, match="run length"):
            mask_from_coco({"size": [24, 32], "counts": counts}, (24, 32))


@pytest.mark.parametrize("name", ["", "a:b", "x/c:stream", "x/.. /y", "x/./ /y"])
def test_names_that_mean_something_else_on_some_system_are_refused(tmp_path, name):
    file = tmp_path / "z.zip"
    with zipfile.ZipFile(file, "w") as archive:
        entry = zipfile.ZipInfo("x")
        entry.filename = name
        archive.writestr(entry, b"x")
    with pytest.raises(DatasetError, match=r"z\.zip"):
        extract_zip(file, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_stream_of_a_zip_is_an_error(tmp_path):
    file = make_zip(tmp_path / "z.zip", {"a": bytes(random.Random(0).randbytes(3000)) * 2})
    content = bytearray(file.read_bytes())
    content[40:60] = b"\xff" * 20
    file.write_bytes(content)
    with zipfile.ZipFile(file) as archive, pytest.raises(zlib.error):
        archive.read("a")
    with pytest.raises(DatasetError, match=r"z\.zip cannot be unpacked"):
        extract_zip(file, tmp_path / "out")


def test_a_name_that_is_no_text_gives_a_ref_that_is_one(tmp_path):
    sets.masks(tmp_path)
    for folder in ("images", "labels"):
        (tmp_path / folder / "a.png").rename(tmp_path / folder / os.fsdecode(b"caf\xe9.png"))
    dataset = open_dataset(tmp_path)
    assert [sample.ref for sample in dataset.samples] == [r"images/caf\xe9.png"]
    assert dataset.load(dataset.samples[0]).instances


def test_a_folder_that_may_not_be_listed_is_one_line(tmp_path, monkeypatch):
    sets.masks(tmp_path)

    def refuse(*_):
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr("pathlib.Path.iterdir", refuse)
    with pytest.raises(KnnclipError, match=r"cannot be read .*Permission denied"):
        open_dataset(tmp_path)
