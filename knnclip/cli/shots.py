"""``knnclip shots``: how many labelled instances of a class it takes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from knnclip.cli.common import (
    Bar,
    CacheOption,
    DatasetArgument,
    DeviceOption,
    FormatOption,
    IgnoreOption,
    WeightsOption,
    WorkersOption,
)
from knnclip.cli.protocols import (
    EncoderOption,
    PresetOption,
    ReportOption,
    RowsOption,
    ValArgument,
    finish,
    open_splits,
    prepare,
    run_facts,
    spread,
)

if TYPE_CHECKING:
    from knnclip.evaluation.shots import ShotScores


def shots(
    directory: DatasetArgument,
    val: ValArgument,
    *,
    counts: Annotated[
        str, typer.Option("--shots", help="Instances of each class, joined by commas; all is everything there is.")
    ] = "1,2,5,10,50,all",
    seeds: Annotated[int, typer.Option(min=1, help="So many draws of the instances.")] = 3,
    format: FormatOption = "auto",  # noqa: A002 - the option's name
    ignore: IgnoreOption,
    max_instances_per_image: RowsOption = 150,
    preset: PresetOption = "builtin",
    encoder: EncoderOption = None,
    weights: WeightsOption = None,
    report: ReportOption = None,
    device: DeviceOption = "auto",
    cache: CacheOption = None,
    workers: WorkersOption = 2,
) -> None:
    """Score stores with 1, 2, 5, ... labelled instances of each class; no store of yours is touched."""
    from knnclip.evaluation.shots import read_shots, run_shots

    chosen = read_shots(counts)
    splits = open_splits([directory], val, format, ignore, max_instances_per_image)
    prepared = prepare(
        splits, preset=preset, encoder=encoder, weights=weights, device=device, cache=cache, workers=workers
    )
    with Bar("steps", "steps") as bar:
        bar.start(seeds * len(chosen))
        runs = [
            run_shots(prepared.preset, prepared.parts, prepared.material, chosen, seed, progress=bar)
            for seed in range(seeds)
        ]
    _print(runs)
    if report is not None:
        _write(runs, report, prepared.protocol([directory], val, max_instances_per_image) | {"seeds": seeds})
    finish(prepared, report, "shots")


def _called(found: ShotScores) -> str:
    return str(found.shots or "all")


def _print(runs: list[list[ShotScores]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("instances a class", "mIoU", "stored rows")
    for found in zip(*runs, strict=True):
        rows = sum(scores.rows for scores in found) / len(found)
        table.add_row(_called(found[0]), spread([scores.miou for scores in found]), f"{rows:,.0f}")
    Console().print(table)


def _write(runs: list[list[ShotScores]], folder: Path, protocol: dict[str, object]) -> None:
    from knnclip.evaluation.report.charts import shots_curve
    from knnclip.evaluation.report.page import SHOTS, SHOTS_PNG
    from knnclip.files import write_csv, write_json
    from knnclip.images import write_png

    write_json(folder / SHOTS, {"protocol": protocol, "run": run_facts(), "seeds": runs})
    rows = [{"seed": seed, **asdict(found), "shots": _called(found)} for seed, run in enumerate(runs) for found in run]
    write_csv((folder / SHOTS).with_suffix(".csv"), rows)
    write_png(folder / SHOTS_PNG, shots_curve([[(_called(found), found.miou) for found in run] for run in runs]))
