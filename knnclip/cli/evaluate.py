"""``knnclip evaluate``: how right a store is on a labelled data set."""

from __future__ import annotations

import shlex
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from knnclip.cli.common import (
    DEFAULT_STORE,
    Bar,
    CacheOption,
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
    open_data,
    repeatable,
    report_rejections,
)

if TYPE_CHECKING:
    from knnclip.datasets import Dataset
    from knnclip.evaluation.totals import Scores
    from knnclip.metrics.bootstrap import Interval


def evaluate(
    directory: DatasetArgument,
    *,
    store: StoreOption = DEFAULT_STORE,
    format: FormatOption = "auto",  # noqa: A002 - the option's name
    images: ImagesOption,
    ignore: IgnoreOption,
    masks: Annotated[str, typer.Option(help="own: the generator's masks; oracle: the ground-truth masks.")] = "own",
    compare: Annotated[
        list[str],
        repeatable(
            "Also answer by other settings, on the same masks and embeddings: base, retrieval, fused, evidence "
            "or paper; with options for a grid, for example 'paper,lambda=0.3+0.5,T=0.5+0.7' or 'fused,k=8+16,"
            "tau=0.03+0.05'. May be repeated."
        ),
    ],
    seen: Annotated[
        str | None,
        typer.Option(help="Classes of a base vocabulary: a file with a name a line, or a list, as coco-panoptic."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", "-o", help="Folder for report.html, JSON, CSV and pictures; an interrupted run continues."
        ),
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Throw away what the report's folder has.")] = False,
    shard: Annotated[
        str | None, typer.Option(help="i/n: score the i-th of n parts, from 0, into the report's folder, and no more.")
    ] = None,
    merge: Annotated[bool, typer.Option("--merge", help="Score nothing; report on what all shards scored.")] = False,
    weights: WeightsOption = None,
    min_area: MinAreaOption = None,
    max_masks: MaxMasksOption = None,
    device: DeviceOption = "auto",
    cache: CacheOption = None,
    workers: WorkersOption = 2,
) -> None:
    """Score the store's answers against the labels: mIoU with its interval, and PQ and AP where instances are told."""
    from knnclip.datasets import select_samples
    from knnclip.errors import UsageError
    from knnclip.evaluation.runs import Evaluation, add_up_folder, read_shard, score_images
    from knnclip.evaluation.runs import report as write_report
    from knnclip.segmenter import Segmenter

    if (shard is not None or merge) and (report is None or restart or (shard is not None and merge)):
        raise UsageError("--shard, or --merge, goes with --report, the folder that all shards share, and alone")
    part = (0, 1) if shard is None else read_shard(shard)

    dataset = open_data(directory, format, ignore)
    samples = select_samples(dataset, images)
    known = None if seen is None else _seen_classes(dataset, seen)
    with ExitStack() as stack:
        segmenter = stack.enter_context(
            Segmenter.open(
                store,
                weights=weights,
                min_area=min_area,
                max_masks=max_masks,
                device=device,
                cache=cache,
                read_only=True,
            )
        )
        folder = report or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        evaluation = Evaluation(segmenter, dataset, samples, masks, compare)  # type: ignore[arg-type]
        if not merge:
            with Bar(f"evaluate {dataset.format}") as bar:
                score_images(
                    evaluation,
                    folder,
                    shard=part,
                    restart=restart,
                    workers=workers,
                    progress=bar,
                )
        if shard is not None:
            return
        if report is None:
            scores, _, rejected = add_up_folder(evaluation, folder, known)
        else:
            scores, rejected = write_report(evaluation, folder, seen=known, command=shlex.join(sys.argv))
    _print(scores)
    if report is not None:
        typer.echo(f"report in {report / 'report.html'}")
    if report is not None or rejected:  # the working folder is not this command's to tidy
        report_rejections(rejected, (report or Path()) / "rejected.jsonl")


def _seen_classes(dataset: Dataset, given: str) -> list[str]:
    """The classes of a data set that a base vocabulary names, by their names or synonyms."""
    from knnclip.datasets.class_lists import names_in
    from knnclip.errors import UsageError

    names = names_in(given)
    found = [label.name for label in dataset.classes if names.intersection({label.name, *label.synonyms})]
    if not found:
        raise UsageError(f"{given} names no class of {dataset.root}; check --seen")
    return found


def _print(scores: Scores) -> None:
    """The table of classes, and the means in lines below it."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    table = Table("class", "IoU", "accuracy", "boundary IoU", "pixels")
    for row in scores.semantic.classes:
        table.add_row(escape(row.name), *map(_told, (row.iou, row.accuracy, row.boundary_iou)), f"{row.truth_px:,}")
    console = Console()
    console.print(table)
    means = scores.semantic
    lines = [
        f"mIoU {_told(means.miou)}   unknown counts as a miss; 95 % interval {_between(scores.interval)}",
        f"mIoU {_told(means.miou_answered)} of the {_told(means.coverage)} of the pixels that were answered",
        f"mIoU {_told(means.miou_truth)} over the {means.classes_with_truth} classes with ground truth",
        f"boundary IoU {_told(means.boundary_iou)}   fwIoU {_told(means.fwiou)}   mACC {_told(means.macc)}   "
        f"pACC {_told(means.pacc)}",
    ]
    if scores.seen is not None:
        lines.append(
            f"mIoU of seen classes {_told(scores.seen.seen)}, of unseen {_told(scores.seen.unseen)}, harmonic mean "
            f"{_told(scores.seen.harmonic)}"
        )
    if scores.panoptic is not None:
        kinds = (scores.panoptic.all, scores.panoptic.things, scores.panoptic.stuff)
        lines += [f"PQ {_told(kind.pq)}   SQ {_told(kind.sq)}   RQ {_told(kind.rq)}   {kind.name}" for kind in kinds]
    if scores.instances is not None:
        found = scores.instances
        sizes = f"small {_told(found.ap_small)}   medium {_told(found.ap_medium)}   large {_told(found.ap_large)}"
        lines.append(f"AP {_told(found.ap)}   AP50 {_told(found.ap50)}   AP75 {_told(found.ap75)}   {sizes}")
    for line in lines:
        console.print(line, highlight=False)
    if scores.compared:
        others = Table(Column("settings", overflow="fold"), "mIoU", "interval", "gain", "interval", "answered")
        for other in sorted(scores.compared, key=lambda other: -other.semantic.miou):
            gain = other.semantic.miou - scores.semantic.miou
            others.add_row(
                escape(other.name), _told(other.semantic.miou), _between(other.interval), f"{100 * gain:+.1f}",
                _between(other.gain), _told(other.semantic.coverage),
            )  # fmt: skip
        console.print(others)


def _told(value: float) -> str:
    return "-" if value != value else f"{value:.1%}"


def _between(interval: Interval) -> str:
    return "-" if interval.low != interval.low else f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"
