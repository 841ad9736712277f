"""``knnclip evaluate``: mIoU of a store on a labelled data set."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from knnclip.cli.common import (
    DEFAULT_STORE,
    DatasetArgument,
    DeviceOption,
    FormatOption,
    IgnoreOption,
    ImagesOption,
    MaxMasksOption,
    MinAreaOption,
    StoreOption,
    WeightsOption,
    WorkersOption,
    advance,
    progress_bar,
    report_rejections,
    select_samples,
)

if TYPE_CHECKING:
    from knnclip.evaluation.semantic import SemanticScores


def evaluate(
    directory: DatasetArgument,
    store: StoreOption = DEFAULT_STORE,
    format: FormatOption = "auto",  # noqa: A002 - the option's name
    images: ImagesOption = [],  # noqa: B006
    ignore: IgnoreOption = [],  # noqa: B006
    masks: Annotated[str, typer.Option(help="own: the generator's masks; oracle: the ground-truth masks.")] = "own",
    report: Annotated[
        Path | None, typer.Option("--report", "-o", help="Folder for scores.json and scores.csv.")
    ] = None,
    weights: WeightsOption = None,
    min_area: MinAreaOption = None,
    max_masks: MaxMasksOption = None,
    device: DeviceOption = "auto",
    workers: WorkersOption = 2,
) -> None:
    """Score the store's answers against the labels: mIoU, fwIoU, mACC, pACC and the IoU of each class."""
    from knnclip.datasets import open_dataset
    from knnclip.evaluate import evaluate as run
    from knnclip.evaluation.report import write_report
    from knnclip.segmenter import Segmenter

    dataset = open_dataset(directory, format, ignore=ignore)
    samples = select_samples(dataset, images)
    start = time.perf_counter()
    with (
        Segmenter.open(
            store, weights=weights, min_area=min_area, max_masks=max_masks, device=device, read_only=True
        ) as segmenter,
        progress_bar(f"evaluate {dataset.format}", len(samples)) as (progress, task),
    ):
        confusion, rejected = run(
            segmenter,
            dataset,
            samples,
            masks=masks,  # type: ignore[arg-type]
            workers=workers,
            on_image=lambda: advance(progress, task),
        )
        protocol = {
            "data": str(directory),
            "images": len(samples) - len({item.file for item in rejected}),
            "masks": masks,
            "store": str(store),
            "preset": segmenter.preset.name,
            "parts": segmenter.preset.encoder,
            "encoder": str(segmenter.store.fingerprint),
        }
    scores = confusion.compute()
    _print(scores)
    if report is not None:
        write_report(scores, report, metadata=protocol | {"seconds": round(time.perf_counter() - start, 2)})
        typer.echo(f"report in {report}")
    refused = dataset.rejected + rejected
    if report is not None or refused:  # the working folder is not this command's to tidy
        report_rejections(refused, (report or Path()) / "rejected.jsonl")


def _print(scores: SemanticScores) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("class", "IoU", "accuracy", "pixels")
    for row in scores.classes:
        table.add_row(escape(row.name), f"{row.iou:.1%}", f"{row.accuracy:.1%}", f"{row.truth_px:,}")
    console = Console()
    console.print(table)
    console.print(
        f"mIoU {scores.miou:.1%}   fwIoU {scores.fwiou:.1%}   mACC {scores.macc:.1%}   pACC {scores.pacc:.1%}   "
        f"answered {scores.coverage:.1%}"
    )
