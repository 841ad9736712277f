"""What a network of detectron2 answers, as labelled masks and as label probabilities.

Segments and instances get the names that detectron2's visualiser writes on them. What the numbers of a semantic map
are depends on the head that made them: see ``SemanticScores``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from knnclip.detectron2_catalog import CatalogClasses
from knnclip.errors import WeightsError
from knnclip.structures import Bool, Float32, Int32, masks_from_labels

if TYPE_CHECKING:
    import torch

Outputs = Mapping[str, Any]  # of one image, as in detectron2's "model output format"

MAP_STRIDE = 4
"""Pixels of the working copy for one cell of the label probabilities: the heads' own maps are that coarse. Whole ones
of 1333 x 1000 pixels and 133 labels would be 0.7 GB an image."""


class SemanticScores(Enum):
    """What a semantic head gives for each label and pixel."""

    LOGITS = "logits"  # a softmax over the labels makes probabilities
    SUMS = "sums"  # over queries, of label probability times soft mask: may exceed 1, and no softmax belongs there


BY_ARCHITECTURE = {
    "SemanticSegmentor": SemanticScores.LOGITS,
    "PanopticFPN": SemanticScores.LOGITS,
    "PanopticDeepLab": SemanticScores.LOGITS,
    "MaskFormer": SemanticScores.SUMS,  # Mask2Former too
    "FCCLIP": SemanticScores.SUMS,
}
"""Meta-architectures by the loss of their semantic head: cross entropy of each pixel, or of each query."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Where detectron2's numbers of classes are among L labels."""

    count: int  # L
    things: tuple[int, ...]  # label by category_id of a thing
    stuff: tuple[int | None, ...]  # label by channel of the semantic map; None for the channel of all things
    thing_ids: frozenset[int]  # the numbers that are things where one list numbers all
    divisor: int  # see CatalogClasses.label_divisor

    @classmethod
    def of(cls, classes: CatalogClasses) -> Labels:
        """Of a set's classes."""
        column = {name: i for i, name in enumerate(classes.names)}
        stuff: list[int | None] = [column.get(name) for name in classes.stuff]
        if not classes.names_things:
            stuff[0] = None
        return cls(
            len(classes.names),
            tuple(column[name] for name in classes.things),
            tuple(stuff),
            classes.thing_ids,
            classes.label_divisor,
        )


@dataclass(frozen=True, eq=False)
class Segment:
    """One mask of an answer."""

    dense: Bool  # (H, W)
    label: int | None  # None: some thing
    score: float  # in [0, 1]


def segments(outputs: Outputs, semantic: torch.Tensor | None, labels: Labels) -> Iterator[Segment]:
    """The panoptic segments and then the instances of an image.

    A segment to which the network gives no score has the mean of its label in the semantic map, or 1 without a map:
    it was found certain enough to be in the answer.
    """
    if "panoptic_seg" in outputs:
        ids, infos = outputs["panoptic_seg"]
        ids = ids.cpu().numpy()
        for info in _listed(ids, labels) if infos is None else infos:
            dense = ids == info["id"]
            label = _at(labels.things if info["isthing"] else labels.stuff, info["category_id"])
            score = info.get("score")
            if score is None and semantic is not None and label in labels.stuff and dense.any():
                score = float(semantic[labels.stuff.index(label)].cpu().numpy()[dense].mean())
            yield Segment(dense, label, 1.0 if score is None else float(score))
    if "instances" in outputs:
        found = outputs["instances"].to("cpu")
        if not found.has("pred_masks"):
            raise WeightsError("detectron2: this network finds boxes without masks; choose one with masks")
        for dense, score, number in zip(found.pred_masks, found.scores, found.pred_classes, strict=True):
            yield Segment(dense.numpy() > 0.5, _at(labels.things, int(number)), float(score))


def _listed(ids: Int32, labels: Labels) -> Iterator[dict[str, Any]]:
    """The segments of a panoptic map whose pixels tell category and instance; -1 is void."""
    for number in np.unique(ids[ids >= 0]).tolist():
        category = number // labels.divisor
        yield {"id": number, "category_id": category, "isthing": category in labels.thing_ids}


def semantic_probabilities(scores: torch.Tensor, labels: Labels, kind: SemanticScores) -> torch.Tensor:
    """``(channels, H, W)`` from a network's semantic map of that shape, summing to at most 1.

    ``WeightsError`` if the map has other channels than the set has classes.
    """
    scores = scores.float()
    if len(scores) != len(labels.stuff):
        raise WeightsError(
            f"detectron2: the network tells {len(scores)} classes apart, the set in DATASETS.TEST of its config has "
            f"{len(labels.stuff)}; name the set that it was trained on"
        )
    if kind is SemanticScores.LOGITS:
        return scores.softmax(dim=0)
    return scores / scores.sum(dim=0, keepdim=True).clamp(min=1)


def semantic_pieces(probabilities: torch.Tensor, labels: Labels, smallest_px: float) -> Iterator[Segment]:
    """The connected pieces of each label of a semantic map, those of at least ``smallest_px`` pixels."""
    from skimage.measure import label as connected

    channels = probabilities.argmax(dim=0).cpu().numpy()
    maps = probabilities.cpu().numpy()
    for mask in masks_from_labels(connected(channels, background=-1, connectivity=2)):
        if mask.area >= smallest_px:
            channel = int(mask.select(channels)[0])
            yield Segment(mask.to_dense(), labels.stuff[channel], float(mask.select(maps[channel]).mean()))


def label_maps(found: list[Segment], semantic: torch.Tensor | None, labels: Labels, shape: tuple[int, int]) -> Float32:
    """``(L, h, w)``: the label probabilities of an ``(H, W)`` image in cells of ``MAP_STRIDE`` pixels.

    The semantic map where it knows all labels. Where it has one channel for all things, or there is none, a thing has
    the largest score of its segments at a pixel, which leaves the rest to the semantic map; together they have 1 at
    most.
    """
    import torch

    maps = torch.zeros(labels.count, *(max(1, side // MAP_STRIDE) for side in shape))
    things: dict[int, torch.Tensor] = {}
    if semantic is None or None in labels.stuff:
        for segment in found:
            if segment.label is not None and (semantic is None or segment.label not in labels.stuff):
                scores = things.setdefault(segment.label, torch.zeros(shape))
                inside = torch.from_numpy(segment.dense)
                scores[inside] = scores[inside].clamp(min=segment.score)
    claimed = torch.zeros(shape) + sum(things.values())
    for label, scores in things.items():
        maps[label] = _cells(scores / claimed.clamp(min=1))
    if semantic is not None:
        for channel, column in enumerate(labels.stuff):
            if column is not None:
                maps[column] += _cells(semantic[channel].cpu() * (1 - claimed.clamp(max=1)))
    return np.asarray(maps.numpy(), dtype=np.float32)


def _cells(plane: torch.Tensor) -> torch.Tensor:
    from torch.nn.functional import adaptive_avg_pool2d

    height, width = plane.shape
    return adaptive_avg_pool2d(plane[None, None], (max(1, height // MAP_STRIDE), max(1, width // MAP_STRIDE)))[0, 0]


def _at(labels: tuple[int, ...] | tuple[int | None, ...], number: int) -> int | None:
    if not 0 <= number < len(labels):
        raise WeightsError(
            f"detectron2: the network answers class {number}, the set in DATASETS.TEST of its config has "
            f"{len(labels)}; name the set that it was trained on"
        )
    return labels[number]
