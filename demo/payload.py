"""Answers of the package as what JSON can carry: to the canvas of the page, and to clients of the API."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from demo.evidence import Tile, file_name, tiles
from demo.session import Session
from demo.teaching import LONGEST_PX, picture_of, suggestions
from knnclip.images import encode_jpeg, encode_png, ids_as_rgb
from knnclip.output.colors import unknown_color, with_distinct_colors
from knnclip.output.rendering import anchor
from knnclip.output.segment_json import segment_json
from knnclip.structures import UNKNOWN, Mask, Segment

Json = dict[str, Any]

EVIDENCE_PX = 160
"""Longest side of a crop beside the picture: a third of the panel on a screen of two pixels a point."""

DRAWN_COLOR = (255, 255, 0, 255)
"""RGBA of what was drawn: a yellow that the strokes on the canvas have as well."""


def answer(session: Session, *, with_picture: bool) -> Json:
    """The current answer for the canvas; ``ids`` is a PNG that holds a segment id a pixel.

    ``with_picture`` adds the picture itself, which the page keeps while only its answer changes.
    """
    picture = picture_of(session)
    segmentation = picture.segmentation
    shown = with_distinct_colors(session.segmenter.store.vocabulary())
    colors = {info.class_id: info.color for info in shown} | {UNKNOWN: unknown_color(shown)}
    message: Json = {
        "kind": "answer",
        "version": picture.version,
        "size": [segmentation.shape[1], segmentation.shape[0]],
        "ids": _data_url("png", encode_png(ids_as_rgb(segmentation.panoptic))),
        "segments": [
            {
                **segment_json(segment, explained=False),
                "color": colors.get(segment.class_id),
                "share": segment.mask.area / segmentation.panoptic.size,
                "anchor": anchor(segment.mask),
            }
            for segment in segmentation.segments
        ],
    }
    if with_picture:
        message["picture"] = _data_url("jpeg", encode_jpeg(picture.analysis.image, LONGEST_PX))
    return message


def explanation(session: Session, segment: Segment) -> Json:
    """Why a segment is what it is, for the panel of the page: the stored instances come with their pictures."""
    return {
        "kind": "explanation",
        **segment_json(segment),
        "tiles": [_tile(tile) for tile in tiles(session.segmenter.store, segment)],
        "suggestions": [found.name for found in suggestions(session, segment)],
    }


def summary(session: Session) -> Json:
    """The current answer for a client of the API: the picture's size, and what and where its segments are."""
    segmentation = picture_of(session).segmentation
    return {
        "width_px": segmentation.shape[1],
        "height_px": segmentation.shape[0],
        "segments": [segment_json(segment, explained=False) for segment in segmentation.segments],
    }


def drawn(mask: Mask) -> Json:
    """What was found for a point, a box or strokes, as a layer over the picture."""
    layer = np.zeros((*mask.shape, 4), dtype=np.uint8)
    layer[mask.to_dense()] = DRAWN_COLOR
    return {"kind": "drawn", "mask": _data_url("png", encode_png(layer))}


def _tile(tile: Tile) -> Json:
    item, picture = tile.nearest, tile.picture
    return {
        "instance_id": item.instance_id,
        "class": item.class_name,
        "similarity": item.similarity,
        "file": file_name(item.image_ref),
        "source_id": item.source_id,
        "teaching": tile.is_teaching,
        "regions": tile.regions,
        "picture": None if picture is None else _data_url("jpeg", encode_jpeg(picture, EVIDENCE_PX)),
    }


def _data_url(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
