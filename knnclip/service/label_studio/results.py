"""Regions of Label Studio: segments as its results, and what people drew as masks with names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from knnclip.datasets.polygons import mask_from_polygons
from knnclip.errors import InputError
from knnclip.fields import Fields
from knnclip.output.exports.outlines import joined, outlines
from knnclip.service.label_studio import brush
from knnclip.service.label_studio.config import LabelConfig
from knnclip.structures import Mask, Segment, Segmentation
from knnclip.vocabulary import Vocabulary

Json = dict[str, Any]

MOST_REGIONS = 5000
"""Of one annotation: more than anybody draws in a picture."""

Drawn = list[tuple[Mask, str]]
"""Masks with the names of their classes."""


def predicted(answer: Segmentation, config: LabelConfig) -> Json:
    """A prediction: a region for each segment whose class is a label, by its own name or a synonym.

    Its score is the mean of the segments' confidences, each by its area, for the order in which tasks are labelled.
    """
    label_of = labels_by_class(answer.vocabulary, config)
    named = [segment for segment in answer.segments if segment.class_id in label_of]
    results = [one for segment in named for one in _results(segment, label_of[segment.class_id], config)]
    areas = [segment.mask.area for segment in named]
    score = float(np.average([segment.confidence for segment in named], weights=areas)) if named else 0.0
    return {"result": results, "score": score}


def labels_by_class(vocabulary: Vocabulary, config: LabelConfig) -> Mapping[int, str]:
    """Class id -> the label that means it; labels that no class has are left out."""
    found = ((vocabulary.find(label), label) for label in reversed(config.control.labels))
    return {info.class_id: label for info, label in found if info is not None}


def _results(segment: Segment, label: str, config: LabelConfig) -> list[Json]:
    control, (height, width) = config.control, segment.mask.shape
    if control.kind == "brushlabels":
        values: list[Json] = [{"format": "rle", "rle": brush.encode(segment.mask)}]
    else:
        # Label Studio measures in hundredths of the sides. A hole is reached by a seam from the border around it.
        scale = np.array([100 / width, 100 / height])
        rings = [joined([piece.outer, *piece.holes]) for piece in outlines(segment.mask)]
        values = [{"points": (ring * scale).tolist(), "closed": True} for ring in rings]
    return [
        {
            "id": f"knnclip-{segment.segment_id}-{number}",
            "from_name": control.name,
            "to_name": config.image_name,
            "type": control.kind,
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "score": segment.confidence,
            "value": {**value, control.kind: [label]},
        }
        for number, value in enumerate(values)
    ]


def drawn(result: object, shape: tuple[int, int]) -> Drawn:
    """What people drew in a picture of ``(H, W)``: brushes, polygons and rectangles with one label each.

    Several regions of one label stay several. Results of other kinds (a choice, a text) say nothing of pixels.
    ``InputError`` and ``MaskError`` for what is none, or was drawn in a picture of another size.
    """
    if not isinstance(result, list) or len(result) > MOST_REGIONS:
        raise InputError(f"annotation: expected a list of at most {MOST_REGIONS:,} results")
    found: Drawn = []
    for number, one in enumerate(result):
        fields = Fields.of(one, f"result[{number}]")
        kind = fields.content.get("type")
        if kind not in ("brushlabels", "polygonlabels", "rectanglelabels"):
            continue
        value = fields.fields("value")
        labels = value.content.get(str(kind))
        if not isinstance(labels, list) or not labels:
            continue  # drawn, and not named yet
        name = Fields({"label": labels[0]}, value.where).name("label")
        found.append((_mask(str(kind), fields, value, shape), name))
    return found


def _mask(kind: str, fields: Fields, value: Fields, shape: tuple[int, int]) -> Mask:
    height, width = shape
    size = (fields.whole("original_height"), fields.whole("original_width"))
    if size != shape:
        raise InputError(f"{fields.where}: drawn in {size[1]}x{size[0]} px, the picture has {width}x{height} px")
    if kind == "brushlabels":
        return brush.decode(value.content.get("rle"), shape)
    if fields.has("image_rotation") and fields.number("image_rotation") % 360 != 0:
        raise InputError(f"{fields.where}: was drawn in a turned picture; turn it back in Label Studio")
    if kind == "polygonlabels":
        corners = []
        for point in value.items("points"):
            x, y = Fields({"point": point}, value.where).items("point", 2)
            pair = Fields({"x": x, "y": y}, value.where)
            corners += [pair.number("x", -400, 500) * width / 100, pair.number("y", -400, 500) * height / 100]
        return mask_from_polygons([corners], shape)
    if value.has("rotation") and value.number("rotation") % 360 != 0:
        raise InputError(f"{fields.where}: a turned rectangle is no box; draw a polygon")
    x0, y0 = value.number("x") * width / 100, value.number("y") * height / 100
    x1, y1 = x0 + value.number("width") * width / 100, y0 + value.number("height") * height / 100
    return mask_from_polygons([[x0, y0, x1, y0, x1, y1, x0, y1]], shape)
