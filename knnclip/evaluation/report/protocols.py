"""What the continual protocol and the shots came to -> files: JSON, CSV, a curve, and the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from knnclip.evaluation.continual import Step
from knnclip.evaluation.report import schema
from knnclip.evaluation.report.charts import continual_curve, shots_curve
from knnclip.evaluation.report.page import CONTINUAL, CONTINUAL_PNG, SHOTS, SHOTS_PNG, write_page
from knnclip.evaluation.report.provenance import run_facts, splits_protocol
from knnclip.evaluation.shots import ShotScores, name_of
from knnclip.evaluation.splits import EncodedSplits
from knnclip.files import write_csv, write_json
from knnclip.images import write_png


def write_continual(
    orders: Sequence[Sequence[Step]], encoded: EncodedSplits, folder: Path, *, command: str = ""
) -> Path:
    """Writes what ``run_continual`` gave as ``continual.json``, ``.csv`` and ``.png``, and returns the page's path.

    The page shows whatever else the folder has too. ``command``: how it was asked for.
    """
    protocol = splits_protocol(encoded) | {"steps": len(orders[0]), "orders": len(orders)}
    seeds = [[schema.values(schema.STEPS, step) for step in steps] for steps in orders]
    write_json(folder / CONTINUAL, {"protocol": protocol, "run": run_facts(command), "seeds": seeds})
    write_csv(
        (folder / CONTINUAL).with_suffix(".csv"),
        [
            {"order": order, "step": number, **row, "classes": ", ".join(row["classes"])}
            for order, rows in enumerate(seeds)
            for number, row in enumerate(rows, start=1)
        ],
    )
    curve = continual_curve([[(step.miou, step.old, step.new) for step in steps] for steps in orders])
    write_png(folder / CONTINUAL_PNG, curve)
    return write_page(folder)


def write_shots(
    draws: Sequence[Sequence[ShotScores]], encoded: EncodedSplits, folder: Path, *, command: str = ""
) -> Path:
    """Writes what ``run_shots`` gave as ``shots.json``, ``.csv`` and ``.png``, and returns the page's path.

    The page shows whatever else the folder has too. ``command``: how it was asked for.
    """
    protocol = splits_protocol(encoded) | {"seeds": len(draws)}
    seeds = [[schema.values(schema.SHOTS, found) for found in draw] for draw in draws]
    write_json(folder / SHOTS, {"protocol": protocol, "run": run_facts(command), "seeds": seeds})
    write_csv(
        (folder / SHOTS).with_suffix(".csv"),
        [{"seed": seed, **row, "shots": name_of(row["shots"])} for seed, rows in enumerate(seeds) for row in rows],
    )
    write_png(
        folder / SHOTS_PNG, shots_curve([[(name_of(found.shots), found.miou) for found in draw] for draw in draws])
    )
    return write_page(folder)
