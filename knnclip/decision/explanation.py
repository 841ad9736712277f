"""Assembled pieces -> segments that carry their names, their probabilities and the stored instances behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from knnclip.decision.assembly import Pieces
from knnclip.structures import UNKNOWN, ClassScore, Decision, Evidence, Int64, Neighbors, Segment
from knnclip.vocabulary import Vocabulary

TOP_CLASSES = 5
"""How many of the most probable classes a segment lists: as many as a person reads at a glance."""


def shown_instances(pieces: Pieces, neighbors: Neighbors) -> Int64:
    """The ids of the stored instances that the pieces' evidence consists of, each once, rising."""
    ids = neighbors.instance_id[pieces.proposal[pieces.proposal >= 0]]
    return np.unique(ids[ids >= 0])


def explain(
    pieces: Pieces, neighbors: Neighbors, stored: Mapping[int, Evidence], vocabulary: Vocabulary
) -> tuple[Segment, ...]:
    """The segments of an image.

    ``pieces`` are the assembled ones, ``neighbors`` those of the proposals that they came from, ``stored`` what the
    same state of the store knows of each of ``shown_instances``.
    """
    return tuple(
        Segment(
            segment_id=s + 1,
            class_id=class_id,
            class_name=None if class_id == UNKNOWN else vocabulary.by_id(class_id).name,
            is_thing=class_id != UNKNOWN and vocabulary.by_id(class_id).is_thing,
            confidence=_confidence(pieces, s, vocabulary),
            decision=_decision(pieces, s, vocabulary),
            mask=pieces.masks[s],
            scores=_top_scores(pieces, s, vocabulary),
            evidence=_evidence(int(pieces.proposal[s]), neighbors, stored),
        )
        for s, class_id in enumerate(pieces.class_id.tolist())
    )


def _column(pieces: Pieces, s: int, vocabulary: Vocabulary) -> int:
    return int(vocabulary.columns(pieces.class_id[s : s + 1])[0])


def _confidence(pieces: Pieces, s: int, vocabulary: Vocabulary) -> float:
    final = pieces.mean.final[s]
    value = 1.0 - final.sum() if pieces.class_id[s] == UNKNOWN else final[_column(pieces, s, vocabulary)]
    return float(np.clip(value, 0.0, 1.0))


def _decision(pieces: Pieces, s: int, vocabulary: Vocabulary) -> Decision:
    """Who made the decision: the base, if it would have chosen the same class by itself, else the retrieval."""
    if pieces.class_id[s] == UNKNOWN:
        return "unknown"
    base = pieces.mean.base
    return "base" if base is not None and base[s].argmax() == _column(pieces, s, vocabulary) else "retrieval"


def _top_scores(pieces: Pieces, s: int, vocabulary: Vocabulary) -> tuple[ClassScore, ...]:
    final, retrieval, base = pieces.mean.final[s], pieces.mean.retrieval[s], pieces.mean.base
    discriminant = pieces.mean.discriminant
    order = np.lexsort((-retrieval, -final))[:TOP_CLASSES]
    return tuple(
        ClassScore(
            class_id=vocabulary.classes[column].class_id,
            class_name=vocabulary.classes[column].name,
            base=None if base is None else float(base[s, column]),
            retrieval=float(retrieval[column]),
            final=float(final[column]),
            discriminant=None if discriminant is None else float(discriminant[s, column]),
        )
        for column in order.tolist()
        if final[column] > 0 or retrieval[column] > 0
    )


def _evidence(proposal: int, neighbors: Neighbors, stored: Mapping[int, Evidence]) -> tuple[Evidence, ...]:
    if proposal < 0:
        return ()
    found = zip(neighbors.instance_id[proposal].tolist(), neighbors.similarity[proposal].tolist(), strict=True)
    return tuple(replace(stored[key], similarity=similarity) for key, similarity in found if key >= 0)
