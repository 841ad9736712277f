"""Average precision of instance masks, by pycocotools: COCO's own implementation, not another one.

AP is the mean over IoU 0.50, 0.55, ..., 0.95 and over the classes with a true instance; 100 detections an image count.
Small, medium and large are areas below 32^2, up to 96^2 and above.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from knnclip.datasets.polygons import Packed, pack
from knnclip.errors import DatasetError, MaskError
from knnclip.fields import Fields, Ident, as_number
from knnclip.images import MAX_PIXELS


@dataclass(frozen=True)
class InstanceScores:
    """The scores of a set; fractions in [0, 1], NaN where the truth has none of a kind."""

    ap: float
    ap50: float
    ap75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    classes: tuple[tuple[str, float], ...]  # name and AP


def score_instances(truth: Mapping[str, Any], predictions: Sequence[Mapping[str, Any]]) -> InstanceScores:
    """The scores of COCO results (``image_id``, ``category_id``, ``segmentation``, ``score``) on a COCO instances set.

    ``InputError`` if the truth is no such set, the results are none, or are of images that it does not have.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    whole = _truth(Fields.of(truth, "the truth"))
    shapes = {image["id"]: (image["height"], image["width"]) for image in whole["images"]}
    results = [_result(Fields.of(result, f"result {number}"), shapes) for number, result in enumerate(predictions)]
    if not all("bbox" in result for result in results):  # pycocotools takes the area from the boxes where the first has
        results = [{key: value for key, value in result.items() if key != "bbox"} for result in results]
    if any(isinstance(image, str) for image in shapes):  # pycocotools sorts the ids as an array of one type
        numbers = {image: number for number, image in enumerate(shapes)}
        for item in (*whole["annotations"], *results):
            item["image_id"] = numbers[item["image_id"]]
        for image in whole["images"]:
            image["id"] = numbers[image["id"]]
    if not any(not annotation["iscrowd"] for annotation in whole["annotations"]):
        raise DatasetError("the truth has no instance to be found; AP is not defined")
    with contextlib.redirect_stdout(io.StringIO()):  # it reports its progress by printing
        coco = COCO()
        coco.dataset = {"info": {}, **whole}
        coco.createIndex()
        found = coco.loadRes(results) if results else _nothing(coco)
        evaluation = COCOeval(coco, found, "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    ap, ap50, ap75, small, medium, large = (
        float(value) if value >= 0 else float("nan") for value in evaluation.stats[:6]
    )
    precision = evaluation.eval["precision"][:, :, :, 0, -1]  # IoU, recall, class; all areas, 100 detections
    by_class = []
    for c, category in enumerate(evaluation.params.catIds):
        reached = precision[:, :, c][precision[:, :, c] > -1]
        by_class.append((str(coco.cats[category]["name"]), float(np.mean(reached)) if reached.size else float("nan")))
    return InstanceScores(ap, ap50, ap75, small, medium, large, tuple(by_class))


def _truth(content: Fields) -> dict[str, Any]:
    """What of a COCO instances set is scored, checked: ``DatasetError`` or ``InputError`` for what is none."""
    lists = {key: content.items(key) for key in ("images", "annotations", "categories")}
    images, annotations, categories = (
        [Fields.of(item, f"{kind} {number} of the truth") for number, item in enumerate(lists[key])]
        for key, kind in (("images", "image"), ("annotations", "annotation"), ("categories", "category"))
    )
    found: dict[str, Any] = {
        "images": [
            # An image without instances may be of any size.
            {"id": item.ident("id"), "height": item.whole("height", 0, MAX_PIXELS), "width": item.whole("width", 0)}
            for item in images
        ],
        "categories": [{"id": item.whole("id"), "name": item.text("name")} for item in categories],
    }
    for key, items in found.items():
        if len({item["id"] for item in items}) < len(items):
            raise DatasetError(f"two {key} of the truth have the same id; give each its own")
    for image in found["images"]:
        if image["height"] * image["width"] > MAX_PIXELS:
            raise DatasetError(f"image {image['id']} of the truth has more than {MAX_PIXELS:,} pixels")
    shapes = {image["id"]: (image["height"], image["width"]) for image in found["images"]}
    known = {category["id"] for category in found["categories"]}
    found["annotations"] = [
        _annotation(item, number, shapes, known) for number, item in enumerate(annotations, start=1)
    ]
    return found


def _annotation(item: Fields, number: int, shapes: Mapping[Ident, tuple[int, int]], known: Set[int]) -> dict[str, Any]:
    """An instance of the truth; it is numbered anew, for ids that are there twice would be one instance."""
    found = _masked(item, shapes) | {"id": number, "iscrowd": int(item.flag("iscrowd"))}
    if found["category_id"] not in known:
        raise DatasetError(f"{item.where}: category {found['category_id']} is not in categories")
    found["area"] = item.number("area", 0) if item.has("area") else _area(found["segmentation"])
    return found


def _result(item: Fields, shapes: Mapping[Ident, tuple[int, int]]) -> dict[str, Any]:
    found = _masked(item, shapes) | {"score": item.number("score")}
    if item.has("bbox") and item.items("bbox"):
        box = [as_number(value) for value in item.items("bbox", length=4)]
        if None in box:
            raise DatasetError(f"{item.where}: 'bbox' is no box of four numbers")
        found["bbox"] = box
    return found


def _masked(item: Fields, shapes: Mapping[Ident, tuple[int, int]]) -> dict[str, Any]:
    image, category = item.ident("image_id"), item.whole("category_id")
    if image not in shapes:
        raise DatasetError(f"{item.where} is of image {image}, which the truth has not")
    if not item.has("segmentation"):
        raise DatasetError(f"{item.where} has no 'segmentation'; expected COCO instances with masks")
    try:
        packed = pack(item.content["segmentation"], shapes[image])
    except MaskError as error:
        raise DatasetError(f"{item.where}: {error}") from None
    return {"image_id": image, "category_id": category, "segmentation": packed}


def _area(packed: Packed) -> float:
    from pycocotools import mask as coco

    return float(coco.area(packed))


def _nothing(coco: Any) -> Any:  # noqa: ANN401 - pycocotools has no types
    from pycocotools.coco import COCO

    empty = COCO()
    empty.dataset = {**coco.dataset, "annotations": []}
    empty.createIndex()
    return empty
