"""One answer as arrays, as other libraries' data, and as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from knnclip.errors import ImageError, UsageError
from knnclip.files import path_text, write_atomically, write_json
from knnclip.images import write_png
from knnclip.output.colors import with_distinct_colors
from knnclip.output.exports import Answered, export
from knnclip.output.exports.base import Picture
from knnclip.output.exports.coco import categories, coco_annotation, coco_image
from knnclip.output.exports.table import table
from knnclip.output.rendering import overlay
from knnclip.structures import UNKNOWN, Bool, Image, Segmentation

NAMELESS = "image.png"
"""What the image of an answer is called that was given as pixels."""


def dense_masks(segmentation: Segmentation) -> Bool:
    """``(N, H, W)``: the masks of the segments, in their order."""
    masks = np.zeros((len(segmentation.segments), *segmentation.shape), dtype=bool)
    for dense, segment in zip(masks, segmentation.segments, strict=True):
        dense[segment.mask.slices] = segment.mask.crop
    return masks


def to_coco(segmentation: Segmentation) -> dict[str, Any]:
    """The named segments as COCO instances of one image."""
    picture = _picture(segmentation)
    annotations = [coco_annotation(segment, number, 1) for number, segment in enumerate(picture.objects, start=1)]
    return {
        "images": [coco_image(picture)],
        "annotations": annotations,
        "categories": categories(segmentation.vocabulary),
    }


def to_supervision(segmentation: Segmentation) -> Any:  # noqa: ANN401 - supervision need not be installed
    """The named segments as ``supervision.Detections``; ``UsageError`` where supervision is not installed."""
    try:
        import supervision
    except ImportError as error:
        raise UsageError(f"to_supervision needs the package supervision ({error}); pip install supervision") from None
    named = _picture(segmentation).objects
    if not named:
        return supervision.Detections.empty()
    return supervision.Detections(
        xyxy=np.array([segment.mask.box_xyxy for segment in named], dtype=np.float32),
        mask=np.stack([segment.mask.to_dense() for segment in named]),
        confidence=np.array([segment.confidence for segment in named], dtype=np.float32),
        class_id=np.array([segment.class_id for segment in named]),
        data={
            "class_name": np.array([segment.class_name for segment in named]),
            "segment_id": np.array([segment.segment_id for segment in named]),
        },
    )


def save(segmentation: Segmentation, path: Path, format: str | None) -> None:  # noqa: A002
    """Writes an answer, see ``Segmentation.save``."""
    if format is not None:
        if segmentation.ref is None or not Path(segmentation.ref).is_file():
            raise UsageError(
                f"{format} is written with its picture, and the answer's lies in no file; segment the path of one, "
                "or save a .json, .csv or .png"
            )
        for rejection in export([Answered(Path(segmentation.ref), segmentation.shape, segmentation)], path, [format]):
            raise ImageError(rejection.reason)
    elif path.suffix == ".json":
        write_json(path, to_coco(segmentation))
    elif path.suffix == ".csv":
        write_atomically(path, table([_picture(segmentation)]).encode())
    elif path.suffix == ".png":
        write_png(path, shown(segmentation))
    else:
        raise UsageError(
            f"{path.name} ends with none of .png (picture), .json (COCO) and .csv (table); end it so, or name a format"
        )


def shown(segmentation: Segmentation) -> Image:
    """The image under its classes with a legend below, ``(H + legend, W, 3) uint8``; white where it is not known."""
    image = segmentation.image
    if image is None:
        image = np.full((*segmentation.shape, 3), 255, dtype=np.uint8)
    return overlay(image, segmentation, with_distinct_colors(segmentation.vocabulary))


def _picture(segmentation: Segmentation) -> Picture:
    ref = path_text(segmentation.ref) if segmentation.ref else NAMELESS
    name = Path(ref).name
    named = tuple(segment for segment in segmentation.segments if segment.class_id != UNKNOWN)
    return Picture(1, name, Path(name).stem, ref, segmentation.shape, named)
