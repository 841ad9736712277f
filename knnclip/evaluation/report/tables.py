"""Scores -> files: one JSON with everything, a CSV with a row a class, and one with a row for each compared setting."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from knnclip.evaluation.report import schema
from knnclip.evaluation.report.schema import ClassResult, Figure
from knnclip.evaluation.totals import Scores
from knnclip.files import write_csv, write_json

SCORES, CLASSES, COMPARED = "scores.json", "scores.csv", "compared.csv"


def write_scores(
    scores: Scores,
    folder: Path,
    *,
    protocol: Mapping[str, object],
    run: Mapping[str, object],
    stored_instances: Sequence[int],
) -> None:
    """Writes ``scores.json``, ``scores.csv`` and, where settings were compared, ``compared.csv`` into a folder.

    ``protocol`` says what was evaluated and how, ``run`` by which command, versions and so on. ``stored_instances``:
    how many the store has of each class of the set. What is undefined is null, or an empty cell.
    """
    content = as_content(scores, stored_instances)
    write_json(folder / SCORES, {"protocol": dict(protocol), "run": dict(run), **content})
    write_csv(folder / CLASSES, content["classes"])
    if scores.compared:
        write_csv(folder / COMPARED, content["compared"])


def as_content(scores: Scores, stored_instances: Sequence[int] | None = None) -> dict[str, Any]:
    """All figures of a set as ``scores.json`` has them, which is what tables, the page and the demo are made from."""
    content: dict[str, Any] = {"images": scores.images}
    for section in schema.SECTIONS:
        _put(content, section.path, schema.attribute(scores, section.source), section)
    content["scores"]["miou_interval"] = asdict(scores.interval)
    content["classes"] = class_rows(class_results(scores, stored_instances), schema.CLASSES)
    return content | {"compared": compared_rows(scores)}


def class_results(scores: Scores, stored_instances: Sequence[int] | None = None) -> list[ClassResult]:
    """All that is known of each class, in the order of the set."""
    count = len(scores.semantic.classes)
    qualities = [None] * count if scores.panoptic is None else scores.panoptic.classes
    ap = None if scores.instances is None else dict(scores.instances.classes)
    stored = [None] * count if stored_instances is None else stored_instances
    return [
        ClassResult(row.name, row, quality, None if ap is None else ap.get(row.name, math.nan), instances)
        for row, quality, instances in zip(scores.semantic.classes, qualities, stored, strict=True)
    ]


def class_rows(results: Sequence[ClassResult], figures: Sequence[Figure]) -> list[dict[str, Any]]:
    """The figures of each class by their keys; a figure that applies to none of them is left out."""
    rows = [schema.values(figures, result) for result in results]
    keys = [figure.key for figure in figures if any(row[figure.key] is not None for row in rows)]
    return [{key: row[key] for key in keys} for row in rows]


def compared_rows(scores: Scores) -> list[dict[str, Any]]:
    """The figures of the compared settings by their keys, the best first."""
    best_first = sorted(scores.compared, key=lambda found: -found.semantic.miou)
    return [schema.values(schema.COMPARED, found) for found in best_first]


def _put(content: dict[str, Any], path: Sequence[str], found: object, section: schema.Section) -> None:
    """Puts the figures of a section where they belong; a part of the file that has none at all is null."""
    *parents, key = path
    for parent in parents:
        if content.setdefault(parent, None if found is None else {}) is None:
            return
        content = content[parent]
    content[key] = None if found is None else schema.values(section.figures, found)
