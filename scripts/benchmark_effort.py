"""Labelling effort: pictures and clicks until the rest of a folder is answered well, for several orders of pictures.

python scripts/benchmark_effort.py DATA [--preset light] [--every 6] [--goal 45] [--orders review,random,least-sure]

The true labels stand for the person, who works through ``knnclip.projects`` as a page does. In each picture the largest
wrong region is drawn and taught (a click) until none of at least 1 % of the picture is left; then the picture is
accepted (a click). After each picture all others are relabelled, and the mIoU of those that are not checked is taken.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knnclip.datasets import Dataset, Sample, open_dataset
from knnclip.errors import lookup
from knnclip.projects import STATES, Order, Picture, Project
from knnclip.segmenter import Segmenter
from knnclip.structures import Int32, Mask, Segmentation

LEAST_WRONG = 0.01
"""Share of a picture: a person does not chase smaller mistakes, and a larger limit accepts what is plainly wrong."""

ORDERS: dict[str, Order | None] = {
    "review": "review", "random": None, "least-sure": "least-sure", "most-unknown": "most-unknown",
}  # fmt: skip
"""The orders by name; None is by chance."""


@dataclass(frozen=True)
class Point:
    """After one more picture."""

    order: str
    pictures: int
    clicks: int
    miou: float  # of the pictures that are not checked, in percent


@dataclass(frozen=True, eq=False)
class Truth:
    """The labels of a folder, by the name of the file."""

    dataset: Dataset
    samples: dict[str, Sample]

    def of(self, picture: Picture) -> Int32:
        """``(H, W)``: index into the classes, -1 where nothing is said."""
        return self.dataset.load(self.samples[picture.path]).label_map


def indices(answer: Segmentation, names: Sequence[str]) -> Int32:
    """``(H, W)``: an answer by the classes of the data set, their number for all else."""
    own = {info.class_id: info.name for info in answer.vocabulary}
    table = np.full(max(own, default=0) + 1, len(names), dtype=np.int32)
    for class_id, name in own.items():
        if name in names:
            table[class_id] = names.index(name)
    return table[answer.semantic]


def largest_wrong(found: Int32, truth: Int32) -> tuple[Mask, int] | None:
    """The largest connected region of one true class that has another answer, if it is large enough to be seen."""
    from skimage.measure import label

    wrong = label(np.where((truth >= 0) & (found != truth), truth + 1, 0), background=0, connectivity=2)
    areas = np.bincount(wrong.ravel())[1:]
    if not areas.size or areas.max() < LEAST_WRONG * truth.size:
        return None
    region = wrong == areas.argmax() + 1
    return Mask.from_dense(region), int(truth[region][0])


def work_on(project: Project, picture: Picture, truth: Int32, names: Sequence[str]) -> int:
    """Teaches a picture until it is right, and accepts it; returns the clicks."""
    clicks = 1
    answer = project.label(picture.picture_id)
    while (wrong := largest_wrong(indices(answer, names), truth)) is not None:
        mask, class_index = wrong
        project.segmenter.teach(project.analysis(picture.picture_id), mask, names[class_index])
        project.correct(picture.picture_id, mask, names[class_index])
        answer = project.label(picture.picture_id)
        clicks += 1
    project.accept(picture.picture_id)
    return clicks


def miou(project: Project, truth: Truth) -> float:
    """Of the pictures that are not checked, in percent, over the classes that they have."""
    names = truth.dataset.class_names
    size = len(names) + 1
    counts: NDArray[np.int64] = np.zeros((size, size), dtype=np.int64)
    for item in project.answers([state for state in STATES if state != "checked"]):
        true, found = truth.of(item.picture), indices(item.answer, names)
        said = true >= 0
        counts += np.bincount(true[said] * size + found[said], minlength=size * size).reshape(size, size)
    both = np.diag(counts)[:-1]
    union = (counts.sum(axis=0) + counts.sum(axis=1))[:-1] - both
    there = counts.sum(axis=1)[:-1] > 0
    return float(100 * (both[there] / union[there]).mean())


def curve(project: Project, order: str, truth: Truth, goal: float, most: int, seed: int) -> list[Point]:
    """The points until the goal is reached, or so many pictures are done."""
    shuffled = np.random.default_rng(seed).permutation(len(project.pictures())).tolist()
    by_chance = [project.pictures()[at].picture_id for at in shuffled]
    project.start()
    project.wait()
    points: list[Point] = []
    clicks = 0
    for number in range(1, most + 1):
        known = ORDERS[order]
        picture = project.picture(by_chance[number - 1]) if known is None else project.following(None, known)
        if picture is None:
            break
        began = time.monotonic()
        clicks += work_on(project, picture, truth.of(picture), truth.dataset.class_names)
        project.start()
        project.wait()
        points.append(Point(order, number, clicks, miou(project, truth)))
        print(json.dumps(asdict(points[-1]) | {"seconds": round(time.monotonic() - began, 1)}), flush=True)
        if points[-1].miou >= goal:
            break
    return points


def main() -> None:
    """Runs the orders one after the other and prints where each reached the goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--preset", default="light")
    parser.add_argument("--cache", type=Path, help="a folder for what networks make of the pictures")
    parser.add_argument("--every", type=int, default=6, help="takes each so many-th picture")
    parser.add_argument("--goal", type=float, default=45.0, help="mIoU of the rest in percent")
    parser.add_argument("--most", type=int, default=30, help="pictures to work on at most")
    parser.add_argument("--orders", default="review,random,least-sure")
    parser.add_argument("--seed", type=int, default=0, help="of the random order")
    options = parser.parse_args()
    dataset = open_dataset(options.data)
    chosen = dataset.samples[:: options.every]
    truth = Truth(dataset, {sample.image_path.name: sample for sample in chosen})
    ends = []
    for order in options.orders.split(","):
        lookup("order", order, ORDERS)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "pictures"
            folder.mkdir()
            for sample in chosen:
                (folder / sample.image_path.name).symlink_to(sample.image_path.absolute())
            with (
                Segmenter.open(Path(scratch) / "store", options.preset, cache=options.cache) as segmenter,
                Project.open(segmenter, folder) as project,
            ):
                ends.append(curve(project, order, truth, options.goal, options.most, options.seed)[-1])
    for end in ends:
        print(f"{end.order:12} {end.pictures:3} pictures {end.clicks:4} clicks {end.miou:5.1f} mIoU")


if __name__ == "__main__":
    main()
