"""A segment as JSON: the one set of keys that the command line's files, the demo's API and its page share."""

from __future__ import annotations

from typing import Any

from knnclip.structures import Segment

Json = dict[str, Any]


def segment_json(segment: Segment, *, explained: bool = True) -> Json:
    """A segment as plain data for ``json``: what and where it is, and why.

    ``explained`` adds the reasons: ``scores``, the most probable classes by falling ``final``, and ``evidence``, the
    nearest stored instances by falling similarity. Leave them out where many segments travel and few are asked about.

    Keys: ``segment_id``, ``class`` (null if unknown), ``is_thing``, ``decision`` (``base``, ``retrieval``,
    ``unknown``), ``confidence`` in [0, 1], ``area_px``, ``box_xyxy`` in whole pixels, half-open. A score has ``class``,
    ``base`` (null without a base classifier), ``retrieval`` and ``final``; a piece of evidence ``instance_id``,
    ``similarity`` in [-1, 1], ``class``, ``image``, ``box_xyxy`` in that image, and ``source_id``.

    Numbers are as computed, not rounded: who reads the file finds ``confidence`` among the ``final`` scores, and can
    compare two answers to the bit. Rounding is for whoever shows them to people.
    """
    plain: Json = {
        "segment_id": segment.segment_id,
        "class": segment.class_name,
        "is_thing": segment.is_thing,
        "decision": segment.decision,
        "confidence": segment.confidence,
        "area_px": segment.mask.area,
        "box_xyxy": list(segment.mask.box_xyxy),
    }
    if explained:
        plain["scores"] = [
            {
                "class": score.class_name,
                "base": score.base,
                "retrieval": score.retrieval,
                "discriminant": score.discriminant,
                "final": score.final,
            }
            for score in segment.scores
        ]
        plain["evidence"] = [
            {
                "instance_id": item.instance_id,
                "similarity": item.similarity,
                "class": item.class_name,
                "image": item.image_ref,
                "box_xyxy": list(item.box_xyxy),
                "source_id": item.source_id,
            }
            for item in segment.evidence
        ]
    return plain
