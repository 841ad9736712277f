"""Pictures of results: overlays with a legend, side-by-side panels, and sheets of the evidence behind a segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from knnclip.output.colors import unknown_color
from knnclip.structures import UNKNOWN, Bool, Box, Evidence, Image, Int32, Mask, Segment, Segmentation
from knnclip.vocabulary import Color, Vocabulary

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage
    from PIL.ImageFont import FreeTypeFont, ImageFont

UNKNOWN_LABEL = "unknown"

# Okabe and Ito's colours, which colour-blind people tell apart.
RIGHT_COLOR: Color = (0, 114, 178)
WRONG_COLOR: Color = (213, 94, 0)
UNANSWERED_COLOR: Color = (240, 228, 66)
NO_TRUTH_COLOR: Color = (20, 20, 20)

OUTLINE_COLOR: Color = (255, 225, 0)
OUTLINE_SHADE: Color = (20, 20, 20)  # beside it, so that it is seen on what is bright as well

OPACITY = 0.55
"""Of colours over an image: a little more than half, so that classes are told apart and the image is still seen."""

HATCH_PX = 12
"""From one line of the hatching to the next: as dense as is still seen as lines in a picture that is shown reduced."""

MARGIN_PX = 8
"""Between panels and tiles, and around a legend."""

TILE_PX = 112
"""Side of a piece of evidence: five of them beside the segment are 728 pixels wide, which fits a page."""

MAX_LABEL = 32
"""Characters of a class name in a legend: some 200 pixels, so that it fits under a small picture."""


def class_colors(semantic: Int32, vocabulary: Vocabulary) -> Image:
    """``(H, W, 3) uint8``: each pixel in the colour of its class id, ``unknown_color`` for UNKNOWN.

    ``semantic``: ``(H, W)`` class ids, as a ``Segmentation`` has them; all of them in the vocabulary.
    """
    table = np.zeros((int(max([UNKNOWN, *vocabulary.class_ids])) + 1, 3), dtype=np.uint8)
    table[UNKNOWN] = unknown_color(vocabulary)
    for info in vocabulary:
        table[info.class_id] = info.color
    return table[semantic]


def overlay(
    image: Image,
    segmentation: Segmentation,
    vocabulary: Vocabulary,
    *,
    opacity: float = OPACITY,
    unknown: str = UNKNOWN_LABEL,
) -> Image:
    """The image under its classes, with a legend of those present below: ``(H + legend, W, 3) uint8``.

    ``image``: ``(H, W, 3) uint8``, of which ``segmentation`` is the answer; ``vocabulary``: the classes in the colours
    to use, see ``with_distinct_colors``. Colours are blended with ``opacity`` in [0, 1], what is unknown is hatched,
    borders between segments are white. ``unknown`` is what the legend calls the pixels without a class.
    """
    colors = class_colors(segmentation.semantic, vocabulary)
    blended = (image * (1.0 - opacity) + colors * opacity).round().astype(np.uint8)
    ys, xs = np.indices(segmentation.shape, sparse=True)
    hatched = (segmentation.semantic == UNKNOWN) & ((ys + xs) % HATCH_PX < 2)
    blended[hatched] = 235
    blended[_borders(segmentation.panoptic)] = 255
    return _stack([blended, legend(segmentation.semantic, vocabulary, width_px=image.shape[1], unknown=unknown)])


def error_map(image: Image, truth: Int32, answer: Int32) -> Image:
    """``(H, W, 3) uint8``: the image in grey, blue where the answer is right, red where it is wrong, yellow where
    nothing was answered, and dark where the truth says nothing. ``(H, W)`` class indices, -1 for nothing.
    """
    kind = np.where(truth < 0, 0, np.where(answer < 0, 1, np.where(answer == truth, 2, 3)))
    colors = np.array([NO_TRUTH_COLOR, UNANSWERED_COLOR, RIGHT_COLOR, WRONG_COLOR], dtype=np.float64)
    grey = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
    blended: Image = ((1.0 - OPACITY) * grey + OPACITY * colors[kind]).round().astype(np.uint8)
    return blended


def legend(semantic: Int32, vocabulary: Vocabulary, *, width_px: int, unknown: str = UNKNOWN_LABEL) -> Image:
    """The classes of a map by falling area, each with its colour and its share of the pixels: ``(h, width_px, 3)``.

    ``semantic``: ``(H, W)`` class ids; ``unknown``: what the pixels without a class are called.
    """
    ids, counts = np.unique(semantic, return_counts=True)
    entries = []
    for place in np.argsort(-counts, kind="stable").tolist():
        class_id, share = int(ids[place]), counts[place] / semantic.size
        info = None if class_id == UNKNOWN else vocabulary.by_id(class_id)
        name, color = (unknown, unknown_color(vocabulary)) if info is None else (info.name, info.color)
        entries.append((f"{shorten(name)} {share:.0%}", color))
    return _legend_rows(entries, width_px)


def side_by_side(panels: Sequence[tuple[str, Image]]) -> Image:
    """Titled pictures, ``(H, W, 3) uint8`` of any sizes, side by side on white: ``(h, w, 3) uint8``."""
    from PIL import Image as Pil
    from PIL import ImageDraw

    font, title_px = _font(15), 26
    height = max(panel.shape[0] for _, panel in panels) + title_px
    width = sum(panel.shape[1] for _, panel in panels) + MARGIN_PX * (len(panels) - 1)
    canvas = Pil.new("RGB", (width, height), "white")
    draw, x = ImageDraw.Draw(canvas), 0
    for title, panel in panels:
        draw.text((x + 4, 4), title, fill="black", font=font)
        canvas.paste(Pil.fromarray(panel), (x, title_px))
        x += panel.shape[1] + MARGIN_PX
    return np.asarray(canvas)


def anchor(mask: Mask) -> tuple[int, int]:
    """``(x, y)``: the pixel of a mask that is farthest from its border, where a label is read best."""
    import cv2

    distance = cv2.distanceTransform(np.pad(mask.crop, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    y, x = np.unravel_index(int(distance.argmax()), distance.shape)
    return mask.box_xyxy[0] + int(x), mask.box_xyxy[1] + int(y)


def evidence_crop(item: Evidence, thumbnail: bytes, outline: Mask) -> Image:
    """The surroundings of a stored instance, ``(h, w, 3) uint8``, cut from its image's JPEG thumbnail.

    ``outline`` is the instance's mask, in the pixels of its image: a yellow line is drawn around it, on a dark one.
    """
    from PIL import Image as Pil

    crop, box = _stored_crop(item, thumbnail)
    inside = Pil.fromarray(outline.to_dense()).resize((crop.width, crop.height), Pil.Resampling.NEAREST, box=box)
    marked: Image = np.array(crop)
    dense = np.asarray(inside)
    marked[_grown(dense, 2) & ~_grown(dense, 1)] = OUTLINE_SHADE
    marked[_grown(dense, 1) & ~dense] = OUTLINE_COLOR
    return marked


def evidence_sheet(image: Image, segment: Segment, thumbnails: Mapping[str, bytes], *, columns: int = 5) -> Image:
    """A segment beside the stored instances that decided it, each with its similarity, class and image.

    ``image``: ``(H, W, 3) uint8``, whose answer has the segment; ``columns``: so many tiles of evidence a line, two
    lines at most. ``thumbnails``: image reference -> JPEG, as ``Store.thumbnails`` gives them; without one a tile is
    left blank.
    """
    from PIL import Image as Pil
    from PIL import ImageDraw, ImageOps

    shown = segment.evidence[: 2 * columns]
    font, line_px = _font(11), 15
    tile_height = TILE_PX + 3 * line_px
    rows = -(-len(shown) // columns)
    width = (columns + 1) * (TILE_PX + MARGIN_PX) + MARGIN_PX
    canvas = Pil.new("RGB", (width, max(rows, 1) * (tile_height + MARGIN_PX) + MARGIN_PX), "white")
    draw = ImageDraw.Draw(canvas)

    def tile(place: tuple[int, int], picture: PilImage | None, lines: Sequence[str]) -> None:
        x, y = place
        draw.rectangle((x, y, x + TILE_PX, y + TILE_PX), fill=(238, 238, 238))
        if picture is not None:
            picture = ImageOps.contain(picture, (TILE_PX, TILE_PX))  # a piece of a few pixels is enlarged
            canvas.paste(picture, (x + (TILE_PX - picture.width) // 2, y + (TILE_PX - picture.height) // 2))
        for i, line in enumerate(lines):
            draw.text((x, y + TILE_PX + 2 + i * line_px), shorten(line, 18), fill="black", font=font)

    outlined = image.copy()
    outlined[_borders(segment.mask.to_dense().astype(np.int32))] = (255, 0, 0)
    name = segment.class_name or UNKNOWN_LABEL
    drawn = Pil.fromarray(outlined)
    crop = drawn.crop(_with_margin(drawn, segment.mask.box_xyxy))
    tile((MARGIN_PX, MARGIN_PX), crop, [name, f"P = {segment.confidence:.2f}", segment.decision])
    for i, item in enumerate(shown):
        row, column = divmod(i, columns)
        place = ((column + 1) * (TILE_PX + MARGIN_PX) + MARGIN_PX, row * (tile_height + MARGIN_PX) + MARGIN_PX)
        jpeg = thumbnails.get(item.image_ref)
        picture = _stored_crop(item, jpeg)[0] if jpeg else None
        tile(place, picture, [item.class_name, f"similarity {item.similarity:.2f}", item.image_ref.rsplit("/", 1)[-1]])
    return np.asarray(canvas)


def shorten(text: str, length: int = MAX_LABEL) -> str:
    """The text on one line of at most ``length`` characters, its middle replaced by an ellipsis if it is longer."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length // 2]}…{line[-(length - length // 2 - 1) :]}"


def _borders(labels: Int32) -> Bool:
    borders = np.zeros(labels.shape, dtype=bool)
    borders[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    borders[1:] |= labels[1:] != labels[:-1]
    return borders


def _grown(mask: Bool, radius_px: int) -> Bool:
    """The pixels within so many steps, up, down, left and right, of a mask's."""
    from scipy import ndimage

    grown: Bool = ndimage.binary_dilation(mask, iterations=radius_px)
    return grown


def _stored_crop(item: Evidence, thumbnail: bytes) -> tuple[PilImage, tuple[float, float, float, float]]:
    """The surroundings of a stored instance, and where in its image they lie."""
    from PIL import Image as Pil

    whole = Pil.open(BytesIO(thumbnail)).convert("RGB")
    scale = whole.width / item.image_width_px
    x0, y0, x1, y1 = (round(edge * scale) for edge in item.box_xyxy)
    box = _with_margin(whole, (x0, y0, x1, y1))
    wide, high = item.image_width_px / whole.width, item.image_height_px / whole.height
    return whole.crop(box), (box[0] * wide, box[1] * high, box[2] * wide, box[3] * high)


def _with_margin(picture: PilImage, box_xyxy: Box) -> Box:
    """The box with a margin of a quarter of its longer side, as far as the picture reaches."""
    x0, y0, x1, y1 = box_xyxy
    pad = max(4, max(x1 - x0, y1 - y0) // 4)
    return max(x0 - pad, 0), max(y0 - pad, 0), min(x1 + pad, picture.width), min(y1 + pad, picture.height)


def _legend_rows(entries: Sequence[tuple[str, Color]], width_px: int) -> Image:
    from PIL import Image as Pil
    from PIL import ImageDraw

    font, swatch_px, row_px = _font(13), 12, 20
    x, y, places = MARGIN_PX, 4, []
    for text, color in entries:
        entry_px = swatch_px + 6 + int(font.getlength(text)) + 14
        if x > MARGIN_PX and x + entry_px > width_px:
            x, y = MARGIN_PX, y + row_px
        places.append((x, y, text, color))
        x += entry_px
    canvas = Pil.new("RGB", (width_px, y + row_px + 4), "white")
    draw = ImageDraw.Draw(canvas)
    for x, y, text, color in places:
        draw.rectangle((x, y + 3, x + swatch_px, y + 3 + swatch_px), fill=color, outline="black")
        draw.text((x + swatch_px + 6, y), text, fill="black", font=font)
    return np.asarray(canvas)


def _stack(panels: Sequence[Image]) -> Image:
    return np.concatenate(panels, axis=0)


def _font(size_px: int) -> FreeTypeFont | ImageFont:
    from PIL import ImageFont as Fonts

    return Fonts.load_default(size_px)
