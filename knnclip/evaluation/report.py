"""Scores -> files."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from knnclip.evaluation.semantic import SemanticScores
from knnclip.images import write_atomically


def write_report(scores: SemanticScores, folder: Path, *, metadata: Mapping[str, object]) -> None:
    """Writes ``scores.json`` (all of it, with ``metadata``) and ``scores.csv`` (a row a class); NaN becomes null."""
    values = {key: value for key, value in asdict(scores).items() if key != "classes"}
    classes = [{key: _defined(value) for key, value in asdict(row).items()} for row in scores.classes]
    content = {"protocol": dict(metadata), "scores": {k: _defined(v) for k, v in values.items()}, "classes": classes}
    write_atomically(folder / "scores.json", json.dumps(content, ensure_ascii=False, indent=1).encode())
    table = io.StringIO()
    writer = csv.DictWriter(table, fieldnames=list(classes[0]))
    writer.writeheader()
    writer.writerows(classes)
    write_atomically(folder / "scores.csv", table.getvalue().encode())


def _defined(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value
