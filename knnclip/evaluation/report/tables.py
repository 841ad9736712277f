"""Scores -> files: one JSON with everything, a CSV with a row a class, and one with a row for each compared setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from knnclip.evaluation.totals import Scores
from knnclip.files import write_csv, write_json

SCORES, CLASSES, COMPARED = "scores.json", "scores.csv", "compared.csv"


def write_scores(
    scores: Scores,
    folder: Path,
    *,
    protocol: Mapping[str, object],
    run: Mapping[str, object],
    stored_rows: Sequence[int],
) -> None:
    """Writes the files. ``protocol`` says what was asked and how, ``run`` by which command, versions and so on.

    ``stored_rows``: of each class. What is undefined is null, or an empty cell.
    """
    classes = [row | {"rows": rows} for row, rows in zip(class_rows(scores), stored_rows, strict=True)]
    means = {key: value for key, value in asdict(scores.semantic).items() if key != "classes"}
    content = {
        "protocol": dict(protocol),
        "run": dict(run),
        "images": scores.images,
        "scores": means | {"miou_interval": scores.interval, "seen": scores.seen},
        "panoptic": None
        if scores.panoptic is None
        else {name: getattr(scores.panoptic, name) for name in ("all", "things", "stuff")},
        "instances": None
        if scores.instances is None
        else {key: value for key, value in asdict(scores.instances).items() if key != "classes"},
        "classes": classes,
        "compared": compared_rows(scores),
    }
    write_json(folder / SCORES, content)
    write_csv(folder / CLASSES, classes)
    if scores.compared:
        write_csv(folder / COMPARED, compared_rows(scores))


def class_rows(scores: Scores) -> list[dict[str, Any]]:
    """All that is known of each class."""
    rows: list[dict[str, Any]] = [asdict(row) for row in scores.semantic.classes]
    if scores.panoptic is not None:
        for row, found in zip(rows, scores.panoptic.classes, strict=True):
            row |= {"pq": found.pq, "sq": found.sq, "rq": found.rq}
    if scores.instances is not None:
        ap = dict(scores.instances.classes)
        for row in rows:
            row["ap"] = ap.get(row["name"], float("nan"))
    return rows


def compared_rows(scores: Scores) -> list[dict[str, Any]]:
    """The compared settings, the best first."""
    return [
        {
            "name": found.name,
            "miou": found.semantic.miou,
            "low": found.interval.low,
            "high": found.interval.high,
            "gain": found.semantic.miou - scores.semantic.miou,
            "gain_low": found.gain.low,
            "gain_high": found.gain.high,
            "miou_answered": found.semantic.miou_answered,
            "fwiou": found.semantic.fwiou,
            "macc": found.semantic.macc,
            "pacc": found.semantic.pacc,
            "coverage": found.semantic.coverage,
        }
        for found in sorted(scores.compared, key=lambda found: -found.semantic.miou)
    ]
