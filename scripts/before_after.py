"""The whole path in a minute or two: sample data, ingest, mIoU before and after a class is added, and pictures.

python scripts/before_after.py OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

from knnclip.datasets import open_dataset
from knnclip.datasets.sample_data import write_sample_data
from knnclip.errors import UsageError
from knnclip.evaluation import add_up, judge_images
from knnclip.images import read_image, write_png
from knnclip.ingest import IngestSettings, ingest
from knnclip.metrics.semantic import SemanticScores
from knnclip.output.rendering import overlay, side_by_side
from knnclip.segmenter import Segmenter
from knnclip.structures import Image

NEW_CLASS = "traffic cone"


def main(out: Path) -> None:
    """Runs the demonstration and leaves everything it made in ``out``."""
    if (out / "store").exists():
        raise UsageError(f"{out / 'store'} is there already; remove {out} or choose another folder")
    print(f"drawing the sample data in {out / 'data'}")
    write_sample_data(out / "data")
    train, val = open_dataset(out / "data" / "train"), open_dataset(out / "data" / "val")
    picture = read_image(val.samples[0].image_path)

    with Segmenter.open(out / "store") as segmenter:

        def scores() -> SemanticScores:
            return add_up(judge_images(segmenter, val, val.samples), val).scores.semantic

        def answer() -> Image:
            return overlay(picture, segmenter.segment(picture), segmenter.store.vocabulary())

        print(f"ingesting {len(train.samples)} labelled images without {NEW_CLASS!r}")
        ingest(segmenter, train, train.samples, IngestSettings(exclude=(NEW_CLASS,)))
        before, shown_before = scores(), answer()
        print(f"adding {NEW_CLASS!r}: an insert, no training")
        ingest(segmenter, train, train.samples, IngestSettings(only=(NEW_CLASS,)))
        after, shown_after = scores(), answer()

    print(f"\n{'class':14} {'IoU before':>11} {'IoU after':>11}")
    for old, new in zip(before.classes, after.classes, strict=True):
        print(f"{old.name:14} {old.iou:11.1%} {new.iou:11.1%}")
    print(f"{'mIoU':14} {before.miou:11.1%} {after.miou:11.1%}")
    panels = [("picture", picture), (f"before {NEW_CLASS!r} was shown", shown_before), ("after", shown_after)]
    write_png(out / "before_after.png", side_by_side(panels))
    print(f"\nthe picture is {out / 'before_after.png'}, the store {out / 'store'}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
