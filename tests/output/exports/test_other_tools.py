"""Exports read by the tools that they are for, each where it is installed.

pycocotools fills polygons as knnclip does, so it finds every mask to the pixel. LabelMe and ultralytics draw the line
of a polygon as well, which makes it wider by a pixel at its right and lower sides.
"""

import json

import numpy as np
import pytest

from knnclip.output.exports import export
from tests.output.exports.made import CLASSES, NAMES, answered, random_labels


@pytest.fixture
def pictures(tmp_path, rng):
    return [answered(tmp_path / f"photo {number}.png", random_labels(rng)) for number in range(2)]


def areas_by_class(segmentation):
    """Class name -> where it is, for the classes that are there."""
    names = {info.class_id: info.name for info in CLASSES}
    present = np.unique(segmentation.semantic[segmentation.semantic > 0]).tolist()
    return {names[class_id]: segmentation.semantic == class_id for class_id in present}


def test_pycocotools_finds_each_mask_and_its_score(tmp_path, pictures):
    coco = pytest.importorskip("pycocotools.coco")
    export(pictures, tmp_path, ["coco"])
    found = coco.COCO(str(tmp_path / "coco" / "annotations" / "instances_default.json"))
    assert [category["name"] for category in found.loadCats(found.getCatIds())] == list(NAMES)
    kinds = set()
    for number, given in enumerate(pictures, start=1):
        objects = {item.segment_id: item for item in given.segmentation.segments if item.class_id}
        annotations = found.loadAnns(found.getAnnIds(number))
        assert {item["segment_id"] for item in annotations} == set(objects)
        for item in annotations:
            wanted = objects[item["segment_id"]]
            assert (found.annToMask(item) == wanted.mask.to_dense()).all()
            assert (item["score"], item["area"]) == (wanted.confidence, wanted.mask.area)
            kinds.add(type(item["segmentation"]))
    assert kinds == {list, dict}, "polygons and run lengths"


@pytest.mark.parametrize(
    ("name", "datumaros"),
    [
        ("coco", "coco_instances"),
        ("coco-panoptic", "coco_panoptic"),
        ("cvat", "cvat"),
        ("voc", "voc_segmentation"),
        ("voc", "voc_instance_segmentation"),
    ],
)
def test_datumaro_finds_each_pixel(tmp_path, pictures, name, datumaros):
    datumaro = pytest.importorskip("datumaro")
    from pycocotools import mask as coco

    export(pictures, tmp_path, [name])
    dataset = datumaro.Dataset.import_from(str(tmp_path / name), datumaros)
    labels = [label.name for label in dataset.categories()[datumaro.AnnotationType.label]]
    found = {item.id: item for item in dataset}
    assert set(found) == {given.image_path.stem for given in pictures}
    for given in pictures:
        areas = {}
        for annotation in found[given.image_path.stem].annotations:
            if annotation.type == datumaro.AnnotationType.polygon:
                height, width = given.size
                mask = coco.decode(coco.merge(coco.frPyObjects([annotation.points], height, width)))
            elif annotation.type == datumaro.AnnotationType.mask:
                mask = annotation.image
            else:
                continue  # boxes
            label = labels[annotation.label]
            areas[label] = areas.get(label, False) | np.asarray(mask, dtype=bool)
        wanted = areas_by_class(given.segmentation)
        if name == "voc":  # where a name with the separator of the list of classes stands in quotes
            wanted = {json.dumps(key).replace(":", "\\u003a") if {*":#\n"} & {*key} else key: area
                      for key, area in wanted.items()}  # fmt: skip
        assert {key: area.tobytes() for key, area in areas.items() if key != "background"} == {
            key: area.tobytes() for key, area in wanted.items()
        }


def test_labelme_finds_masks_and_polygons(tmp_path, pictures):
    labelme = pytest.importorskip("labelme._label_file")
    shapes = pytest.importorskip("labelme.utils.shape")
    from scipy.ndimage import binary_dilation

    export(pictures, tmp_path, ["labelme"])
    for given in pictures:
        read = labelme.LabelFile(str(tmp_path / "labelme" / f"{given.image_path.stem}.json"))
        objects = {item.segment_id: item for item in given.segmentation.segments if item.class_id}
        found = {}
        for shape in read.shapes:
            number = shape["other_data"]["segment_id"]
            assert shape["label"] == objects[number].class_name
            _, drawn = shapes.shapes_to_label(given.size, [shape], {shape["label"]: 1})
            found[number] = (shape["shape_type"], found.get(number, ("", False))[1] | (drawn > 0))
        assert {kind for kind, _ in found.values()} == {"mask", "polygon"}
        for number, (kind, area) in found.items():
            wanted = objects[number].mask.to_dense()
            if kind == "mask":
                assert (area == wanted).all()
            else:
                assert (area | wanted == area).all()
                assert not (area & ~binary_dilation(wanted, np.ones((3, 3)))).any()


def test_ultralytics_finds_the_classes_and_the_polygons(tmp_path, pictures):
    utils = pytest.importorskip("ultralytics.data.utils")
    export(pictures, tmp_path, ["yolo"])
    assert [*utils.check_det_dataset(str(tmp_path / "yolo" / "data.yaml"))["names"].values()] == list(NAMES)
    for given in pictures:
        image = tmp_path / "yolo" / "images" / given.image_path.name
        labels = tmp_path / "yolo" / "labels" / f"{given.image_path.stem}.txt"
        _, boxes, shape, segments, _, *counts, message = utils.verify_image_label(
            (str(image), str(labels), "", False, len(NAMES), 0, 0, False)
        )
        assert (counts, message, tuple(shape)) == ([0, 1, 0, 0], "", given.size)
        objects = [item for item in given.segmentation.segments if item.class_id]
        assert [NAMES[int(box[0])] for box in boxes] == [item.class_name for item in objects]
        for polygon, item in zip(segments, objects, strict=True):
            scaled = polygon * np.array([given.size[1], given.size[0]])
            drawn = utils.polygon2mask(given.size, [scaled.ravel()]).astype(bool)
            assert (drawn & item.mask.to_dense()).sum() >= 0.97 * item.mask.area
