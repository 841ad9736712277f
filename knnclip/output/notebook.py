"""An answer as a notebook shows it."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import replace
from html import escape

import numpy as np

from knnclip.files import path_text
from knnclip.images import encode_jpeg, reduce_image, reduced_size
from knnclip.output.colors import with_distinct_colors
from knnclip.output.conversion import shown
from knnclip.output.rendering import UNKNOWN_COLOR, UNKNOWN_LABEL, shorten
from knnclip.structures import UNKNOWN, Segment, Segmentation
from knnclip.vocabulary import Color

WIDEST_PX = 800
"""Longest side of the picture: what a notebook's column shows, in 100 to 300 kB."""

ROWS = 12
"""Segments in the table, the largest of them: what is seen at a glance; an answer may have hundreds."""

HEADS = ("", "class", "confidence", "area", "decided by", "nearest stored instance")


def html(segmentation: Segmentation) -> str:
    """The picture under its classes with a legend, and a table of the largest segments, as HTML."""
    picture = shown(reduced(segmentation, WIDEST_PX))
    jpeg = base64.b64encode(encode_jpeg(picture, max(picture.shape[:2]))).decode("ascii")
    colors = {info.class_id: info.color for info in with_distinct_colors(segmentation.vocabulary)}
    largest = sorted(segmentation.segments, key=lambda segment: -segment.mask.area)[:ROWS]
    pixels = segmentation.semantic.size
    rows = [_row("th", HEADS)]
    rows += [_row("td", _cells(segment, pixels, colors.get(segment.class_id, UNKNOWN_COLOR))) for segment in largest]
    more = len(segmentation.segments) - len(largest)
    note = f"<p>and {more} smaller segments</p>" if more else ""
    return (
        f'<div><img alt="the picture under its classes" src="data:image/jpeg;base64,{jpeg}"/>'
        f"<table>{''.join(rows)}</table>{note}</div>"
    )


def reduced(segmentation: Segmentation, longest_px: int) -> Segmentation:
    """The maps and the image of an answer, its longer side at most so long; its segments stay as they are."""
    given = segmentation.shape
    if (shape := reduced_size(given, longest_px)) == given:
        return segmentation
    kept = np.ix_(*(np.arange(size) * whole // size for size, whole in zip(shape, given, strict=True)))
    return replace(
        segmentation,
        semantic=segmentation.semantic[kept],
        panoptic=segmentation.panoptic[kept],
        confidence=segmentation.confidence[kept],
        image=None if segmentation.image is None else reduce_image(segmentation.image, longest_px),
    )


def _cells(segment: Segment, pixels: int, color: Color) -> Iterable[str]:
    swatch = f'<span style="background:#{bytes(color).hex()};padding:0 .6em">&nbsp;</span>'
    name = UNKNOWN_LABEL if segment.class_id == UNKNOWN else str(segment.class_name)
    nearest = ""
    if segment.evidence:
        item = segment.evidence[0]
        nearest = f"{shorten(item.class_name)}, {shorten(path_text(item.image_ref))} ({item.similarity:.2f})"
    share = f"{segment.mask.area / pixels:.1%}"
    texts = (shorten(name), f"{segment.confidence:.0%}", share, segment.decision, nearest)
    return swatch, *map(escape, texts)


def _row(kind: str, cells: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<{kind}>{cell}</{kind}>' for cell in cells)}</tr>"
