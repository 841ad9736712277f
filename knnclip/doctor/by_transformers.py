"""The generator and classifier ``universal`` against transformers' own image segmentation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnclip.doctor.finding import Finding, street, timed
from knnclip.networks.universal import UniversalSegmenter, UniversalSettings

HEIGHT_PX, WIDTH_PX = 480, 640
"""Of the picture: smaller than the copy that the part works on, so that nothing is resized but by the processor."""

SAME_LABEL = 0.85
"""Share of the part's cells, 4 x 4 px, that have transformers' label, where all its pixels have the same. The part may
show the network a larger image than the file of its preprocessing says, which moves borders and changes the labels of
small things; a list of names that is shifted, or another picture, leaves next to nothing."""


def compare(settings: UniversalSettings, device: str) -> Iterator[Finding]:
    """The label of each cell by its name, and that there are masks.

    The scores of the labels are sums over the masks of the queries, so that these are in the comparison; transformers'
    panoptic segments, where masks compete for pixels, are another thing than masks.
    """
    from PIL import Image as Pil
    from transformers import pipeline

    image = street(HEIGHT_PX, WIDTH_PX)
    part = UniversalSegmenter(settings, device)
    library = pipeline("image-segmentation", model=settings.model, device="cpu")
    probabilities, seconds = timed(lambda: part.probabilities(image))
    labelled = library(Pil.fromarray(image), subtask="semantic")
    same = _same(probabilities.argmax(axis=0), _places(labelled, part.labels))
    found = f"the same at {same:.1%} of the cells, at least {SAME_LABEL:.0%}"
    yield Finding("labels by name, with transformers' image-segmentation pipeline", found, seconds, same >= SAME_LABEL)
    proposals, seconds = timed(lambda: part.generate(image))
    yield Finding("masks", f"{len(proposals.masks)} from the same forward pass", seconds, bool(proposals.masks))


def _places(labelled: Sequence[dict[str, Any]], labels: Sequence[tuple[str, ...]]) -> NDArray[np.int64]:
    """``(H, W)``: the place in ``labels`` of the name that transformers gives to each pixel, -1 for none of them."""
    places = {name: place for place, names in enumerate(labels) for name in names}
    found: NDArray[np.int64] = np.full((HEIGHT_PX, WIDTH_PX), -1, dtype=np.int64)
    for each in labelled:
        names = [name.strip() for name in each["label"].split(",")]
        found[np.asarray(each["mask"]) > 0] = next((places[name] for name in names if name in places), -1)
    return found


def _same(own: NDArray[np.int64], expected: NDArray[np.int64]) -> float:
    """The share of ``(h, w)`` cells that say what all their pixels say, of the cells whose pixels agree."""
    height, width = own.shape
    cells = expected.reshape(height, HEIGHT_PX // height, width, WIDTH_PX // width)
    first = cells[:, 0, :, 0]
    uniform = (cells == first[:, None, :, None]).all(axis=(1, 3))
    return float((own == first)[uniform].mean()) if uniform.any() else 0.0
