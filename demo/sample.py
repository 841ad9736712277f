"""The store and pictures that the app begins with when it is not given a store: everything but the traffic cone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from demo.session import Parts
from knnclip.cli.common import Bar, tell_time
from knnclip.datasets import open_dataset
from knnclip.datasets.sample_data import write_sample_data
from knnclip.images import IMAGE_SUFFIXES
from knnclip.ingest import IngestSettings, ingest
from knnclip.segmenter import Segmenter
from knnclip.structures import UNKNOWN, Segmentation

LEFT_TO_TEACH = "traffic cone"
"""The class that the sample store does not know, so that there is something to teach."""

EXAMPLES = 6
"""Pictures that are offered: one line of them on a screen."""

SHOWN_SHARE = 0.002
"""Of a picture, unknown: as much as is easily pointed at."""


@dataclass(frozen=True)
class Sample:
    """What the app begins with."""

    store: Path
    examples: tuple[
        Path, ...
    ]  # pictures that the store has not seen; the first has something unknown in it, if any has


def make_sample(folder: Path, preset: str | None, parts: Parts) -> Sample:
    """Draws the sample data under ``folder`` and ingests it, unless that was done.

    How long that takes is told on standard error.
    """
    store, data = folder / "store", folder / "data"
    if not (data / "val").is_dir():
        write_sample_data(data)
    train = open_dataset(data / "train")
    with Segmenter.open(store, preset, **parts) as segmenter, Bar("sample store") as bar:
        tell_time(segmenter.preset, parts.get("device", "auto"))
        # A source that is complete is not read again, one that was interrupted is completed.
        ingest(segmenter, train, train.samples, IngestSettings(exclude=(LEFT_TO_TEACH,)), progress=bar)
        return Sample(store, _examples(segmenter, data / "val" / "images"))


def _examples(segmenter: Segmenter, folder: Path) -> tuple[Path, ...]:
    pictures = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in IMAGE_SUFFIXES][:EXAMPLES]
    first = next((path for path in pictures if _shows_unknown(segmenter.segment(path))), pictures[0])
    return (first, *(path for path in pictures if path != first))


def _shows_unknown(answer: Segmentation) -> bool:
    return bool((answer.semantic == UNKNOWN).mean() >= SHOWN_SHARE)
