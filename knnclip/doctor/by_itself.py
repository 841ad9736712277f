"""FC-CLIP, for which no library exists: what can be seen of it by itself.

That its layers are those of the checkpoint is seen when it is loaded. That its figures are the original's is shown by
the tests of this package on tensors of the original, not here.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from knnclip.doctor.finding import CLASSES, Finding, regions, street, timed, vocabulary
from knnclip.networks.fcclip.card import FcClipSettings

HEIGHT_PX, WIDTH_PX = 480, 640
"""Of the picture: the size that most pictures of COCO have, which the checkpoint was trained on."""

MOST_UNIT_ERROR = 1e-3
"""Of the length of a vector in single precision."""


def compare(settings: FcClipSettings, device: str) -> Iterator[Finding]:
    """That it loads, finds masks, and gives vectors and probabilities that are some."""
    from knnclip.networks.fcclip.part import FcClip

    part = FcClip(settings, device)
    image, masks = street(HEIGHT_PX, WIDTH_PX), regions(HEIGHT_PX, WIDTH_PX)
    proposals, seconds = timed(lambda: part.generate(image))
    about = f"{len(proposals.masks)} masks; every layer of {part.network.model} is in the checkpoint"
    yield Finding("masks, without a library to compare them with", about, seconds, bool(proposals.masks))
    vectors, seconds = timed(lambda: part.encode(image, masks))
    lengths = np.linalg.norm(vectors, axis=1)
    unit = bool(np.isfinite(vectors).all() and np.abs(lengths - 1).max() <= MOST_UNIT_ERROR)
    yield Finding("vectors, without a library", f"{vectors.shape[1]} numbers each, of length 1", seconds, unit)
    base, seconds = timed(lambda: part.classify(part.describe(image, masks), vocabulary(*CLASSES)))
    probable = bool(np.isfinite(base).all() and (base >= 0).all() and (base.sum(axis=1) <= 1 + MOST_UNIT_ERROR).all())
    yield Finding("classes, without a library", f"at most {base.max():.2f} for one", seconds, probable)
