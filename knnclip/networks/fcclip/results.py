"""Scores and masks -> semantic, panoptic and instance results, as FC-CLIP's own evaluation makes them.

It is what the published figures were measured with. ``knnclip.decision.assembly`` does not replace it: there masks vote
for pixels together with the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import interpolate

OBJECT_THRESHOLD = 0.0
"""Least probability of a query's class, as in FC-CLIP's config: none is left out for it."""

OVERLAP_THRESHOLD = 0.8
"""Share of its own mask that a query must win to be a segment; as in FC-CLIP's and Mask2Former's configs."""

SCORES_AT_ONCE = 32_000_000
"""Of masks and classes at pixels that are in memory at a time: 128 MB. ADE20K's 847 classes at its largest pictures
would be 20 GB; smaller strips of a picture make more and smaller calls."""

BEST_INSTANCES = 100
"""Instances of an image, at most: what COCO's AP counts."""


@dataclass(frozen=True)
class PanopticSegment:
    """One segment of a panoptic result."""

    segment_id: int  # its value in the map, from 1
    category: int  # the class, from 0
    is_thing: bool


@dataclass(frozen=True)
class Instances:
    """I instances by falling score."""

    scores: torch.Tensor  # (I,) in [0, 1]
    categories: torch.Tensor  # (I,) int64
    masks: torch.Tensor  # (I, H, W) bool


def mask_logits(
    masks: torch.Tensor, padded: Sequence[int], unpadded: Sequence[int], out: Sequence[int]
) -> torch.Tensor:
    """``(Q, h, w)`` logits -> ``(Q, H, W)``: enlarged to the padded input, its padding cut off, at the output size."""
    full = interpolate(masks[None], size=tuple(padded), mode="bilinear", align_corners=False)
    inside = full[:, :, : unpadded[0], : unpadded[1]]
    return interpolate(inside, size=tuple(out), mode="bilinear", align_corners=False)[0]


def semantic(probabilities: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """``(C, H, W)``: the sum over queries of class probability times mask probability; void, the last, left out."""
    return torch.einsum("qc,qhw->chw", probabilities[:, :-1], masks.sigmoid())


def semantic_map(
    probabilities: torch.Tensor,
    masks: torch.Tensor,
    padded: Sequence[int],
    unpadded: Sequence[int],
    out: Sequence[int],
    *,
    resize_scores: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """``(H, W)`` best classes of ``semantic`` over ``mask_logits`` at the size ``out``, and their scores.

    It is made in strips, so that no picture is too large for it. ``masks``: ``(Q, h, w)`` logits. With
    ``resize_scores`` it is the scores at the input's size that are brought to the size ``out``, not the logits.
    """
    height, width = out
    classes = probabilities[:, :-1]
    rows = max(1, SCORES_AT_ONCE // (sum(probabilities.shape) * width))
    columns, scores = [], []
    for top in range(0, height, rows):
        low, high, share = _between(torch.arange(top, min(top + rows, height)), unpadded[0], height)
        first, last = int(low[0]), int(high[-1])
        inner = _resized_rows(masks, *_between(torch.arange(first, last + 1), masks.shape[1], padded[0]), padded[1])
        inner = inner[:, :, : unpadded[1]]
        if resize_scores:  # a sum over masks may be resized before it is summed
            strip = _resized_rows(inner.sigmoid(), low - first, high - first, share, width)
        else:
            strip = _resized_rows(inner, low - first, high - first, share, width).sigmoid()
        best, which = torch.einsum("qc,qhw->chw", classes, strip).max(dim=0)
        columns.append(which)
        scores.append(best)
    return torch.cat(columns), torch.cat(scores)


def _between(rows: torch.Tensor, source: int, target: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """For rows of a map of ``target`` rows: the two of ``source`` that each lies between, and the second's share."""
    place = ((rows + 0.5) * (source / target) - 0.5).clamp(min=0)
    low = place.long()
    return low, (low + 1).clamp(max=source - 1), place - low


def _resized_rows(
    maps: torch.Tensor, low: torch.Tensor, high: torch.Tensor, share: torch.Tensor, width: int
) -> torch.Tensor:
    """``(Q, n, width)``: n rows of ``(Q, h, w)`` maps that are enlarged or reduced, as ``interpolate`` does."""
    low, high, share = low.to(maps.device), high.to(maps.device), share.to(maps)[:, None]
    rows = maps[:, low] * (1 - share) + maps[:, high] * share
    return interpolate(rows[None], size=(len(low), width), mode="bilinear", align_corners=False)[0]


def panoptic(
    probabilities: torch.Tensor,
    masks: torch.Tensor,
    things: Sequence[int],
    object_threshold: float = OBJECT_THRESHOLD,
    overlap_threshold: float = OVERLAP_THRESHOLD,
) -> tuple[torch.Tensor, list[PanopticSegment]]:
    """``(H, W) int32`` segment ids, 0 for none, and the segments.

    A query takes part if its best class is not void and more probable than ``object_threshold``. Each pixel goes to the
    query of the largest class times mask probability; a query that keeps less than ``overlap_threshold`` of its own
    mask is left out, segments of one stuff class are merged.
    """
    scores, labels = probabilities.max(dim=1)
    keep = (labels != probabilities.shape[1] - 1) & (scores > object_threshold)
    soft = masks[keep].sigmoid()
    ids = torch.zeros(masks.shape[-2:], dtype=torch.int32, device=masks.device)
    segments: list[PanopticSegment] = []
    if not keep.any():
        return ids, segments
    winner = (scores[keep, None, None] * soft).argmax(dim=0)
    stuff: dict[int, int] = {}
    for query, label in enumerate(labels[keep].tolist()):
        won, own = winner == query, soft[query] >= 0.5
        final = won & own
        if not own.any() or not final.any() or won.sum() / own.sum() < overlap_threshold:
            continue
        is_thing = label in things
        if not is_thing and label in stuff:
            ids[final] = stuff[label]
            continue
        segments.append(PanopticSegment(len(segments) + 1, label, is_thing))
        ids[final] = segments[-1].segment_id
        if not is_thing:
            stuff[label] = segments[-1].segment_id
    return ids, segments


def instances(
    probabilities: torch.Tensor, masks: torch.Tensor, things: Sequence[int], best: int = BEST_INSTANCES
) -> Instances:
    """The best pairs of query and class over all classes, of these the things; masks may overlap."""
    classes = probabilities.shape[1] - 1
    found, where = probabilities[:, :-1].flatten().topk(min(best, probabilities[:, :-1].numel()), sorted=False)
    labels = where % classes
    thing = torch.isin(labels, torch.tensor(list(things), dtype=labels.dtype, device=labels.device))
    query, labels, found = where[thing] // classes, labels[thing], found[thing]
    logits = masks[query]
    inside = logits > 0
    quality = (logits.sigmoid() * inside).flatten(1).sum(dim=1) / (inside.flatten(1).sum(dim=1) + 1e-6)
    scores, order = (found * quality).sort(descending=True, stable=True)
    return Instances(scores, labels[order], inside[order])
