"""The installed command on slices of real data, which are not part of the project."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image as Pil

from knnclip import Store

from .command import ingest, run


def table_of(folder):
    with (folder / "scores.csv").open() as file:
        return {row["name"]: float(row["iou"] or 0) for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def roads(shared_data, tmp_path_factory):
    """Every fourth frame of the first minutes of a drive in CamVid without its cars, and two frames of a later one."""
    root = tmp_path_factory.mktemp("camvid")
    for split, pattern in (("train", "0016E5_0[0-1]??0.jpg"), ("val", "0016E5_08[01]?9.jpg")):
        for image in sorted((shared_data / "camvid" / split / "images").glob(pattern)):
            label = shared_data / "camvid" / split / "labels" / f"{image.stem}.png"
            for file, kind in ((image, "images"), (label, "labels")):
                (root / split / kind).mkdir(parents=True, exist_ok=True)
                shutil.copy(file, root / split / kind)
    shutil.copy(shared_data / "camvid" / "classes.txt", root)
    ingest(root / "train", "--store", root / "store", "--exclude", "Car")
    return root


def test_camvid_learns_car_on_the_fly(roads, tmp_path):
    run("evaluate", roads / "val", "--store", roads / "store", "--report", tmp_path / "before")
    before = table_of(tmp_path / "before")
    ingest(roads / "train", "--store", roads / "store", "--only", "Car")
    run("evaluate", roads / "val", "--store", roads / "store", "--report", tmp_path / "after")
    after = table_of(tmp_path / "after")
    assert before.pop("Car") == 0
    assert after.pop("Car") > 0.15
    assert before["Road"] > 0.7
    others = np.mean(list(after.values())) - np.mean(list(before.values()))
    assert abs(others) < 0.04


@pytest.mark.parametrize("layout", ["coco", "yolo"])
def test_coco_in_both_layouts(shared_data, layout, tmp_path):
    source, root = shared_data / "coco128_seg", tmp_path / "set"
    wanted = json.loads((source / "instances.json").read_text())
    images = sorted(wanted["images"], key=lambda image: image["id"])[:6]
    (root / "images").mkdir(parents=True)
    for image in images:
        shutil.copy(source / "images" / image["file_name"], root / "images")
    ids = {image["id"] for image in images}
    annotations = [a for a in wanted["annotations"] if a["image_id"] in ids]
    if layout == "coco":
        kept = {"images": images, "annotations": annotations, "categories": wanted["categories"]}
        (root / "instances.json").write_text(json.dumps(kept))
    else:
        shutil.copy(source / "classes.txt", root)
        shutil.copytree(source / "labels", root / "labels")
    store = tmp_path / "store"
    ingest(root, "--store", store, "--kind", "truth")
    names = {category["id"]: category["name"] for category in wanted["categories"]}
    large = [names[a["category_id"]] for a in annotations if a["area"] > 40]
    with Store.open(store, read_only=True) as opened:
        stored = [item.class_name for item in opened.instances()]
        assert opened.verify() == []
    assert set(large) <= set(stored)
    assert len(large) <= len(stored) <= len(annotations)
    picture = root / "images" / images[0]["file_name"]
    run("segment", picture, "--store", store, "--out", tmp_path / "out")
    assert np.asarray(Pil.open(tmp_path / "out" / "semantic" / f"{picture.stem}.png")).any()
