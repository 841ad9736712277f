"""Answers of the package as what JSON can carry: to the page, and to clients of the API."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import numpy as np

from demo.session import LONGEST_PX, Session
from knnclip.images import encode_jpeg, encode_png, ids_as_rgb
from knnclip.output.colors import with_distinct_colors
from knnclip.output.rendering import anchor, evidence_crop
from knnclip.store import Store
from knnclip.structures import Evidence, Image, Mask, Segment

Json = dict[str, Any]

EVIDENCE_PX = 160
DRAWN_COLOR = (255, 255, 0, 255)


def view(session: Session, *, with_picture: bool) -> Json:
    """The picture under work and its segments, for the canvas; ``ids`` is a PNG that holds a segment id a pixel."""
    answer, analysis = session.answer, session.opened()
    if answer is None:
        raise RuntimeError("a picture under work always has an answer")
    colors = {info.class_id: info.color for info in with_distinct_colors(session.segmenter.store.vocabulary())}
    message: Json = {
        "kind": "view",
        "version": session.version,
        "size": [answer.shape[1], answer.shape[0]],
        "ids": _data_url("png", encode_png(ids_as_rgb(answer.panoptic))),
        "segments": [
            {
                **_segment(segment),
                "color": colors.get(segment.class_id),
                "share": segment.mask.area / answer.panoptic.size,
                "anchor": anchor(segment.mask),
            }
            for segment in answer.segments
        ],
    }
    if with_picture:
        message["picture"] = _data_url("jpeg", encode_jpeg(analysis.image, LONGEST_PX))
    return message


def panel(session: Session, segment: Segment) -> Json:
    """Why a segment is what it is: probabilities and stored instances, these with their pictures."""
    pictures = crops(session.segmenter.store, segment.evidence)
    evidence = explained(segment)["evidence"]
    for item, picture in zip(evidence, pictures, strict=True):
        item["picture"] = None if picture is None else _data_url("jpeg", encode_jpeg(picture, EVIDENCE_PX))
    return {"kind": "panel", **explained(segment), "evidence": evidence}


def explained(segment: Segment) -> Json:
    """A segment, its probabilities and its evidence in words and numbers."""
    return {
        **_segment(segment),
        "scores": [
            {"name": score.class_name, "base": score.base, "retrieval": score.retrieval, "final": score.final}
            for score in segment.scores
        ],
        "evidence": [
            {
                "instance": item.instance_id,
                "name": item.class_name,
                "similarity": item.similarity,
                "image": item.image_ref,
                "file": short(item.image_ref),
                "source": item.source_id,
            }
            for item in segment.evidence
        ],
    }


def summary(session: Session) -> Json:
    """The picture under work for a client of the API: its size, and where and what its segments are."""
    answer = session.answer
    if answer is None:
        raise RuntimeError("a picture under work always has an answer")
    return {
        "width_px": answer.shape[1],
        "height_px": answer.shape[0],
        "segments": [
            {**_segment(segment), "box_xyxy": segment.mask.box_xyxy, "area_px": segment.mask.area}
            for segment in answer.segments
        ],
    }


def drawn(mask: Mask) -> Json:
    """What was found for a box or scribble, as a layer over the picture."""
    layer = np.zeros((*mask.shape, 4), dtype=np.uint8)
    layer[mask.to_dense()] = DRAWN_COLOR
    return {"kind": "drawn", "mask": _data_url("png", encode_png(layer))}


def crops(store: Store, evidence: Iterable[Evidence]) -> list[Image | None]:
    """The picture of each stored instance, None where its image was stored without one."""
    items = list(evidence)
    thumbnails = store.thumbnails({item.image_ref for item in items})
    return [
        evidence_crop(item, thumbnails[item.image_ref]) if thumbnails.get(item.image_ref) else None for item in items
    ]


def short(image_ref: str) -> str:
    """The file name in an image's reference."""
    return image_ref.rsplit("/", 1)[-1].split("#")[0]


def _segment(segment: Segment) -> Json:
    return {
        "id": segment.segment_id,
        "name": segment.class_name,
        "thing": segment.is_thing,
        "decision": segment.decision,
        "confidence": segment.confidence,
    }


def _data_url(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
