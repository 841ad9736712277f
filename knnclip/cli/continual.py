"""``knnclip continual``: what is kept of old classes while new ones arrive."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from knnclip.cli.common import (
    DatasetArgument,
    DeviceOption,
    FormatOption,
    IgnoreOption,
    WeightsOption,
    WorkersOption,
    advance,
    progress_bar,
)

if TYPE_CHECKING:
    from knnclip.continual import Step


def continual(
    directory: DatasetArgument,
    val: Annotated[Path, typer.Argument(help="Folder of the labelled data set that is asked.", show_default=False)],
    steps: Annotated[int, typer.Option(min=1, help="The classes arrive in so many steps.")] = 4,
    seeds: Annotated[int, typer.Option(min=0, help="So many shuffled orders of the classes; 0: the set's own.")] = 3,
    format: FormatOption = "auto",  # noqa: A002 - the option's name
    ignore: IgnoreOption = [],  # noqa: B006
    max_rows_per_image: Annotated[int, typer.Option(min=1, help="Rows of one picture, at most.")] = 150,
    preset: Annotated[str, typer.Option(help="What cuts and encodes the pictures.")] = "builtin",
    encoder: Annotated[str | None, typer.Option(help="In place of the preset's.")] = None,
    weights: WeightsOption = None,
    report: Annotated[
        Path | None, typer.Option("--report", "-o", help="Folder for continual.json and continual.png.")
    ] = None,
    device: DeviceOption = "auto",
    workers: WorkersOption = 2,
) -> None:
    """Let classes arrive in steps and score old and new ones after each; no store of yours is touched."""
    from knnclip.continual import prepare, run, split_classes
    from knnclip.datasets import open_dataset
    from knnclip.ingest import IngestSettings
    from knnclip.presets import preset_by_name
    from knnclip.segmenter import Named, make_parts

    train_set, val_set = (open_dataset(folder, format, ignore=ignore) for folder in (directory, val))
    chosen = Named(encoder=encoder, weights=weights).into(preset_by_name(preset))
    parts = make_parts(chosen, device)
    total = len(train_set.samples) + len(val_set.samples)
    with progress_bar("encode", total) as (progress, task):
        material = prepare(
            chosen,
            parts,
            (train_set, train_set.samples),
            (val_set, val_set.samples),
            IngestSettings(max_rows_per_image=max_rows_per_image),
            workers=workers,
            on_image=lambda: advance(progress, task),
        )
    orders = range(seeds) if seeds else (None,)
    runs = []
    with progress_bar("steps", len(orders) * steps) as (progress, task):
        for seed in orders:
            groups = split_classes(material.class_names, steps, seed)
            runs.append(run(chosen, parts, material, groups, on_step=lambda: advance(progress, task)))
    _print(runs)
    if report is not None:
        protocol = {"train": str(directory), "val": str(val), "steps": steps, "seeds": seeds, "preset": preset}
        _write(runs, report, protocol | {"encoder": str(parts.encoder.fingerprint)})
        typer.echo(f"report in {report}")


def _print(runs: list[list[Step]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("step", "all", "old", "new", "forgetting", "backward transfer", "rows", "MB", "s")
    for number, found in enumerate(zip(*runs, strict=True), start=1):
        scores = (
            _told([getattr(step, name) for step in found])
            for name in ("miou", "old", "new", "forgetting", "backward_transfer")
        )
        mean = {
            name: sum(getattr(step, name) for step in found) / len(found) for name in ("rows", "store_bytes", "seconds")
        }
        table.add_row(
            str(number), *scores, f"{mean['rows']:,.0f}", f"{mean['store_bytes'] / 1e6:.1f}", f"{mean['seconds']:.1f}"
        )
    Console().print(table)


def _told(values: list[float]) -> str:
    if any(math.isnan(value) for value in values):
        return "-"
    mean = sum(values) / len(values)
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
    return f"{100 * mean:.1f} ± {100 * spread:.1f}"


def _write(runs: list[list[Step]], folder: Path, protocol: dict[str, object]) -> None:
    from knnclip.evaluation.charts import continual_curve
    from knnclip.images import write_atomically, write_png

    seeds = [
        [
            {key: None if isinstance(v, float) and math.isnan(v) else v for key, v in asdict(step).items()}
            for step in run
        ]
        for run in runs
    ]
    content = {"protocol": protocol, "seeds": seeds}
    write_atomically(folder / "continual.json", json.dumps(content, ensure_ascii=False, indent=1).encode())
    write_png(
        folder / "continual.png",
        continual_curve([[(step.miou, step.old, step.new) for step in run] for run in runs]),
    )
