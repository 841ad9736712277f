"""``knnclip continual``: what is kept of old classes while new ones arrive."""

from __future__ import annotations

from collections.abc import Sequence
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
    repeatable,
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
    from knnclip.evaluation.continual import Step


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
    max_instances_per_image: RowsOption = 150,
    preset: PresetOption = "builtin",
    encoder: EncoderOption = None,
    weights: WeightsOption = None,
    report: ReportOption = None,
    device: DeviceOption = "auto",
    cache: CacheOption = None,
    workers: WorkersOption = 2,
) -> None:
    """Let classes, or data sets, arrive in steps and score old and new ones after each, on a store of its own."""
    from knnclip.errors import UsageError
    from knnclip.evaluation.continual import by_class, by_data_set, run

    if step and then:
        raise UsageError("--step orders the classes of one data set, --then adds data sets; use one of them")
    train = [directory, *then]
    splits = open_splits(train, val, format, ignore, max_instances_per_image)
    groups = [] if then else _groups(splits.names(), steps, step, seeds)
    prepared = prepare(
        splits, preset=preset, encoder=encoder, weights=weights, device=device, cache=cache, workers=workers
    )
    orders = [by_class(prepared.material, order) for order in groups] or [
        by_data_set(prepared.material, seed) for seed in _seeds(seeds)
    ]
    with Bar("steps", "steps") as bar:
        bar.start(sum(map(len, orders)))
        runs = [run(prepared.preset, prepared.parts, prepared.material, order, progress=bar) for order in orders]
    _print(runs)
    if report is not None:
        protocol = prepared.protocol(train, val, max_instances_per_image)
        _write(runs, report, protocol | {"steps": len(orders[0]), "orders": len(orders)})
    finish(prepared, report, "continual")


def _groups(names: Sequence[str], steps: int, given: list[str], seeds: int) -> list[list[tuple[str, ...]]]:
    """The steps of each order."""
    from knnclip.evaluation.continual import check_groups, in_steps

    if not given:
        return [in_steps(names, steps, seed) for seed in _seeds(seeds)]
    groups = [tuple(name.strip() for name in text.split(",")) for text in given]
    check_groups(names, groups)
    return [groups]


def _seeds(count: int) -> list[int | None]:
    return [*range(count)] or [None]


def _print(runs: list[list[Step]]) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    heads = ("step", "all", "old", "new", "average", "forgot", "backward", "rows", "MB", "s")
    table = Table(*heads, box=SIMPLE, padding=0)  # to fit a terminal of 80 columns
    for number, found in enumerate(zip(*runs, strict=True), start=1):
        scores = (
            spread([getattr(step, name) for step in found])
            for name in ("miou", "old", "new", "average", "forgetting", "backward_transfer")
        )
        mean = {
            name: sum(getattr(step, name) for step in found) / len(found) for name in ("rows", "store_bytes", "seconds")
        }
        table.add_row(
            str(number), *scores, f"{mean['rows']:,.0f}", f"{mean['store_bytes'] / 1e6:.1f}", f"{mean['seconds']:.1f}"
        )
    Console().print(table)


def _write(runs: list[list[Step]], folder: Path, protocol: dict[str, object]) -> None:
    from knnclip.evaluation.report.charts import continual_curve
    from knnclip.evaluation.report.page import CONTINUAL, CONTINUAL_PNG
    from knnclip.files import write_csv, write_json
    from knnclip.images import write_png

    write_json(folder / CONTINUAL, {"protocol": protocol, "run": run_facts(), "seeds": runs})
    write_csv(
        (folder / CONTINUAL).with_suffix(".csv"),
        [
            {"order": order, "step": number, **asdict(found), "classes": ", ".join(found.classes)}
            for order, steps in enumerate(runs)
            for number, found in enumerate(steps, start=1)
        ],
    )
    write_png(
        folder / CONTINUAL_PNG, continual_curve([[(step.miou, step.old, step.new) for step in steps] for steps in runs])
    )
