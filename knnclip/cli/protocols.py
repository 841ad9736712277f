"""What ``knnclip continual`` and ``knnclip shots`` share: a set to learn from, one to be asked, their own store."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from knnclip.cli.common import Bar, open_data, report_rejections

if TYPE_CHECKING:
    from knnclip.catalogue import FrozenParts
    from knnclip.datasets import Dataset
    from knnclip.evaluation.splits import EncodedSplits
    from knnclip.ingest import IngestSettings
    from knnclip.presets import Preset

ValArgument = Annotated[Path, typer.Argument(help="Folder of the labelled data set that is asked.", show_default=False)]
RowsOption = Annotated[int, typer.Option(min=1, help="Rows of one picture, at most.")]
PresetOption = Annotated[str, typer.Option(help="What cuts and encodes the pictures.")]
EncoderOption = Annotated[str | None, typer.Option(help="In place of the preset's.")]
ReportOption = Annotated[
    Path | None, typer.Option("--report", "-o", help="Folder for report.html, JSON, CSV and the curve.")
]


@dataclass(frozen=True)
class Prepared:
    """The pictures of both splits, cut and encoded."""

    preset: Preset
    parts: FrozenParts
    material: EncodedSplits

    def protocol(self, train: Sequence[Path], val: Path, max_rows: int) -> dict[str, object]:
        """What decides the figures of both protocols."""
        return {
            "train": [str(folder) for folder in train],
            "val": str(val),
            "classes": list(self.material.class_names),
            "images_asked": len(self.material.asked),
            "max_instances_per_image": max_rows,
            "preset": self.preset.name,
            "encoder": str(self.parts.encoder.fingerprint),
            "vote": str(self.preset.vote),
            "fusion": str(self.preset.fusion),
        }


@dataclass(frozen=True)
class Splits:
    """The data sets to learn from, and the one to be asked."""

    train: Sequence[Dataset]
    val: Dataset
    settings: IngestSettings

    def names(self) -> tuple[str, ...]:
        """The classes that both splits have."""
        from knnclip.evaluation.splits import common_classes

        return common_classes(self.train, self.val, self.settings)


def open_splits(
    train: Sequence[Path],
    val: Path,
    format: str,  # noqa: A002 - the option's name
    ignore: Sequence[str],
    max_rows: int,
) -> Splits:
    """Opens the data sets, before anything is made of their pictures."""
    from knnclip.ingest import IngestSettings

    *learned, asked = (open_data(folder, format, ignore) for folder in (*train, val))
    return Splits(learned, asked, IngestSettings(max_instances_per_image=max_rows))


def prepare(
    splits: Splits,
    *,
    preset: str,
    encoder: str | None,
    weights: Path | None,
    device: str,
    cache: Path | None,
    workers: int,
) -> Prepared:
    """Encodes the pictures of both splits, with a bar for the progress."""
    from knnclip.catalogue import PartOverrides, make_parts
    from knnclip.evaluation.splits import encode
    from knnclip.presets import preset_by_name

    chosen = PartOverrides.read(encoder=encoder, weights=weights).into(preset_by_name(preset))
    parts = make_parts(chosen, device, cache)
    with Bar("encode") as bar:
        material = encode(
            chosen,
            parts,
            splits.train,
            splits.val,
            splits.settings,
            workers=workers,
            progress=bar,
        )
    return Prepared(chosen, parts, material)


def finish(prepared: Prepared, report: Path | None, protocol: str) -> None:
    """Writes the page anew and says what could not be read, in a file of the protocol's own."""
    from knnclip.evaluation.report.page import write_page

    if report is not None:
        typer.echo(f"report in {write_page(report)}")
    if report is not None or prepared.material.rejected:
        report_rejections(prepared.material.rejected, (report or Path()) / f"rejected_{protocol}.jsonl")


def run_facts() -> dict[str, object]:
    """By which command and versions."""
    from knnclip.evaluation.runs import versions

    return {"command": shlex.join(sys.argv), "versions": versions()}


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation over the seeds, in percent; a dash where one is undefined."""
    if any(math.isnan(value) for value in values):
        return "-"
    mean = sum(values) / len(values)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
    return f"{100 * mean:.1f}±{100 * deviation:.1f}"
