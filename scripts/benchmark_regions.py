"""How well the regions follow a picture, whatever is said of them: perfect labels on the atoms.

python scripts/benchmark_regions.py camvid CAMVID [--every 4] [--cells]   by sequence; --cells also guided by `light`
python scripts/benchmark_regions.py photograph COCO [--pictures 3]        shapes of known borders, 12 megapixels

An atom's label is the class of most of its pixels. Run it on another version of knnclip to compare; seconds are of the
processor, on this machine.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from knnclip.catalogue import make_parts
from knnclip.datasets import open_dataset
from knnclip.decision.atoms import partition
from knnclip.images import read_image
from knnclip.masks.regions import RegionGenerator
from knnclip.metrics.semantic import SemanticConfusion
from knnclip.presets import preset_by_name
from knnclip.structures import Image, Int32, Proposals

SEQUENCES = ("0001TP", "0006R0", "0016E5")
HEIGHT_PX, WIDTH_PX = 3000, 4000
SHAPES = 14
"""On a background: about as many things as a street shows at once."""

SUBPIXEL_BITS = 4
"""Shapes are drawn to a sixteenth of a pixel, with soft edges, as a lens gives them."""

Generate = Callable[[Image], Proposals]


def perfect(proposals: Proposals, truth: Int32, classes: int) -> Int32:
    """``(H, W)``: the class of most pixels of each atom; those without a truth do not count."""
    labels = partition(proposals).labels
    side = classes + 1  # 0 is what has no truth
    pairs = labels.ravel().astype(np.int64) * side + truth.ravel() + 1
    counts = np.bincount(pairs, minlength=(int(labels.max()) + 1) * side).reshape(-1, side)
    best: Int32 = counts[:, 1:].argmax(axis=1).astype(np.int32)
    return best[labels]


def measure(name: str, pictures: Iterable[tuple[Image, Int32]], classes: tuple[str, ...], generate: Generate) -> None:
    """Prints one line: ceiling, boundary IoU, masks and seconds of each picture, and the lowest classes."""
    confusion, masks, seconds, count = SemanticConfusion(classes), 0, 0.0, 0
    for image, truth in pictures:
        start = time.process_time()
        proposals = generate(image)
        seconds += time.process_time() - start
        confusion.update(truth, perfect(proposals, truth, len(classes)))
        masks, count = masks + len(proposals), count + 1
    scores = confusion.compute()
    lowest = sorted((row.iou, row.name) for row in scores.classes if row.truth_px > 0)[:4]
    print(
        f"{name:24} ceiling {100 * scores.miou_truth:5.1f}  boundary IoU {100 * scores.boundary_iou:5.1f}  "
        f"masks {masks / count:4.0f}  {seconds / count:5.2f} s  "
        + ", ".join(f"{name} {100 * iou:.0f}" for iou, name in lowest),
        flush=True,
    )


def camvid(root: Path, every: int, *, cells: bool) -> None:
    """The three sequences of the training set."""
    dataset = open_dataset(root / "train")
    ways: dict[str, Generate] = {"": RegionGenerator().generate}
    if cells:
        encoder = make_parts(preset_by_name("light"), "cpu").encoder

        def guided(image: Image) -> Proposals:
            found = encoder.cells(image)
            return RegionGenerator().generate_by(image, found)

        ways[" guided"] = guided
    for sequence in SEQUENCES:
        samples = [sample for sample in dataset.samples if sequence in sample.ref][::every]
        for way, generate in ways.items():
            loaded = (dataset.load(sample) for sample in samples)
            pictures = ((labelled.image, labelled.label_map) for labelled in loaded)
            measure(sequence + way, pictures, tuple(dataset.class_names), generate)


def photograph(files: list[Path], seed: int) -> tuple[Image, Int32]:
    """A picture of 12 megapixels and its truth: shapes filled with enlarged photographs, blurred and with grain."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((HEIGHT_PX, WIDTH_PX, 3), dtype=np.float32)
    truth = np.zeros((HEIGHT_PX, WIDTH_PX), dtype=np.int32)
    for label in range(SHAPES + 1):
        cover = shape(rng) if label else np.full(truth.shape, 255, dtype=np.uint8)
        texture = cv2.resize(
            read_image(files[int(rng.integers(len(files)))]), (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC
        ).astype(np.float32)
        filled = (texture - texture.mean(axis=(0, 1))) / 4 + rng.uniform(40, 215, 3).astype(np.float32)
        alpha = cover[..., None].astype(np.float32) / 255
        picture += alpha * (filled - picture)
        truth[cover >= 128] = label
    picture = cv2.GaussianBlur(picture, (0, 0), 0.8) + rng.normal(0, 3, picture.shape).astype(np.float32)
    return picture.clip(0, 255).astype(np.uint8), truth


def shape(rng: np.random.Generator) -> NDArray[np.uint8]:
    """``(H, W)``: the cover, 0 to 255, of an ellipse, a polygon or, half the time, a pole."""
    cover = np.zeros((HEIGHT_PX, WIDTH_PX), dtype=np.uint8)
    kind, centre, turn = rng.integers(4), rng.uniform(0, (WIDTH_PX, HEIGHT_PX)), rng.uniform(0, np.pi)
    if kind == 0:
        corners = np.linspace(0, 2 * np.pi, 200, endpoint=False)
        points = np.stack([np.cos(corners), np.sin(corners)], axis=1) * rng.uniform(150, 700, 2)
    elif kind == 1:
        corners, radius = np.sort(rng.uniform(0, 2 * np.pi, 9)), rng.uniform(200, 800, (9, 1))
        points = np.stack([np.cos(corners), np.sin(corners)], axis=1) * radius
    else:
        points = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (rng.uniform(300, 1250), rng.uniform(6, 25))
    rotation = np.array([(np.cos(turn), np.sin(turn)), (-np.sin(turn), np.cos(turn))])
    drawn = ((centre + points @ rotation) * 2**SUBPIXEL_BITS).round().astype(np.int32)
    cv2.fillPoly(cover, [drawn], 255, cv2.LINE_AA, SUBPIXEL_BITS)
    return cover


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["camvid", "photograph"])
    parser.add_argument("data", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take every so manieth picture")
    parser.add_argument("--cells", action="store_true", help="also guided by the cells of preset light")
    parser.add_argument("--pictures", type=int, default=3)
    given = parser.parse_args()
    if given.what == "camvid":
        camvid(given.data, given.every, cells=given.cells)
    else:
        sources = sorted((given.data / "images").glob("*.jpg"))
        drawn = (photograph(sources, seed) for seed in range(given.pictures))
        measure("12 megapixels", drawn, tuple(f"shape {n}" for n in range(SHAPES + 1)), RegionGenerator().generate)
