"""Fusion with a real base classifier: mIoU of base alone, retrieval alone, the paper's fusion and the default one.

python scripts/benchmark_fusion.py COCO --classifier onnx:NETWORK,labels=LABELS [--encoder TEXT] [--weights FILE]

The queries are the ground-truth masks of one fold of the images; the store has so many shots a class from the other
folds, and no rows of some of the classes. A mask counts with its area; unknown is a miss. The classes are those of the
data set, whether the base knows them or not; it is asked for them by their names and the synonyms below.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np

from knnclip.catalogue import FrozenParts, PartOverrides, make_parts
from knnclip.datasets import MIN_AREA_PX, open_dataset
from knnclip.decision.discriminant import DiscriminantSettings
from knnclip.decision.fusion import FusionSettings
from knnclip.opinions import beliefs_of
from knnclip.parts.roles import Encoder, ZeroShotClassifier
from knnclip.presets import Preset, preset_by_name
from knnclip.store import Store
from knnclip.structures import Float32, ImageReference, Int64, LabelledInstance, Mask

SYNONYMS = {
    "airplane": "aeroplane", "couch": "sofa", "dining table": "diningtable", "motorcycle": "motorbike",
    "potted plant": "pottedplant", "tv": "tvmonitor",
}  # fmt: skip
"""What Pascal VOC calls classes of COCO."""

FOLDS = 4
SHOTS = (1, 5, 20)
UNSUPPORTED = (0.0, 0.25, 0.5)
WAYS = ("base", "retrieval", "paper", "default")


@dataclass(frozen=True, eq=False)
class Picture:
    """What is known of one image before any store is asked."""

    reference: ImageReference
    masks: tuple[Mask, ...]  # N
    names: tuple[str, ...]  # N
    embeddings: Float32  # (N, D)
    descriptions: Float32  # (N, E)
    cells: None = None  # the true masks are asked, not places


def read(root: Path, encoder: Encoder, classifier: ZeroShotClassifier) -> list[Picture]:
    """The images of a data set with their ground-truth masks encoded."""
    dataset = open_dataset(root)
    pictures = []
    for number, sample in enumerate(dataset.samples, start=1):
        labelled = dataset.load(sample)
        kept = [item for item in labelled.instances if not item.is_crowd and item.mask.area >= MIN_AREA_PX]
        masks = tuple(item.mask for item in kept)
        reference = ImageReference(sample.ref, labelled.image.shape[1], labelled.image.shape[0])
        embeddings = encoder.encode(labelled.image, masks)
        described = classifier.describe(labelled.image, masks)
        pictures.append(Picture(reference, masks, tuple(item.class_name for item in kept), embeddings, described))
        print(f"\rencoded {number} of {len(dataset.samples)} images", end="", flush=True)
    print()
    return [picture for picture in pictures if picture.masks]


def chosen(
    pictures: Sequence[Picture], shots: int, without: set[str], rng: np.random.Generator
) -> Iterator[LabelledInstance]:
    """Up to ``shots`` instances of each class, of different images first."""
    seen: dict[str, list[tuple[int, float, int, int]]] = {}
    for p, picture in enumerate(pictures):
        of_image: dict[str, int] = {}
        for i in rng.permutation(len(picture.masks)).tolist():
            name = picture.names[i]
            of_image[name] = of_image.get(name, 0) + 1
            seen.setdefault(name, []).append((of_image[name], float(rng.random()), p, i))
    for name, found in seen.items():
        for _, _, p, i in sorted(found)[:shots] if name not in without else ():
            picture = pictures[p]
            yield LabelledInstance(picture.embeddings[i], name, picture.reference, picture.masks[i])


def one_fold(
    asked: Sequence[Picture],
    stored: Sequence[LabelledInstance],
    names: Sequence[str],
    made: FrozenParts,
    preset: Preset,
) -> dict[str, Int64]:
    """``(C, C + 1)`` pixels of each true class by the class that each way gives; the last column is unknown."""
    ways = {
        "base": replace(preset, fusion=FusionSettings("base")),
        "retrieval": replace(preset, fusion=FusionSettings("retrieval")),
        "paper": replace(preset, fusion=FusionSettings("paper"), discriminant=DiscriminantSettings(0, 0)),
        "default": preset,
    }
    with tempfile.TemporaryDirectory() as folder, Store.create(Path(folder) / "s", made.encoder.fingerprint) as store:
        for name in names:
            store.add_class(name, synonyms=(SYNONYMS[name],) if name in SYNONYMS else ())
        store.add(list(stored), store.begin_source("ingest", "shots"))
        confusion = {way: np.zeros((len(names), len(names) + 1), dtype=np.int64) for way in WAYS}
        with store.view() as view:
            column = {info.name: c for c, info in enumerate(view.vocabulary)}
            for picture in asked:
                neighbors = view.search(picture.embeddings, preset.vote.k)
                truth = [column[name] for name in picture.names]
                areas = [mask.area for mask in picture.masks]
                believed = beliefs_of(view, neighbors, picture, made.classifier, list(ways.values()))
                for way, beliefs in zip(ways, believed, strict=True):
                    belief = beliefs.retrieval if way == "retrieval" else beliefs.final
                    with_unknown = np.concatenate([belief, 1 - belief.sum(axis=1, keepdims=True)], axis=1)
                    np.add.at(confusion[way], (truth, with_unknown.argmax(axis=1)), areas)
    return confusion


def miou(confusion: Int64) -> float:
    """Mean IoU over the classes that occur."""
    square = confusion[:, :-1]
    hit, truth, said = np.diag(square), confusion.sum(axis=1), square.sum(axis=0)
    present = truth > 0
    return float((hit[present] / (truth + said - hit)[present]).mean())


def table(
    pictures: Sequence[Picture], made: FrozenParts, preset: Preset, seeds: int
) -> dict[tuple[int, float], dict[str, list[float]]]:
    """mIoU by shots and share of unsupported classes, for each way and seed."""
    names = sorted({name for picture in pictures for name in picture.names})
    cells: dict[tuple[int, float], dict[str, list[float]]] = {}
    for shots, unsupported in product(SHOTS, UNSUPPORTED):
        cell = cells[shots, unsupported] = {way: [] for way in WAYS}
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            order = rng.permutation(len(pictures))
            without = set(rng.permutation(names)[: round(unsupported * len(names))].tolist())
            total = dict.fromkeys(WAYS, np.zeros(1, dtype=np.int64))
            for fold in range(FOLDS):
                asked = [pictures[i] for i in order[fold::FOLDS]]
                others = [pictures[i] for i in np.setdiff1d(order, order[fold::FOLDS])]
                stored = list(chosen(others, shots, without, rng))
                for way, confusion in one_fold(asked, stored, names, made, preset).items():
                    total[way] = total[way] + confusion
            for way in WAYS:
                cell[way].append(miou(total[way]))
    return cells


def show(cells: dict[tuple[int, float], dict[str, list[float]]]) -> None:
    """The table, and what the default gains over the better of base and retrieval alone."""
    print("shots  without rows " + "".join(f"{way:>16}" for way in WAYS) + "   default - better")
    for (shots, unsupported), cell in cells.items():
        mean = {way: 100 * np.mean(found) for way, found in cell.items()}
        shown = "".join(f"{mean[way]:9.1f} ± {100 * np.std(cell[way]):4.1f}" for way in WAYS)
        gain = mean["default"] - max(mean["base"], mean["retrieval"])
        print(f"{shots:5}  {unsupported:12.0%} {shown}   {gain:+.1f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--classifier", required=True)
    parser.add_argument("--encoder", help="in place of that of preset light")
    parser.add_argument("--weights", type=Path, help="local file of the encoder's networks")
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    named = PartOverrides.read(encoder=given.encoder, classifier=given.classifier, weights=given.weights)
    preset = named.into(preset_by_name("light"))
    made = make_parts(preset, "cpu")
    assert made.classifier is not None, "one was named"
    pictures = read(given.data, made.encoder, made.classifier)
    show(table(pictures, made, preset, given.seeds))
