"""The encoder and classifier ``openclip`` against open_clip's own preprocessing, ``encode_image`` and zero-shot.

A crop of all of a picture is the picture, so that its vector is ``encode_image``'s. What is pooled over all of a
picture is that as well in towers that average; towers that attend pool in a way that open_clip has not, and of them the
crop alone is compared.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from knnclip.doctor.finding import CLASSES, Finding, nearness, regions, street, timed, vocabulary
from knnclip.networks.label_lists import classes_of
from knnclip.networks.open_clip.network import OpenClip, OpenClipSettings
from knnclip.progress import Progress
from knnclip.structures import Float32

if TYPE_CHECKING:
    import torch

INPUT = ("mean", "std", "interpolation", "resize_mode")
"""What open_clip's table says of the input that weights were trained with; each is an option ``image_...`` of it."""

TEMPLATES = "simple"
"""The 7 templates: what is wrong with texts shows in them as well as in 80, in a tenth of the time."""


OTHERS = ("background", "something else")
"""What stands for none of the classes where probabilities are compared: open_clip takes long for many names."""


def compare(settings: OpenClipSettings, device: str, progress: Progress) -> Iterator[Finding]:
    """The vector of a picture, and the probabilities of a few classes."""
    near = nearness(device)
    own, prepare, tokenize = _create(settings)
    side = int(np.max(own.visual.image_size))
    image = street(side, side)
    everything = regions(side, side)[:1]
    expected = _vectors(own, prepare, image)
    part = OpenClip(replace(settings, mode="crop", templates=TEMPLATES, waffle=0), device)
    vectors, seconds = timed(lambda: part.encode(image, everything))
    yield Finding.cosine("vector of a crop, with open_clip's encode_image", vectors, expected, seconds, near)
    if _averages(own.visual) and settings.mode != "crop":
        pooled = OpenClip(replace(settings, mode="pool", pixels=side * side), device)
        vectors, seconds = timed(lambda: pooled.encode(image, everything))
        yield Finding.cosine("pooled vector, with open_clip's encode_image", vectors, expected, seconds, near)
    few = OpenClip(replace(settings, mode="crop", templates=TEMPLATES, waffle=0, others=OTHERS), device)
    base, seconds = timed(lambda: few.classify(few.describe(image, everything), vocabulary(*CLASSES)))
    far = float(np.abs(np.log(base) - np.log(_zero_shot(own, tokenize, expected))).max())
    found = f"log probabilities differ by {far:.5f}, at most {near.log_probability}"
    yield Finding("classes, with open_clip's zero-shot classifier", found, seconds, far <= near.log_probability)
    listed = [names[:1] for names in classes_of(settings.others)]
    if len(listed) > len(settings.others):
        part.read_names(vocabulary(*listed), progress)
        yield Finding.one_class(part, part.describe(image, everything), listed)


def _create(settings: OpenClipSettings) -> tuple[Any, Any, Any]:
    """open_clip's model with the activation that its weights were trained with, its preprocessing and its tokenizer."""
    import open_clip

    published = published_config(settings.model, settings.pretrained)
    options: dict[str, Any] = {f"image_{key}": published[key] for key in INPUT if key in published}
    if published:
        options["force_quick_gelu"] = bool(published.get("quick_gelu"))
    source: str | None = settings.pretrained or None
    if settings.weights:
        source = str(settings.weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an activation that it forces
        own, _, prepare = open_clip.create_model_and_transforms(settings.model, pretrained=source, **options)
    return own.eval(), prepare, open_clip.get_tokenizer(settings.model)


def published_config(model: str, tag: str) -> dict[str, Any]:
    """What open_clip's table says of the published weights of this tag, or of the first; nothing where it has none."""
    import open_clip

    tags = [] if ":" in model else open_clip.list_pretrained_tags_by_model(model)
    return dict(open_clip.get_pretrained_cfg(model, tag or tags[0])) if tags else {}


def _averages(visual: Any) -> bool:  # noqa: ANN401 - open_clip's towers share no class
    """Whether the vector of a picture is a head over the mean of a convolutional map."""
    trunk = getattr(visual, "trunk", None)
    return trunk is not None and not hasattr(trunk, "blocks") and not hasattr(visual.head, "pool")


def _vectors(own: Any, prepare: Any, image: Any) -> Float32:  # noqa: ANN401
    import torch
    from PIL import Image as Pil

    with torch.inference_mode():
        found: Float32 = own.encode_image(prepare(Pil.fromarray(image))[None], normalize=True).numpy()
    return found


def _zero_shot(own: Any, tokenize: Any, vectors: Float32) -> Float32:  # noqa: ANN401
    """``(1, C)``: open_clip's probabilities of ``CLASSES`` among these and ``OTHERS``."""
    import open_clip
    import torch

    names = [*(name for (name,) in CLASSES), *OTHERS]
    with torch.inference_mode():
        weights = open_clip.build_zero_shot_classifier(own, tokenize, names, open_clip.SIMPLE_IMAGENET_TEMPLATES)
        logits: torch.Tensor = own.logit_scale.exp() * (torch.from_numpy(vectors) @ weights)
    found: Float32 = logits.softmax(dim=1).numpy()[:, : len(CLASSES)]
    return found
