"""From embeddings and class names to probabilities: FC-CLIP's two classifiers and their geometric ensemble.

Section 3.3 of arXiv 2308.02487. A class is a tuple of synonyms, each of them a row of the text classifier; the last row
is the learned void. Logits of a class are the maximum over its synonyms.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate

import torch
from torch.nn.functional import normalize

from knnclip.networks.fcclip.card import ALPHA, BETA

TEMPLATES = (
    "a photo of a {}.",
    "This is a photo of a {}",
    "There is a {} in the scene",
    "There is the {} in the scene",
    "a photo of a {} in the scene",
    *(text.format(size=size, name="{}") for text in (
        "a photo of a {size} {name}.", "This is a photo of a {size} {name}.", "There is a {size} {name} in the scene.",
    ) for size in ("small", "medium", "large")),
)  # fmt: skip
"""The 14 prompts in the style of ViLD that FC-CLIP asks with."""

MAX_SCALE = 100.0
"""Most that cosines are multiplied with, as CLIP was trained (arXiv 2103.00020, section 2.5)."""


def logits(
    embeddings: torch.Tensor, rows: torch.Tensor, synonyms: Sequence[int], logit_scale: torch.Tensor
) -> torch.Tensor:
    """``(N, C + 1)``: scaled cosines of ``(N, E)`` embeddings with C classes, void last.

    ``rows`` ``(R + 1, E)`` are of unit length; class i has ``synonyms[i]`` of the first R, in order.
    """
    scale = logit_scale.exp().clamp(max=MAX_SCALE)
    cosines = scale * normalize(embeddings, dim=-1) @ rows.T
    ends = list(accumulate(synonyms))
    best = [cosines[:, end - count : end].amax(dim=1) for count, end in zip(synonyms, ends, strict=True)]
    return torch.stack([*best, cosines[:, -1]], dim=1)


def ensemble(
    inside: torch.Tensor,
    outside: torch.Tensor,
    seen: torch.Tensor,
    alpha: float = ALPHA,
    beta: float = BETA,
    valid: torch.Tensor | None = None,
) -> torch.Tensor:
    """``(N, C + 1)``: probabilities of the classes and, last, of void.

    ``inside`` and ``outside`` ``(N, C + 1)`` are the logits of the trained head and of CLIP, ``seen`` ``(C,)`` tells
    the classes that training saw. Where ``valid`` ``(N,)`` is given and false CLIP has no say. Void is the trained
    head's.
    """
    share = torch.where(seen, alpha, beta).to(inside)[None]
    if valid is not None:
        share = share * valid[:, None]
    mixed = (1 - share) * inside[:, :-1].log_softmax(dim=1) + share * outside[:, :-1].log_softmax(dim=1)
    void = inside.softmax(dim=1)[:, -1:]
    return torch.cat([mixed.softmax(dim=1) * (1 - void), void], dim=1)


def seen_in_training(classes: Sequence[Iterable[str]], trained: Sequence[Iterable[str]]) -> torch.Tensor:
    """``(C,)``: whether a class shares a name with a class of the training, as text, letter by letter."""
    known = {name for names in trained for name in names}
    return torch.tensor([not known.isdisjoint(names) for names in classes], dtype=torch.bool)
