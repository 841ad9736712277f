"""The generator and classifier ``universal`` against transformers' own image segmentation.

Both show the network the input that the part makes (``UniversalInput``): transformers' own would be that of the
preprocessor's file, whose size is often not that of the training. That the part's is that of the training is a finding
of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnclip.doctor.finding import CLASSES, Finding, street, timed
from knnclip.networks.label_lists import NAMELESS
from knnclip.networks.names import LabelIndex
from knnclip.networks.universal import UniversalSegmenter, UniversalSettings
from knnclip.networks.universal_input import PADDED_TO_PX, TRAINED_PX, UniversalInput
from knnclip.progress import Progress
from knnclip.structures import Float32

SAME_LABEL = 0.97
"""Share of the surest cells, 4 x 4 px, that have transformers' label, where all its pixels have the same. Transformers
brings every map to 384 x 384 on its way, which moves borders by a pixel or two; a list of names that is shifted, or
another picture, leaves next to nothing."""

SUREST = 0.5
"""Share of the cells that are asked: those whose label is farthest ahead of the next. Networks that are not trained,
and borders, have cells between two labels, which rounding decides."""

COCO_PANOPTIC = 133
"""Labels of networks that know COCO panoptic's classes, and so all that the street shows."""

ASPECT = 4 / 3
"""Width to height of the picture: neither a square, in which wrong proportions would not show, nor a panorama."""

LONGEST_PX = 704
"""Of the picture, at most: smaller than the copy that the part works on, so that nothing is resized but by the
processor, and that half of the largest usual input, 800 x 1333, is not made smaller still."""


def compare(settings: UniversalSettings, device: str, _: Progress) -> Iterator[Finding]:
    """The size of the input, the names of the labels, the label of each cell by its name, and that there are masks.

    The scores of the labels are sums over the masks of the queries, so that these are in the comparison; transformers'
    panoptic segments, where masks compete for pixels, are another thing than masks.
    """
    from PIL import Image as Pil
    from transformers import pipeline
    from transformers.image_utils import SizeDict

    part = UniversalSegmenter(replace(settings, task="semantic"), device)  # which the pipeline asks a OneFormer for
    yield _size(part)
    yield names(part.labels)
    image = street(*_shape(part.input))
    library = pipeline("image-segmentation", model=settings.model, device="cpu")
    library.image_processor.size = SizeDict(**part.input.size)
    probabilities, seconds = timed(lambda: part.probabilities(image))
    labelled = library(Pil.fromarray(image), subtask="semantic")
    same = _same(probabilities, _places(labelled, image.shape[:2], part.labels))
    found = f"the same at {same:.1%} of the surest cells, at least {SAME_LABEL:.0%}"
    yield Finding("labels by name, with transformers' image-segmentation pipeline", found, seconds, same >= SAME_LABEL)
    proposals, seconds = timed(lambda: part.generate(image))
    yield Finding("masks", f"{len(proposals.masks)} from the same forward pass", seconds, bool(proposals.masks))


def _size(part: UniversalSegmenter) -> Finding:
    """Networks with the labels of the published ones were trained on pictures in their own proportions."""
    size = part.input.size
    said = " x ".join(str(side) for side in sorted(size.values()))
    kept = "shortest_edge" in size
    found = f"{said} px, {'pictures keep' if kept else 'whatever'} their proportions"
    return Finding("size of the input", found, 0.0, kept or len(part.labels) not in TRAINED_PX)


def names(labels: Sequence[tuple[str, ...]]) -> Finding:
    """That labels are names, and that the classes of the street meet theirs where these are COCO panoptic's."""
    if any(NAMELESS.fullmatch(name) for label in labels for name in label):
        return Finding("names of the labels", f"{labels[0][0]}, ...: no class will ever meet them", 0.0, False)
    index = LabelIndex.of(tuple(labels))
    met = [name for (name,) in CLASSES if index.meeting([name])]
    found = f"{len(labels)} labels; {', '.join(met) or 'none'} of {', '.join(name for (name,) in CLASSES)} meet one"
    return Finding("names of the labels", found, 0.0, len(met) == len(CLASSES) or len(labels) != COCO_PANOPTIC)


def _shape(form: UniversalInput) -> tuple[int, int]:
    """Height and width of a picture that is resized by a power of two and then needs no padding.

    Transformers' pipeline takes the padding of Mask2Former's input for a part of the picture.
    """
    short = min(form.size.values())
    width = min(max(form.size.values()) if len(form.size) > 1 else 2 * short, _padded(ASPECT * short))
    height = min(short, _padded(width / ASPECT))
    while width > LONGEST_PX:
        height, width = height // 2, width // 2
    return height, width


def _padded(side: float) -> int:
    return round(side / PADDED_TO_PX) * PADDED_TO_PX


def _places(
    labelled: Sequence[dict[str, Any]], shape: tuple[int, ...], labels: Sequence[tuple[str, ...]]
) -> NDArray[np.int64]:
    """``(H, W)``: the place in ``labels`` of the name that transformers gives to each pixel, -1 for none of them."""
    places = {name: place for place, names in enumerate(labels) for name in names}
    found: NDArray[np.int64] = np.full(shape, -1, dtype=np.int64)
    for each in labelled:
        names = [name.strip() for name in each["label"].split(",")]
        found[np.asarray(each["mask"]) > 0] = next((places[name] for name in names if name in places), -1)
    return found


def _same(probabilities: Float32, expected: NDArray[np.int64]) -> float:
    """The share of the surest cells of ``(L, h, w)`` that say what all their pixels say, where these agree."""
    _, height, width = probabilities.shape
    cells = expected.reshape(height, expected.shape[0] // height, width, expected.shape[1] // width)
    first = cells[:, 0, :, 0]
    second, best = np.sort(probabilities, axis=0)[-2:]
    ahead = np.divide(best - second, best, out=np.zeros_like(best), where=best > 0)
    uniform = (cells == first[:, None, :, None]).all(axis=(1, 3)) & (ahead > 0)
    if not uniform.any():
        return 0.0
    sure = uniform & (ahead >= np.quantile(ahead[uniform], 1 - SUREST))
    return float((probabilities.argmax(axis=0) == first)[sure].mean())
