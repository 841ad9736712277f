"""``knnclip segment``: images -> semantic and panoptic maps, overlays, and the evidence behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from knnclip.cli.common import (
    DEFAULT_STORE,
    Bar,
    DeviceOption,
    MaxMasksOption,
    MinAreaOption,
    StoreOption,
    WeightsOption,
    WorkersOption,
    read_names,
    report_rejections,
    tell_time,
)


def segment(
    images: Annotated[list[Path], typer.Argument(help="Image files, or folders of them.", show_default=False)],
    store: StoreOption = DEFAULT_STORE,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the results.")] = Path("segmented"),
    write: Annotated[
        str,
        typer.Option(
            help="What is written, with commas between: answer (knnclip's own files), coco, coco-panoptic, yolo, "
            "labelme, cvat, voc, masks, csv, each of these into a folder of its name."
        ),
    ] = "answer",
    min_confidence: Annotated[
        float, typer.Option(min=0, max=1, help="Of objects in these folders; those less probable are left out.")
    ] = 0.0,
    pictures: Annotated[bool, typer.Option(help="Copy the pictures into these folders as well.")] = True,
    evidence: Annotated[bool, typer.Option(help="Also draw the stored instances behind each segment.")] = False,
    weights: WeightsOption = None,
    min_area: MinAreaOption = None,
    max_masks: MaxMasksOption = None,
    device: DeviceOption = "auto",
    workers: WorkersOption = 2,
) -> None:
    """Segment images with the store's classes: maps, overlay and evidence, or the formats of other tools."""
    from knnclip.output.writing import segment_files
    from knnclip.segmenter import Segmenter

    with (
        Segmenter.open(
            store, weights=weights, min_area=min_area, max_masks=max_masks, device=device, read_only=True
        ) as segmenter,
        Bar("segment") as bar,
    ):
        tell_time(segmenter.preset, device)
        read_names(segmenter)
        rejected = segment_files(
            segmenter,
            images,
            out,
            write=[name.strip() for name in write.split(",") if name.strip()],
            min_confidence=min_confidence,
            copy_pictures=pictures,
            evidence=evidence,
            workers=workers,
            progress=bar,
        )
    typer.echo(f"results in {out}")
    report_rejections(rejected, out / "rejected.jsonl")
