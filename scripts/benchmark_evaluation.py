"""How fast answers are scored, beside the programs whose figures everybody quotes, on the same arrays in one run.

    python scripts/benchmark_evaluation.py [--truth FOLDER] [--panoptic FOLDER]

``--truth``: a folder of index PNGs, as CamVid's labels; ``--panoptic``: a folder with panoptic_examples.json and its
PNGs, as panopticapi's sample; without them the arrays are drawn. detectron2 and panopticapi are measured where they can
be imported. All of it on one core, reading and decoding of files left out, since both sides would spend the same on it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import cv2
import numpy as np
from numpy.typing import NDArray

from knnclip.images import ids_as_rgb, ids_from_rgb, read_image, read_index_map
from knnclip.metrics.panoptic import PanopticQuality, SegmentInfo
from knnclip.metrics.semantic import SemanticConfusion

CLASSES, SHAPE = 19, (512, 1024)
"""Of the drawn arrays: Cityscapes' classes, at half its width and height, the size at which it is mostly trained."""

IMAGES = 12
"""Enough that an evaluator's work before and after the images is spread over them."""

ROUNDS = 15
"""The best of them counts; with fewer, what else the machine does shows in the ratios."""

MOST_TRUTHS = 40
"""Read of a folder, so that a round stays in seconds; the classes of a set occur in fewer."""


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--panoptic", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    truths = [drawn(rng) for _ in range(IMAGES)] if options.truth is None else read_truths(options.truth)
    classes = max(int(truth.max()) for truth in truths) + 1
    pairs = [(truth, answered(truth, classes, rng)) for truth in truths]
    print(f"semantic: {len(pairs)} images of {truths[0].shape[1]} x {truths[0].shape[0]}, {classes} classes")
    rates = {"knnclip": rate(lambda: semantic(pairs, classes), len(pairs))}
    for name, encodes in (("detectron2 SemSegEvaluator", True), ("its counting alone", False)):
        if (evaluator := detectron2_evaluator(classes, encodes=encodes)) is not None:
            rates[name] = rate(partial(evaluator, pairs), len(pairs))
    print_rates(rates)

    images = drawn_segments(rng) if options.panoptic is None else read_segments(options.panoptic, rng)
    print(f"\npanoptic: {len(images)} images of {images[0][0].shape[1]} x {images[0][0].shape[0]}")
    rates = {"knnclip": rate(lambda: panoptic(images), len(images))}
    if (api := panopticapi(images)) is not None:
        rates["panopticapi, one process"] = rate(api, len(images))
    print_rates(rates)


def rate(work: Callable[[], object], images: int) -> float:
    """Images a second of processor time, in the best of several rounds: what else the machine does only ever adds."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return images / min(seconds)


def print_rates(rates: dict[str, float]) -> None:
    """Each rate, and how many times that of the first the others are slower."""
    first = rates["knnclip"]
    for name, value in rates.items():
        print(f"  {name:32} {value:8.1f} images/s   {first / value:5.1f} x")


def drawn(rng: np.random.Generator) -> NDArray[np.int32]:
    """A map of blocks with some void."""
    coarse = rng.integers(-1, CLASSES, (8, 16))
    return coarse.repeat(SHAPE[0] // 8, 0).repeat(SHAPE[1] // 16, 1).astype(np.int32)


def answered(truth: NDArray[np.int32], classes: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """The truth a few pixels off, with blocks of wrong answers."""
    predicted = np.where(np.roll(truth, (3, 5), (0, 1)) < 0, 0, np.roll(truth, (3, 5), (0, 1)))
    for _ in range(6):
        y, x = rng.integers(0, truth.shape[0]), rng.integers(0, truth.shape[1])
        predicted[y : y + 60, x : x + 60] = rng.integers(0, classes)
    return predicted.astype(np.int32)


def read_truths(folder: Path) -> list[NDArray[np.int32]]:
    """Index images, the largest index, as CamVid's 11, being void."""
    maps = [read_index_map(file) for file in sorted(folder.glob("*.png"))[:MOST_TRUTHS]]
    void = max(int(found.max()) for found in maps)
    return [np.where(found == void, -1, found).astype(np.int32) for found in maps]


def semantic(pairs: Sequence[tuple[NDArray[np.int32], NDArray[np.int32]]], classes: int) -> float:
    """All of knnclip's semantic scores."""
    found = SemanticConfusion([str(c) for c in range(classes)])
    for truth, answer in pairs:
        found.update(truth, answer)
    return found.compute().miou


def detectron2_evaluator(
    classes: int, *, encodes: bool
) -> Callable[[Sequence[tuple[NDArray[np.int32], NDArray[np.int32]]]], object] | None:
    """Its evaluator fed with the same arrays, so that no file is read.

    It encodes each answer as run lengths for a JSON, which nobody may ask for; ``encodes`` False leaves that out.
    """
    try:
        from detectron2.evaluation import sem_seg_evaluation as theirs
    except ImportError as error:
        print(f"  detectron2 is not here ({error})")
        return None
    import torch

    names = [str(c) for c in range(classes)]
    catalog = SimpleNamespace(get=lambda _: [])
    metadata = SimpleNamespace(get=lambda _: SimpleNamespace(stuff_classes=names, ignore_label=255))
    with mock.patch.multiple(theirs, DatasetCatalog=catalog, MetadataCatalog=metadata):
        evaluator = theirs.SemSegEvaluator(
            "arrays",
            distributed=False,
            sem_seg_loading_fn=lambda truth, dtype: np.where(truth < 0, 255, truth).astype(dtype),
        )
    if not encodes:
        evaluator.encode_json_sem_seg = lambda *_: []

    class Labels(torch.Tensor):
        """What ``argmax`` of the network's scores gives, without the scores."""

        def argmax(self, dim: int) -> torch.Tensor:  # noqa: ARG002 - its classes are the labels themselves
            return self.as_subclass(torch.Tensor)

    def run(pairs: Sequence[tuple[NDArray[np.int32], NDArray[np.int32]]]) -> object:
        evaluator.reset()
        evaluator.input_file_to_gt_file = {str(i): truth for i, (truth, _) in enumerate(pairs)}
        for i, (_, answer) in enumerate(pairs):
            evaluator.process([{"file_name": str(i)}], [{"sem_seg": torch.from_numpy(answer).as_subclass(Labels)}])
        return evaluator.evaluate()

    return run


Segments = tuple[NDArray[np.int32], list[SegmentInfo], NDArray[np.int32], list[SegmentInfo]]


def drawn_segments(rng: np.random.Generator) -> list[Segments]:
    """Maps of 40 segments with large ids, and answers a few pixels off."""
    images = []
    for _ in range(IMAGES):
        ids = rng.permutation(2**24 - 1)[:40].astype(np.int32) + 1
        blocks = ids[rng.integers(0, 40, (8, 16))].repeat(SHAPE[0] // 8, 0).repeat(SHAPE[1] // 16, 1)
        images.append(beside(blocks, {int(i): int(i) % CLASSES for i in np.unique(blocks)}))
    return images


def read_segments(folder: Path, rng: np.random.Generator) -> list[Segments]:
    """panopticapi's sample, several times over."""
    content = json.loads((folder / "panoptic_examples.json").read_text())
    column = {category["id"]: i for i, category in enumerate(content["categories"])}
    images = []
    for annotation in content["annotations"]:
        ids = ids_from_rgb(read_image(folder / "panoptic_examples" / annotation["file_name"]))
        images.append(beside(ids, {s["id"]: column[s["category_id"]] for s in annotation["segments_info"]}))
    del rng
    return images * 6


def beside(ids: NDArray[np.int32], category: dict[int, int]) -> Segments:
    """A truth and an answer a few pixels off."""
    predicted = np.roll(ids, (3, 5), (0, 1))
    return tuple(  # type: ignore[return-value]
        part
        for image in (ids, predicted)
        for part in (image, [SegmentInfo(int(i), category[int(i)]) for i in np.unique(image) if i])
    )


def panoptic(images: Sequence[Segments]) -> float:
    """knnclip's panoptic quality."""
    found = PanopticQuality([str(c) for c in range(200)], [True] * 200)
    for image in images:
        found.update(*image)
    return found.compute().all.pq


def panopticapi(images: Sequence[Segments]) -> Callable[[], object] | None:
    """Its loop over the images in one process, its image reader replaced by the arrays."""
    try:
        from panopticapi import evaluation as theirs
    except ImportError as error:
        print(f"  panopticapi is not here ({error})")
        return None
    categories = {c: {"id": c, "isthing": 1} for c in range(200)}
    pixels: dict[str, NDArray[np.uint8]] = {}
    sets = []
    for number, image in enumerate(images):
        both = []
        for side, name in ((0, f"t{number}"), (2, f"p{number}")):
            pixels[name] = ids_as_rgb(image[side])  # type: ignore[arg-type]
            both.append((image[side], image[side + 1], name))
        sets.append(both)

    def run() -> object:
        annotations = [
            [
                {
                    "image_id": name,
                    "file_name": name,
                    "segments_info": [
                        {"id": s.segment_id, "category_id": s.category, "iscrowd": 0, "area": 1} for s in infos
                    ],
                }
                for _, infos, name in both
            ]
            for both in sets
        ]
        reader = SimpleNamespace(open=lambda name: pixels[Path(name).name])
        with mock.patch.object(theirs, "Image", reader), mock.patch("builtins.print"):
            stat = theirs.pq_compute_single_core(0, annotations, "", "", categories)
        return stat.pq_average(categories, isthing=None)

    return run


if __name__ == "__main__":
    # Whether glibc gives freed memory back between two calls is a matter of luck, and worth a factor of two to either
    # side; here it keeps it.
    keeping = {"MALLOC_TRIM_THRESHOLD_": str(2**30), "MALLOC_MMAP_THRESHOLD_": str(2**30)}
    if not keeping.keys() <= os.environ.keys():
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **keeping})
    main()
