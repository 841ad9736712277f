"""``knnclip ingest``: a labelled data set into the store."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from knnclip.cli.common import (
    DEFAULT_STORE,
    Bar,
    ClassifierOption,
    DatasetArgument,
    DeviceOption,
    EncoderOption,
    FormatOption,
    IgnoreOption,
    ImagesOption,
    MasksOption,
    MaxMasksOption,
    MinAreaOption,
    StoreOption,
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
from knnclip.cli.tune import told


def ingest(
    directory: DatasetArgument,
    *,
    store: StoreOption = DEFAULT_STORE,
    data_format: FormatOption = "auto",
    kind: Annotated[str, typer.Option(help="Store the truth's segments, the generator's proposals, or both.")] = "both",
    only: Annotated[list[str], repeatable("Store only this class; may be repeated.")],
    exclude: Annotated[list[str], repeatable("Do not store this class; may be repeated.")],
    images: ImagesOption,
    ignore: IgnoreOption,
    max_instances_per_image: Annotated[
        int, typer.Option(min=1, help="The classes of an image take turns up to this.")
    ] = 150,
    preset: Annotated[str | None, typer.Option(help="Preset of a new store.")] = None,
    masks: MasksOption = None,
    encoder: EncoderOption = None,
    classifier: ClassifierOption = None,
    weights: WeightsOption = None,
    min_area: MinAreaOption = None,
    max_masks: MaxMasksOption = None,
    untuned: Annotated[
        bool, typer.Option("--untuned", help="Leave the store's settings as they are, even if it has doubled.")
    ] = False,
    device: DeviceOption = "auto",
    workers: WorkersOption = 2,
) -> None:
    """Store every labelled instance of a data set, in one pass that can be stopped and run again.

    A store that has doubled since it was tuned, or was never tuned, is tuned at the end: see `knnclip tune`.
    """
    from knnclip.datasets import select_samples
    from knnclip.ingest import IngestSettings, kind_by_name
    from knnclip.ingest import ingest as run
    from knnclip.segmenter import Segmenter
    from knnclip.tuning import is_due
    from knnclip.vocabulary import Vocabulary

    dataset = open_data(directory, data_format, ignore)
    samples = select_samples(dataset, images)
    settings = IngestSettings(kind_by_name(kind), tuple(only), tuple(exclude), max_instances_per_image)
    start = time.perf_counter()
    with (
        continuable("what is stored stays, and the same command goes on from here"),
        Segmenter.open(
            store,
            preset,
            masks=masks,
            encoder=encoder,
            classifier=classifier,
            weights=weights,
            min_area=min_area,
            max_masks=max_masks,
            device=device,
        ) as segmenter,
    ):
        with Bar(f"ingest {dataset.format}") as bar:
            tell_time(segmenter.preset, device)
            read_names(segmenter, Vocabulary(()))  # what the mask generator knows by itself; no class is asked for yet
            report = run(segmenter, dataset, samples, settings, workers=workers, progress=bar)
        seconds = time.perf_counter() - start
        known = len(segmenter.store.vocabulary()) - len(report.new_classes)
        if report.new_classes and known:
            new = f"new to the store, which had {known} classes: {', '.join(report.new_classes)}"
            typer.echo(
                printable(f"{new}; make one that means the same as another part of it: knnclip classes merge"), err=True
            )
        typer.echo(
            f"stored {report.instances} instances of {report.images} images as source {report.source_id} in "
            f"{seconds:.1f} s" + (f"; {report.already} images were already stored" if report.already else "")
        )
        if not untuned and is_due(segmenter.store):
            with Bar("tune", "steps") as bar:
                found = segmenter.tune(progress=bar)
            typer.echo(told(found))
    report_rejections(dataset.rejected + report.rejected, Path(store) / "rejected.jsonl")
