"""``knnclip evaluate``: how right a store is on a labelled data set."""

from __future__ import annotations

import shlex
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
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
    UntunedOption,
    WeightsOption,
    WorkersOption,
    continuable,
    open_data,
    printable,
    read_names,
    repeatable,
    report_rejections,
    tell_time,
)

if TYPE_CHECKING:
    from knnclip.evaluation import Scores


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
    names: Annotated[
        str | None,
        typer.Option(
            help="Ask the classifier for the data set's classes by other names: fcclip, those that its published "
            "figures rest on, or a file of lines 'class | name, name'."
        ),
    ] = None,
    zero_shot: Annotated[
        str | None,
        typer.Option(
            help="No store: score a network alone by its own inference over the data set's classes, as fcclip:FILE."
        ),
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
    untuned: UntunedOption = False,
    device: DeviceOption = "auto",
    cache: CacheOption = None,
    workers: WorkersOption = 2,
) -> None:
    """Score the store's answers against the labels: mIoU with its interval, PQ and AP where objects are labelled."""
    from knnclip.datasets import select_samples
    from knnclip.datasets.wording import wording_of
    from knnclip.errors import UsageError
    from knnclip.evaluation import (
        Evaluation,
        lacking_classes,
        mask_source,
        read_shard,
        score_images,
        seen_classes,
        write_report,
    )
    from knnclip.evaluation import evaluate as run_evaluation
    from knnclip.evaluation.protocols import open_zero_shot, worded
    from knnclip.segmenter import Segmenter

    if (shard is not None or merge) and (report is None or restart or (shard is not None and merge)):
        raise UsageError("--shard, or --merge, goes with --report, the folder that all shards share, and alone")
    if zero_shot is not None and (compare or masks != "own" or any((weights, min_area, max_masks, cache))):
        raise UsageError(
            "--zero-shot scores a network's own inference, of which --masks, --compare, --weights, --min-area, "
            "--max-masks and --cache change nothing; leave them out"
        )
    part = None if shard is None else read_shard(shard)
    dataset = open_data(directory, format, ignore)
    samples = select_samples(dataset, images)
    known = None if seen is None else seen_classes(dataset, seen)
    wording = None if names is None else wording_of(dataset, names)
    if wording is not None:
        typer.echo(printable(f"names: {wording.title}"), err=True)
    command = shlex.join(sys.argv)
    kept = f"what is scored lies in {report}, and the same command goes on from here"
    with (
        continuable("nothing is kept; with --report the same command would go on" if report is None else kept),
        ExitStack() as stack,
    ):
        if zero_shot is None:
            opened = Segmenter.open(
                store,
                weights=weights,
                min_area=min_area,
                max_masks=max_masks,
                device=device,
                cache=cache,
                read_only=True,
                untuned=untuned,
            )
            segmenter = stack.enter_context(opened)
            if wording is not None:
                segmenter = worded(segmenter, dataset, wording)
        else:
            folder = report or Path(stack.enter_context(TemporaryDirectory()))
            segmenter = stack.enter_context(open_zero_shot(zero_shot, dataset, folder, wording, device=device))
        lacking = lacking_classes(segmenter.store.vocabulary(), dataset)
        if lacking:
            typer.echo(
                printable(
                    f"the store lacks {len(lacking)} of the {len(dataset.classes)} classes of {directory}, which count "
                    f"as missed: {', '.join(lacking)}"
                ),
                err=True,
            )
        if not merge:
            tell_time(segmenter.preset, device)
            read_names(segmenter)
        bar = stack.enter_context(Bar(f"evaluate {dataset.format}"))
        evaluation = Evaluation(segmenter, dataset, samples, mask_source(masks), compare)
        if part is not None and report is not None:
            score_images(evaluation, report, shard=part, workers=workers, progress=bar)
            return
        writing = bar.followed_by("write the report", "steps")
        if merge and report is not None:
            result = write_report(evaluation, report, seen=known, command=command, progress=writing)
        else:
            result = run_evaluation(
                evaluation,
                report,
                seen=known,
                restart=restart,
                workers=workers,
                command=command,
                progress=bar,
                writing=writing,
            )
    _print(result.scores)
    if report is not None:
        typer.echo(f"report in {report / 'report.html'}")
    if report is not None or result.rejected:  # the working folder is not this command's to tidy
        report_rejections(result.rejected, (report or Path()) / "rejected.jsonl")


def _print(scores: Scores) -> None:
    """The table of classes, the figures of the set below it, and the compared settings."""
    from knnclip.cli.figures import print_figures, print_headlines
    from knnclip.evaluation.report import schema
    from knnclip.evaluation.report.tables import as_content

    content = as_content(scores)
    print_figures(schema.CLASSES, content["classes"])
    print_headlines(schema.headlines(content))
    typer.echo(schema.CONVENTIONS)
    if scores.compared:
        print_figures(schema.COMPARED, content["compared"])
