"""``knnclip continual``: what is kept of old classes while new ones arrive."""

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
    repeatable,
    report_rejections,
    tell_time,
)


def continual(
    directory: DatasetArgument,
    val: ValArgument,
    *,
    steps: Annotated[int, typer.Option(min=1, help="The classes arrive in so many steps.")] = 4,
    step: Annotated[
        list[str], repeatable("Classes of one step, joined by commas; once for each step, in their order.")
    ],
    then: Annotated[
        list[Path], repeatable("A further data set to learn from; each data set is one step. May be repeated.")
    ],
    seeds: Annotated[int, typer.Option(min=0, help="So many shuffled orders; 0: the set's own.")] = 3,
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
    """Let classes, or data sets, arrive in steps and score old and new ones after each, on a store of its own."""
    from knnclip.catalogue import PartOverrides
    from knnclip.cli.figures import print_runs
    from knnclip.errors import UsageError
    from knnclip.evaluation import (
        Splits,
        by_class,
        by_data_set,
        check_groups,
        encode_splits,
        in_steps,
        order_seeds,
        run_continual,
        write_continual,
    )
    from knnclip.evaluation.report import schema
    from knnclip.ingest import IngestSettings
    from knnclip.presets import DEFAULT_PRESET, preset_by_name

    if step and then:
        raise UsageError("--step orders the classes of one data set, --then adds data sets; use one of them")
    *train, scored = (open_data(folder, format, ignore) for folder in (directory, *then, val))
    splits = Splits(tuple(train), scored, IngestSettings(max_instances_per_image=max_instances_per_image))
    order_of_seed = order_seeds(seeds)
    orders: list[list[tuple[str, ...]]] = []  # before anything is encoded: wrong steps are an error
    if step:
        orders = [[tuple(name.strip() for name in text.split(",")) for text in step]]
        check_groups(splits.class_names, orders[0])
    elif not then:
        orders = [in_steps(splits.class_names, steps, seed) for seed in order_of_seed]
    chosen = PartOverrides.read(encoder=encoder, weights=weights).into(preset_by_name(preset or DEFAULT_PRESET))
    tell_time(chosen, device)
    with Bar("encode") as bar:
        encoded = encode_splits(splits, chosen, device=device, cache=cache, workers=workers, progress=bar)
    arrivals = [by_class(encoded, order) for order in orders] or [by_data_set(encoded, s) for s in order_of_seed]
    with Bar("steps", "steps") as bar:
        runs = run_continual(encoded, arrivals, progress=bar)
    print_runs(schema.STEPS, runs, first="step")
    if report is not None:
        page = write_continual(runs, encoded, report, command=shlex.join(sys.argv))
        typer.echo(f"report in {page}")
    if report is not None or encoded.rejected:
        report_rejections(encoded.rejected, (report or Path()) / "rejected_continual.jsonl")
