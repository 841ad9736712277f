"""Batch evaluation for clusters: any number of shards score their images into one folder, a last call makes the report.

    python scripts/evaluate_miou.py DATA --store S --report O --shard 0/4     # ... to 3/4, anywhere, at any time
    python scripts/evaluate_miou.py DATA --store S --report O --merge

A shard that was interrupted continues when it is run again, and an image that any shard has is not scored twice. The
store and the data must be the same for all.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from knnclip.cli.evaluate import print_scores, seen_classes
from knnclip.datasets import open_dataset
from knnclip.errors import KnnclipError
from knnclip.evaluate import MASK_SOURCES
from knnclip.runs import Evaluation, report, score_images
from knnclip.segmenter import Segmenter


def main() -> None:
    """Scores one shard, or merges what all of them scored."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="folder of the labelled data set")
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--report", type=Path, required=True, help="folder that all shards share")
    parser.add_argument("--format", default="auto")
    parser.add_argument("--ignore", action="append", default=[], help="class never scored; may be repeated")
    parser.add_argument("--masks", choices=MASK_SOURCES, default="own")
    parser.add_argument("--seen", help="base vocabulary, as of `knnclip evaluate`")
    parser.add_argument("--compare", action="append", default=[], help="as of `knnclip evaluate`; may be repeated")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--cache", type=Path, help="folder that keeps what networks make of pictures")
    parser.add_argument("--workers", type=int, default=2)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--shard", type=read_shard, metavar="i/n", help="score the i-th of n parts, from 0")
    what.add_argument("--merge", action="store_true", help="make the report of all shards")
    asked = parser.parse_args()

    dataset = open_dataset(asked.data, asked.format, ignore=asked.ignore)
    with Segmenter.open(
        asked.store, weights=asked.weights, device=asked.device, cache=asked.cache, read_only=True
    ) as segmenter:
        evaluation = Evaluation(segmenter, dataset, dataset.samples, asked.masks, asked.compare)
        if asked.merge:
            seen = None if asked.seen is None else seen_classes(dataset, asked.seen)
            scores, rejected = report(evaluation, asked.report, seen=seen, command=shlex.join(sys.argv))
            print_scores(scores)
            print(f"{len(rejected)} rejected; report in {asked.report / 'report.html'}")
        else:
            number, of = asked.shard
            score_images(
                evaluation,
                asked.report,
                shard=asked.shard,
                workers=asked.workers,
                on_start=lambda done, total: print(f"shard {number}/{of}: {done} of {total} are done", flush=True),
                on_image=lambda: print(".", end="", flush=True),
            )
            print(f"\nshard {number}/{of} is done")


def read_shard(text: str) -> tuple[int, int]:
    """``i/n`` -> i and n."""
    number, _, of = text.partition("/")
    if not (number.isdigit() and of.isdigit()):
        raise argparse.ArgumentTypeError(f"expected i/n, as 0/4, found {text!r}")
    return int(number), int(of)


if __name__ == "__main__":
    try:
        main()
    except KnnclipError as error:
        sys.exit(f"error: {error}")
