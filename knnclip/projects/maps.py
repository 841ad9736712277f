"""Answers as they are kept: class names instead of ids, at the size at which they were made; shown at any size."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from knnclip.datasets import LabelledImage
from knnclip.images import encode_png, read_index_map
from knnclip.projects.records import Correction
from knnclip.structures import (
    UNKNOWN,
    Bool,
    Decision,
    Evidence,
    Int32,
    Mask,
    Segment,
    Segmentation,
    masks_from_labels,
)
from knnclip.vocabulary import Vocabulary

Value = TypeVar("Value", bound=np.generic)

MIN_GAIN = 0.01
"""Share of a picture that a class must gain to be told of: less is the wavering of borders between two answers."""


@dataclass(frozen=True)
class KeptSegment:
    """What is kept of a segment beside its pixels."""

    segment_id: int
    class_name: str | None
    confidence: float
    decision: Decision
    nearest: tuple[int, float] | None  # the id of the stored instance that is most similar, and how similar


@dataclass(frozen=True, eq=False)
class KeptAnswer:
    """An answer that does not need the store that it is of: classes may be renamed, merged or forgotten since."""

    names: tuple[str, ...]
    semantic: Int32  # (h, w) 0 for unknown, i + 1 for names[i]
    panoptic: Int32  # (h, w) segment id, 0 where no segment lies
    segments: tuple[KeptSegment, ...]

    def encode(self) -> tuple[str, bytes, bytes, str]:
        """Names, both maps and segments as a database keeps them."""
        segments = [
            [item.segment_id, item.class_name, item.confidence, item.decision, item.nearest] for item in self.segments
        ]
        return json.dumps(self.names), encode_png(self.semantic), encode_png(self.panoptic), json.dumps(segments)

    @classmethod
    def decode(cls, names: str, semantic: bytes, panoptic: bytes, segments: str) -> KeptAnswer:
        """What ``encode`` made."""
        listed = tuple(
            KeptSegment(number, name, confidence, decision, None if nearest is None else (nearest[0], nearest[1]))
            for number, name, confidence, decision, nearest in json.loads(segments)
        )
        return cls(tuple(json.loads(names)), _map(semantic), _map(panoptic), listed)


def kept(answer: Segmentation) -> KeptAnswer:
    """A segmenter's answer as it is kept."""
    present = [class_id for class_id in np.unique(answer.semantic).tolist() if class_id != UNKNOWN]
    table = np.zeros(max(present, default=0) + 1, dtype=np.int32)
    table[present] = np.arange(1, len(present) + 1)
    return KeptAnswer(
        tuple(answer.vocabulary.by_id(class_id).name for class_id in present),
        table[answer.semantic],
        answer.panoptic,
        tuple(
            KeptSegment(item.segment_id, item.class_name, item.confidence, item.decision, _nearest(item))
            for item in answer.segments
        ),
    )


def kept_labels(labelled: LabelledImage) -> KeptAnswer:
    """The labels of an image as an answer; what they say nothing of is unknown."""
    panoptic = np.zeros(labelled.label_map.shape, dtype=np.int32)
    segments = []
    # As in the label map: crowds below, then small ones on large ones.
    stacked = sorted(labelled.instances, key=lambda item: (not item.is_crowd, -item.mask.area))
    for number, item in enumerate(stacked, start=1):
        panoptic[item.mask.slices][item.mask.crop] = number
        segments.append(KeptSegment(number, item.class_name, 1.0, "person", None))
    semantic = np.maximum(labelled.label_map + 1, 0).astype(np.int32)
    seen = set(np.unique(panoptic).tolist())
    return KeptAnswer(
        labelled.class_names, semantic, panoptic, tuple(item for item in segments if item.segment_id in seen)
    )


def restored(answer: KeptAnswer, vocabulary: Vocabulary, evidence: Mapping[int, Evidence]) -> Segmentation:
    """A kept answer with the classes of a store as they are now, those that it lost unknown.

    ``evidence``: what the store has for the ids that are ``nearest``. ``confidence`` is that of each segment.
    """
    semantic = semantic_of(answer, vocabulary)
    by_id = {item.segment_id: item for item in answer.segments}
    segments = []
    confidence = np.zeros(max(by_id, default=0) + 1, dtype=np.float32)
    for number, mask in _masks(answer.panoptic):
        item = by_id[number]
        info = None if item.class_name is None else vocabulary.find(item.class_name)
        confidence[number] = item.confidence
        near = (
            () if item.nearest is None or item.nearest[0] not in evidence else (_as_evidence(item.nearest, evidence),)
        )
        segments.append(
            Segment(
                segment_id=number,
                class_id=UNKNOWN if info is None else info.class_id,
                class_name=None if info is None else info.name,
                is_thing=info is not None and info.is_thing,
                confidence=item.confidence,
                decision="unknown" if info is None and item.decision != "person" else item.decision,
                mask=mask,
                scores=(),
                evidence=near,
            )
        )
    return Segmentation(semantic, answer.panoptic, confidence[answer.panoptic], tuple(segments), vocabulary)


def semantic_of(answer: KeptAnswer, vocabulary: Vocabulary) -> Int32:
    """``(h, w)``: the class ids of a kept answer in a store as it is now, unknown for classes that it lost."""
    infos = [vocabulary.find(name) for name in answer.names]
    ids = np.array([UNKNOWN, *(UNKNOWN if info is None else info.class_id for info in infos)], dtype=np.int32)
    found: Int32 = ids[answer.semantic]
    return found


def laid_over(answer: Segmentation, shape: tuple[int, int], corrections: Sequence[Correction]) -> Segmentation:
    """An answer at another size ``(H, W)``, with corrections of any size over it, later ones over earlier ones.

    What was drawn is a segment of the class that it names, decided by a person; where the class is not in the answer's
    vocabulary, and where none is named, it is unknown.
    """
    if not corrections and shape == answer.shape:
        return answer
    semantic, panoptic = resized(answer.semantic, shape).copy(), resized(answer.panoptic, shape).copy()
    confidence = resized(answer.confidence, shape).copy()
    made = {item.segment_id: item for item in answer.segments}
    number = max(made, default=0)
    for correction in corrections:
        mask = resize_mask(correction.mask, shape)
        if mask is None:
            continue
        number += 1
        info = None if correction.class_name is None else answer.vocabulary.find(correction.class_name)
        class_id = UNKNOWN if info is None else info.class_id
        for target, value in ((semantic, class_id), (panoptic, number), (confidence, 1.0)):
            target[mask.slices][mask.crop] = value
        name, is_thing = (None, False) if info is None else (info.name, info.is_thing)
        made[number] = Segment(number, class_id, name, is_thing, 1.0, "person", mask, (), ())
    segments = tuple(replace(made[number], mask=mask) for number, mask in _masks(panoptic))
    return Segmentation(semantic, panoptic, confidence, segments, answer.vocabulary)


def gains(before: Int32, after: Segmentation) -> dict[str, float]:
    """Class -> share of the picture that has it in ``after`` and has not in ``before``, from ``MIN_GAIN`` on.

    ``before``: ``(H, W)`` class ids of the same vocabulary, of any size.
    """
    newer = after.semantic
    fresh = newer[newer != resized(before, after.shape)]
    ids, counts = np.unique(fresh, return_counts=True)
    return {
        after.vocabulary.by_id(class_id).name: count / newer.size
        for class_id, count in zip(ids.tolist(), counts.tolist(), strict=True)
        if class_id != UNKNOWN and count >= MIN_GAIN * newer.size
    }


def differing(first: Segmentation, second: Segmentation) -> float:
    """Share of the pixels to which two answers give different classes."""
    return float((first.semantic != resized(second.semantic, first.shape)).mean())


def resize_mask(mask: Mask, shape: tuple[int, int]) -> Mask | None:
    """A mask at another size of its image, by the nearest pixels; None if nothing of it is left."""
    if mask.shape == shape:
        return mask
    dense: Bool = resized(mask.to_dense(), shape)
    return Mask.from_dense(dense) if dense.any() else None


def resized(values: NDArray[Value], shape: tuple[int, int]) -> NDArray[Value]:
    """``(H, W)`` values at another size, each pixel that of the nearest one."""
    if values.shape == shape:
        return values
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(np.int64) for new, old in zip(shape, values.shape, strict=True)
    )
    found: NDArray[Value] = values[rows[:, None], columns]
    return found


def _masks(panoptic: Int32) -> list[tuple[int, Mask]]:
    present = np.unique(panoptic[panoptic > 0]).tolist()
    return list(zip(present, masks_from_labels(panoptic), strict=True))


def _nearest(segment: Segment) -> tuple[int, float] | None:
    return (segment.evidence[0].instance_id, segment.evidence[0].similarity) if segment.evidence else None


def _as_evidence(nearest: tuple[int, float], evidence: Mapping[int, Evidence]) -> Evidence:
    return replace(evidence[nearest[0]], similarity=nearest[1])


def _map(png: bytes) -> Int32:
    return read_index_map("the map of an answer", content=png)
