"""Average precision of instance masks, by pycocotools: COCO's own implementation, not another one.

AP is the mean over IoU 0.50, 0.55, ..., 0.95 and over the classes with a true instance; 100 detections an image count.
Small, medium and large are areas below 32^2, up to 96^2 and above.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from knnclip.errors import DatasetError


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

    ``DatasetError`` if the truth is no such set or the results are of images that it does not have.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    for key in ("images", "annotations", "categories"):
        if key not in truth:
            raise DatasetError(f"the truth has no {key!r}; expected the JSON of a COCO instances set")
    known = {image["id"] for image in truth["images"]}
    for image in truth["images"]:
        if "height" not in image or "width" not in image:
            raise DatasetError(f"image {image['id']} of the truth has no height and width; expected COCO instances")
    for number, result in enumerate(predictions):
        if not isinstance(result, Mapping):
            raise DatasetError(f"result {number} is no object; expected COCO results with masks")
        if lacking := [key for key in ("image_id", "category_id", "segmentation", "score") if key not in result]:
            raise DatasetError(f"result {number} has no {lacking[0]!r}; expected COCO results with masks")
        if result["image_id"] not in known:
            raise DatasetError(f"result {number} is of image {result['image_id']}, which the truth has not")
    if not any(not annotation.get("iscrowd", 0) for annotation in truth["annotations"]):
        raise DatasetError("the truth has no instance to be found; AP is not defined")
    with contextlib.redirect_stdout(io.StringIO()):  # it reports its progress by printing
        coco = COCO()
        coco.dataset = {"info": {}, **truth}
        coco.createIndex()
        found = coco.loadRes([dict(result) for result in predictions]) if predictions else _nothing(coco)
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


def _nothing(coco: Any) -> Any:  # noqa: ANN401 - pycocotools has no types
    from pycocotools.coco import COCO

    empty = COCO()
    empty.dataset = {**coco.dataset, "annotations": []}
    empty.createIndex()
    return empty
