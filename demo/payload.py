"""Answers of the package as what JSON can carry: to the canvas of the page, and to clients of the API."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np

from demo.evidence import Tile, file_name, tiles
from demo.session import Session
from demo.teaching import picture_of, suggestions
from knnclip.images import encode_jpeg, encode_png
from knnclip.output.colors import unknown_color, with_distinct_colors
from knnclip.output.rendering import anchor
from knnclip.output.segment_json import segment_json
from knnclip.structures import UNKNOWN, Image, Int32, Mask, Segment

Json = dict[str, Any]

EVIDENCE_PX = 160
"""Longest side of a crop beside the picture: a third of the panel on a screen of two pixels a point."""

SCREEN_PX = 1600
"""Longest side of the picture that goes with an answer: what a screen shows. All of its pixels follow when they are
looked at closely.
"""

LOSSLESS_PIXELS = 500_000
"""Pictures of at most so many pixels are shown without loss: they are enlarged, and as PNG have less than 1 MB."""

DETAIL_QUALITY = 95
"""Of JPEG, for a picture whose single pixels are looked at: its blocks are not seen then, at 2 bytes for 3 pixels."""


def answer(session: Session, *, with_picture: bool) -> Json:
    """The current answer for the canvas; ``ids`` are the segment ids of its pixels, as ``_packed`` makes them.

    ``with_picture`` adds the picture itself, which the page keeps while only its answer changes, reduced if it is
    large: ``detailed`` says whether it has all of its pixels.
    """
    picture = picture_of(session)
    segmentation = picture.segmentation
    shown = with_distinct_colors(session.segmenter.store.vocabulary())
    colors = {info.class_id: info.color for info in shown} | {UNKNOWN: unknown_color(shown)}
    message: Json = {
        "kind": "answer",
        "version": picture.version,
        "size": [segmentation.shape[1], segmentation.shape[0]],
        "ids": _packed(segmentation.panoptic),
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
        image = picture.image
        message["detailed"] = max(image.shape) <= SCREEN_PX
        message["picture"] = _shown(image) if message["detailed"] else _data_url("jpeg", encode_jpeg(image, SCREEN_PX))
    return message


def detail(session: Session) -> Json:
    """The picture with all of its pixels."""
    return {"kind": "detail", "picture": _shown(picture_of(session).image)}


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
    """What was found for a point, a box or strokes: its box, and COCO's compressed run lengths of the crop in it."""
    return {"kind": "drawn", "mask": {"box": mask.box_xyxy, "counts": mask.encode().decode()}}


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


def _packed(ids: Int32) -> str:
    """``(H, W)`` ids below 65536 as deflated runs, in base64: all lengths, then all ids, in 32 bits, row by row.

    A picture of 12 megapixels takes 0.1 s and some 200 kB, a twelfth of the time of a PNG.
    """
    flat = ids.ravel()
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    lengths = np.diff(np.append(starts, flat.size))
    runs = np.concatenate([lengths, flat[starts]]).astype("<u4")
    return base64.b64encode(zlib.compress(runs.tobytes(), 1)).decode()


def _shown(image: Image) -> str:
    """All pixels of a picture: as they are while they are few, as JPEG where that would take seconds."""
    if image.shape[0] * image.shape[1] <= LOSSLESS_PIXELS:
        return _data_url("png", encode_png(image))
    return _data_url("jpeg", encode_jpeg(image, max(image.shape), quality=DETAIL_QUALITY))


def _data_url(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
