"""FC-CLIP, for which no library exists: what can be seen of it by itself, and its CLIP against open_clip.

That its layers are those of the checkpoint is seen when it is loaded. That its figures are the original's is shown by
the tests of this package on tensors of the original, not here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from knnclip.doctor.by_open_clip import published_config
from knnclip.doctor.finding import CLASSES, Finding, nearness, regions, street, timed, vocabulary
from knnclip.networks.fcclip.card import FcClipSettings
from knnclip.networks.open_clip.loading import without_weights
from knnclip.networks.prefix_tree import encode_texts
from knnclip.progress import Progress

if TYPE_CHECKING:
    from knnclip.networks.fcclip.part import FcClip

HEIGHT_PX, WIDTH_PX = 480, 640
"""Of the picture: the size that most pictures of COCO have, which the checkpoint was trained on."""

NAMES_SHA256 = "1982b2a1de45f1940e683cb2f4df00f00d8b4b9eed703cdf331db84d5433ac2b"
"""Of the names of the published training, a line each class, with commas between its names."""

PROMPT = "a photo of a car."

MOST_UNIT_ERROR = 1e-3
"""Of the length of a vector in single precision."""


def compare(settings: FcClipSettings, device: str, progress: Progress) -> Iterator[Finding]:
    """That it loads, finds masks, and gives vectors and probabilities that are some."""
    from knnclip.networks.fcclip.part import FcClip

    part = FcClip(settings, device)
    part.read_names(vocabulary(*CLASSES), progress)
    image, masks = street(HEIGHT_PX, WIDTH_PX), regions(HEIGHT_PX, WIDTH_PX)
    proposals, seconds = timed(lambda: part.generate(image))
    about = f"{len(proposals.masks)} masks; every layer of {part.network.model} is in the checkpoint"
    yield Finding("masks, without a library to compare them with", about, seconds, bool(proposals.masks))
    if settings.trained is None:
        yield _names(part)
    yield _text(part, device)
    vectors, seconds = timed(lambda: part.encode(image, masks))
    lengths = np.linalg.norm(vectors, axis=1)
    unit = bool(np.isfinite(vectors).all() and np.abs(lengths - 1).max() <= MOST_UNIT_ERROR)
    yield Finding("vectors, without a library", f"{vectors.shape[1]} numbers each, of length 1", seconds, unit)
    base, seconds = timed(lambda: part.classify(part.describe(image, masks), vocabulary(*CLASSES)))
    probable = bool(np.isfinite(base).all() and (base >= 0).all() and (base.sum(axis=1) <= 1 + MOST_UNIT_ERROR).all())
    yield Finding("classes, without a library", f"at most {base.max():.2f} for one", seconds, probable)
    if settings.distractors:
        yield Finding.one_class(part, part.describe(image, masks), part.trained)


def _names(part: FcClip) -> Finding:
    """The names decide on void, and which of alpha and beta a class gets."""
    text = "\n".join(",".join(names) for names in part.trained)
    same = hashlib.sha256(text.encode()).hexdigest() == NAMES_SHA256
    found = f"{sum(map(len, part.trained))} of {len(part.trained)} classes, {'' if same else 'not '}as published"
    return Finding("names of the training", found, 0.0, same)


def _text(part: FcClip, device: str) -> Finding:
    """The checkpoint's text tower in a model that open_clip makes as for the published weights of that name."""
    import open_clip
    import torch

    model = part.network.model
    own = without_weights(model, "cpu", bool(published_config(model, "").get("quick_gelu"))).eval()
    own.load_state_dict({name: tensor.cpu() for name, tensor in part.network.clip.state_dict().items()})
    tokens = open_clip.get_tokenizer(model)([PROMPT])
    with torch.inference_mode():
        expected = own.encode_text(tokens, normalize=True).numpy()
        vectors, seconds = timed(lambda: encode_texts(part.network.clip, tokens.to(part.device)).cpu().numpy())
    return Finding.cosine(
        "vector of a text, with open_clip's encode_text", vectors, expected, seconds, nearness(device)
    )
