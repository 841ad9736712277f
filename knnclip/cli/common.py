"""What the sub-commands share: where the store is, how progress looks, what becomes of rejections."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Self

import typer

if TYPE_CHECKING:
    from knnclip.datasets import Dataset, Rejection
    from knnclip.presets import Preset
    from knnclip.segmenter import Segmenter
    from knnclip.vocabulary import Vocabulary

EXIT_REJECTED = 3
EXIT_INTERRUPTED = 130
"""What shells give a program that Ctrl-C ended."""

STEERING = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Categories of Unicode: control characters, halves of surrogate pairs, separators of lines and paragraphs."""

TURNING = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
"""Bidirectional classes of Unicode that make text read in another order than it is in."""

SLOW_S = 2.0
"""From here on whoever waits wants to know for how long, see ``tell_time``."""

DEFAULT_STORE = Path("index_store/default")


def repeatable(about: str, *names: str) -> object:
    """An option that may be given several times, for a list that is empty without it; ``about`` is its help.

    Parameters with it stand after a ``*``, for they have no default in the signature.
    """
    return typer.Option(*names, help=about, default_factory=list, show_default=False)


StoreOption = Annotated[
    Path, typer.Option("--store", "-s", envvar="KNNCLIP_STORE", help="Folder of the store.", show_default=True)
]
StoreArgument = Annotated[Path, typer.Argument(help="Folder of the store.", show_default=False)]
DatasetArgument = Annotated[Path, typer.Argument(help="Folder of the labelled data set.", show_default=False)]
ValArgument = Annotated[
    Path, typer.Argument(help="Folder of the labelled data set that is scored.", show_default=False)
]
FormatOption = Annotated[str, typer.Option("--format", "-f", help="auto, or one that `knnclip datasets` lists.")]
IgnoreOption = Annotated[list[str], repeatable("Class name or index never stored or scored.", "--ignore")]
ImagesOption = Annotated[
    list[str], repeatable("Only images whose name matches this pattern, for example '0001TP*'.", "--images")
]
PARTS_HELP = "in place of the preset's; `knnclip presets parts` lists what there is."
MasksOption = Annotated[str | None, typer.Option(help=f"Mask generator {PARTS_HELP}")]
EncoderOption = Annotated[str | None, typer.Option(help=f"Encoder {PARTS_HELP}")]
ClassifierOption = Annotated[str | None, typer.Option(help=f"Classifier {PARTS_HELP}")]
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
ProtocolPresetOption = Annotated[
    str | None, typer.Option("--preset", help="What cuts and encodes the images, in place of the default preset.")
]
ProtocolEncoderOption = Annotated[str | None, typer.Option("--encoder", help="In place of the preset's.")]
ProtocolReportOption = Annotated[
    Path | None, typer.Option("--report", "-o", help="Folder for report.html, JSON, CSV and the curve.")
]
UntunedOption = Annotated[
    bool, typer.Option("--untuned", help="Answer by the preset's own settings, whatever the store was tuned to.")
]
WorkersOption = Annotated[int, typer.Option("--workers", min=1, help="Images under work at once.")]


def printable(text: object) -> str:
    """Text for a terminal: what would steer it, break the line or turn the direction of writing is shown as escapes."""
    return "".join(
        letter.encode("unicode_escape").decode()
        if unicodedata.category(letter) in STEERING or unicodedata.bidirectional(letter) in TURNING
        else letter
        for letter in str(text)
    )


def tell_time(preset: Preset, device: str) -> None:
    """Says on standard error how long a picture takes, where a preset's networks need more than ``SLOW_S`` for one."""
    from knnclip.catalogue import roles_of
    from knnclip.parts.device import pick_device
    from knnclip.presets import PRESETS

    published = PRESETS.get(preset.name)  # a network that answers alone is no preset
    if published is None or published.cost.cpu_s < SLOW_S:
        return
    same = [spec.name for spec, _ in roles_of(published)] == [spec.name for spec, _ in roles_of(preset)]
    if same and pick_device(device).type == "cpu":
        took = f"about {published.cost.cpu_s:g} s on two cores for a picture of 640 x 480"
        typer.echo(f"preset {preset.name} on the CPU: {took}, up to {published.cost.memory_mb / 1000:.1f} GB", err=True)


class Bar:
    """``Progress`` as a bar on standard error with the count, the rate and the time left, while the context lasts."""

    def __init__(self, description: str, unit: str = "images") -> None:
        """Nothing is drawn before ``start``, so that a bar of work that was done already does not show."""
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
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar.live.is_started:
            self._bar.stop()

    def start(self, total: int, done: int = 0) -> None:
        """Shows how many there are."""
        self._task = self._bar.add_task(self._description, total=total, completed=done, rate="")
        self._bar.start()

    def followed_by(self, description: str, unit: str) -> Bar:
        """A bar for what comes next, below this one and as long as it lasts."""
        below = Bar(description, unit)
        below._bar = self._bar
        return below

    def advance(self) -> None:
        """One further, with the rate brought up to date."""
        self._bar.advance(self._task)
        speed = self._bar.tasks[self._task].speed
        self._bar.update(self._task, rate=f"{speed:.1f} {self._unit}/s" if speed else "")


def read_names(segmenter: Segmenter, vocabulary: Vocabulary | None = None) -> None:
    """Has a segmenter's parts read the names of its classes, or of a vocabulary, with a bar if there are new ones."""
    with Bar("class names", "names") as bar:
        segmenter.read_names(bar, vocabulary)


def open_data(directory: Path, data_format: str, ignore: Sequence[str]) -> Dataset:
    """A labelled data set; where its format was recognised, what was seen is told on standard error."""
    from knnclip.datasets import open_dataset

    dataset = open_dataset(directory, data_format, ignore=ignore)
    if data_format == "auto":
        typer.echo(printable(f"{directory}: {dataset.summary}"), err=True)
    return dataset


@contextmanager
def continuable(how: str) -> Iterator[None]:
    """Ends the command with ``EXIT_INTERRUPTED`` if somebody presses Ctrl-C, and says ``how`` to go on."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(printable(f"stopped; {how}."), err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None


def report_rejections(rejected: Sequence[Rejection], path: Path) -> None:
    """Writes the list of what was rejected, says where and what the first is, and ends the command with exit code 3.

    Without rejections the list of an earlier run is removed, and the command goes on.
    """
    from knnclip.datasets import write_rejections

    write_rejections(rejected, path)
    if not rejected:
        return
    first = rejected[0]
    about = f"{len(rejected)} rejected, listed in {path}; the first: {first}."
    typer.echo(printable(about), err=True)
    raise typer.Exit(EXIT_REJECTED)
