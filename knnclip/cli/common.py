"""What the sub-commands share: where the store is, how progress looks, what becomes of rejections."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Self

import typer

from knnclip.errors import DatasetError

if TYPE_CHECKING:
    from knnclip.datasets import Dataset, Rejection, Sample

EXIT_REJECTED = 3
DEFAULT_STORE = Path("index_store/default")

StoreOption = Annotated[
    Path, typer.Option("--store", "-s", envvar="KNNCLIP_STORE", help="Folder of the store.", show_default=True)
]
StoreArgument = Annotated[Path, typer.Argument(help="Folder of the store.", show_default=False)]
DatasetArgument = Annotated[Path, typer.Argument(help="Folder of the labelled data set.", show_default=False)]
ValArgument = Annotated[
    Path, typer.Argument(help="Folder of the labelled data set that is scored.", show_default=False)
]
FormatOption = Annotated[str, typer.Option("--format", "-f", help="auto, or one that `knnclip datasets` lists.")]
IgnoreOption = Annotated[list[str], typer.Option("--ignore", help="Class name or index never stored or scored.")]
ImagesOption = Annotated[
    list[str], typer.Option("--images", help="Only images whose name matches this pattern, for example '0001TP*'.")
]
WeightsOption = Annotated[
    Path | None, typer.Option(help="Local file of the networks' weights, in place of the published ones.")
]
MinAreaOption = Annotated[int | None, typer.Option(min=1, help="Smallest proposal, in pixels.")]
MaxMasksOption = Annotated[int | None, typer.Option(min=1, help="Proposals of an image, at most.")]
DeviceOption = Annotated[str, typer.Option(help="Where networks run: auto, cuda, mps or cpu.")]
CacheOption = Annotated[
    Path | None, typer.Option(help="Folder that keeps what networks make of pictures, for the next run over them.")
]
MaxInstancesOption = Annotated[int, typer.Option(min=1, help="Instances that are stored of one image, at most.")]
ProtocolPresetOption = Annotated[str, typer.Option("--preset", help="What cuts and encodes the images.")]
ProtocolEncoderOption = Annotated[str | None, typer.Option("--encoder", help="In place of the preset's.")]
ProtocolReportOption = Annotated[
    Path | None, typer.Option("--report", "-o", help="Folder for report.html, JSON, CSV and the curve.")
]
WorkersOption = Annotated[int, typer.Option("--workers", min=1, help="Images under work at once.")]


class Bar:
    """``Progress`` as a bar on standard error with the count, the rate and the time left, while the context lasts."""

    def __init__(self, description: str, unit: str = "images") -> None:
        """Nothing is drawn before the context is entered."""
        self._description, self._unit = description, unit

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task(self._description, total=None, rate="")
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def start(self, total: int, done: int = 0) -> None:
        """Shows how many there are."""
        self._bar.update(self._task, total=total, completed=done)

    def advance(self) -> None:
        """One further, with the rate brought up to date."""
        self._bar.advance(self._task)
        speed = self._bar.tasks[self._task].speed
        self._bar.update(self._task, rate=f"{speed:.1f} {self._unit}/s" if speed else "")


def open_data(directory: Path, format: str, ignore: Sequence[str]) -> Dataset:  # noqa: A002 - as the option
    """A labelled data set; where its format was recognised, what was seen is told on standard error."""
    from knnclip.datasets import open_dataset

    dataset = open_dataset(directory, format, ignore=ignore)
    if format == "auto":
        objects = "objects told apart" if dataset.has_instances else "objects not told apart"
        counts = f"{len(dataset.samples):,} images, {len(dataset.classes)} classes, {objects}"
        typer.echo(f"{directory}: {dataset.format}, {counts}", err=True)
    return dataset


def select_samples(dataset: Dataset, patterns: Sequence[str]) -> list[Sample]:
    """The samples whose file name matches one of the patterns, all without patterns; ``DatasetError`` if none does."""
    samples = [
        sample
        for sample in dataset.samples
        if not patterns or any(fnmatch.fnmatchcase(sample.image_path.name, pattern) for pattern in patterns)
    ]
    if not samples:
        if patterns:
            raise DatasetError(f"no image of {dataset.root} matches --images {' '.join(patterns)}; check the pattern")
        first = dataset.rejected[0].reason if dataset.rejected else "it lists none"
        raise DatasetError(f"{dataset.root} has no image that can be read: {first}")
    return samples


def report_rejections(rejected: Sequence[Rejection], path: Path) -> None:
    """Writes the rejections to ``path``, one JSON object a line, says so, and ends the command with exit code 3.

    Without rejections an earlier run's file is removed: it would be taken for this run's.
    """
    from knnclip.files import write_atomically

    if not rejected:
        path.unlink(missing_ok=True)
        return
    lines = [json.dumps({"file": r.file, "place": r.place, "reason": r.reason}, ensure_ascii=False) for r in rejected]
    write_atomically(path, "".join(line + "\n" for line in lines).encode("utf-8", "backslashreplace"))
    typer.echo(
        f"{len(rejected)} rejected, listed in {path}; the first: {rejected[0].file}: {rejected[0].reason}", err=True
    )
    raise typer.Exit(EXIT_REJECTED)
