"""``knnclip shots``: how many labelled instances of a class it takes."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from knnclip.cli.common import (
    Bar,
    CacheOption,
    DatasetArgument,
    DeviceOption,
    FormatOption,
    IgnoreOption,
    MaxInstancesOption,
    ProtocolEncoderOption,
    ProtocolPresetOption,
    ProtocolReportOption,
    ValArgument,
    WeightsOption,
    WorkersOption,
    open_data,
    report_rejections,
    tell_time,
)


def shots(
    directory: DatasetArgument,
    val: ValArgument,
    *,
    numbers: Annotated[
        str, typer.Option("--shots", help="Instances of each class, joined by commas; all is everything there is.")
    ] = "1,2,5,10,50,all",
    seeds: Annotated[int, typer.Option(min=1, help="So many draws of the instances.")] = 3,
    format: FormatOption = "auto",  # noqa: A002 - the option's name
    ignore: IgnoreOption,
    max_instances_per_image: MaxInstancesOption = 150,
    preset: ProtocolPresetOption = None,
    encoder: ProtocolEncoderOption = None,
    weights: WeightsOption = None,
    report: ProtocolReportOption = None,
    device: DeviceOption = "auto",
    cache: CacheOption = None,
    workers: WorkersOption = 2,
) -> None:
    """Score stores with 1, 2, 5, ... labelled instances of each class; no store of yours is touched."""
    from knnclip.catalogue import PartOverrides
    from knnclip.cli.figures import print_runs
    from knnclip.evaluation import Splits, encode_splits, read_shots, run_shots, write_shots
    from knnclip.evaluation.report import schema
    from knnclip.ingest import IngestSettings
    from knnclip.presets import DEFAULT_PRESET, preset_by_name

    chosen_shots = read_shots(numbers)
    train, scored = (open_data(folder, format, ignore) for folder in (directory, val))
    splits = Splits((train,), scored, IngestSettings(max_instances_per_image=max_instances_per_image))
    chosen = PartOverrides.read(encoder=encoder, weights=weights).into(preset_by_name(preset or DEFAULT_PRESET))
    tell_time(chosen, device)
    with Bar("encode") as bar:
        encoded = encode_splits(splits, chosen, device=device, cache=cache, workers=workers, progress=bar)
    with Bar("steps", "steps") as bar:
        runs = run_shots(encoded, chosen_shots, seeds, progress=bar)
    print_runs(schema.SHOTS, runs)
    if report is not None:
        page = write_shots(runs, encoded, report, command=shlex.join(sys.argv))
        typer.echo(f"report in {page}")
    if report is not None or encoded.rejected:
        report_rejections(encoded.rejected, (report or Path()) / "rejected_shots.jsonl")
