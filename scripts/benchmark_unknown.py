"""Unknown: what tells masks of foreign classes from those of known ones, and what whole answers make of it.

python scripts/benchmark_unknown.py CAMVID COCO [--preset light] [--cache FOLDER] [--every 4] [--seeds 5]

Four questions. A third of the classes is left out of a store, as many times as there are seeds, and pictures of the
same data set are asked: CamVid's val, and a quarter of the images of COCO. A store of one of the two is asked for the
other's pictures, for classes that it does not have at all.

The first table has for each candidate the AUROC of masks that are mostly of one class, weighted by their areas: known
ones against foreign ones. ``answer`` is 1 - the probability of unknown in P_final, the other lines are what it could be
made of. The second has shares of pixels of whole answers: foreign ones called unknown, known ones called unknown, and
the mIoU of the known classes, beside that of the same store when it must always name a class.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knnclip.analysis import MIN_PURITY
from knnclip.datasets import Dataset, open_dataset
from knnclip.decision.likeness import LEAST_SPAN, energy_level, standing
from knnclip.decision.retrieval import posterior
from knnclip.evaluation.cases import Case, Shelf, make_case
from knnclip.evaluation.class_matching import index_of_class
from knnclip.ingest import IngestSettings, labelled_instances
from knnclip.metrics.semantic import SemanticConfusion
from knnclip.opinions import discriminant
from knnclip.segmenter import Segmenter
from knnclip.store import Store, View
from knnclip.structures import UNKNOWN, Float32, Int64, LabelledInstance

ROWS_A_PICTURE = 136
SHARED = {"person", "bicycle", "car", "motorcycle", "bus", "train", "truck", "traffic light", "stop sign"}
"""Classes of COCO that a street store has in some form: the person, the vehicles, the signs."""

OF_STREETS = {"Sky", "Building", "Pole", "Road", "Pavement", "Tree", "Fence"}
"""Classes of CamVid that COCO's things have in no form."""

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture, to be stored and to be asked."""

    instances: Sequence[LabelledInstance]
    case: Case
    class_name: NDArray[np.str_]  # (N,) of each mask the class of most of its pixels, "" where there is none
    area_px: Int64  # (N,)


@dataclass(frozen=True, eq=False)
class Question:
    """A store, pictures that it is asked for, and which of their classes it knows."""

    name: str
    stored: Sequence[LabelledInstance]
    known: tuple[Sequence[Picture], Dataset, set[str]]  # pictures, their data set, the classes that are known
    foreign: tuple[Sequence[Picture], Dataset, set[str]]  # the same of what is not


def read(dataset: Dataset, segmenter: Segmenter, every: int) -> list[Picture]:
    """Some pictures of a data set, encoded once."""
    shelf, settings = Shelf(), IngestSettings(max_instances_per_image=ROWS_A_PICTURE)
    pictures = []
    for sample in dataset.samples[::every]:
        labelled = dataset.load(sample)
        analysis = segmenter.analyse(labelled.image)
        counts = [np.bincount(mask.select(labelled.label_map) + 1) for mask in analysis.proposals.masks]
        area_px = np.array([mask.area for mask in analysis.proposals.masks], dtype=np.int64)
        names = [
            dataset.class_names[int(found[1:].argmax())] if found[1:].max(initial=0) >= MIN_PURITY * area else ""
            for found, area in zip(counts, area_px.tolist(), strict=True)
        ]
        instances = labelled_instances(segmenter, sample.ref, labelled, settings)
        case = make_case(labelled.label_map, len(dataset.class_names), analysis, shelf)
        pictures.append(Picture(instances, case, np.array(names), area_px))
    return pictures


def candidates(view: View, segmenter: Segmenter, picture: Picture) -> Mapping[str, Float64]:
    """What could tell known masks, which have more of it, from foreign ones: ``(N,)`` each."""
    vectors, preset = picture.case.embeddings, segmenter.preset
    neighbors = view.search(vectors, 32)
    votes = posterior(neighbors.nearest(preset.vote.k), view.vocabulary, view.census, preset.vote)
    (beliefs,) = segmenter.beliefs(view, picture.case, [preset])
    c, rows = beliefs.retrieval.argmax(axis=1), np.arange(len(vectors))
    floor, typical = view.levels.floor[c], view.levels.typical[c]
    near = (votes.similarity[rows, c] - typical) / np.maximum(typical - floor, LEAST_SPAN)
    sample = view.of_a_fold()
    assert sample is not None, "stores of many pictures are asked"
    made = discriminant(view, preset.discriminant, sample.fold).energy(sample.vectors)
    level = energy_level(made)
    assert level is not None, "stores of many rows are asked"
    energy = standing(discriminant(view, preset.discriminant).energy(vectors), level)
    within, around = view.kept("distances", lambda: distances(view))
    mahalanobis, background = -within(vectors), -around(vectors)
    similarity = neighbors.similarity.astype(np.float64)
    return {
        "max probability": beliefs.retrieval.max(axis=1),
        "nearest similarity": similarity[:, 0],
        "8th nearest": similarity[:, 7],
        "32nd nearest": similarity[:, 31],
        "energy of similarities": np.log(np.exp((similarity - 1) / preset.vote.tau).sum(axis=1)),
        "n: nearest by the class's levels": near,
        "e: energy by its levels": energy,
        "Mahalanobis": mahalanobis,
        "relative Mahalanobis": mahalanobis - background,
        "n + e": near + energy,
        "n, full at the floor": np.clip((near + 3) / 2, 0, 1),
        "min(n, e)": np.minimum(near, energy),
        "answer": beliefs.final.sum(axis=1),
    }


def distances(view: View) -> tuple[Callable[[Float32], Float64], Callable[[Float32], Float64]]:
    """Squared Mahalanobis distances to the nearest class mean and to the mean of all, shrunk as the discriminant."""
    moments = view.moments()
    n = moments.instances[moments.instances > 0]
    sums = moments.sums[moments.instances > 0]
    shrinkage, dim = max(0.1, 0.6 * moments.images ** (-1 / 3)), sums.shape[1]

    def of(means: Float64, counts: Float64) -> Callable[[Float32], Float64]:
        covariance = (moments.product - means.T @ (means * counts[:, None])) / (n.sum() - len(n))
        covariance = (1 - shrinkage) * covariance + shrinkage * np.trace(covariance) / dim * np.eye(dim)
        inverse = np.linalg.inv(covariance)

        def squared(vectors: Float32) -> Float64:
            x = vectors.astype(np.float64)
            to_means = (means @ inverse * means).sum(axis=1) - 2 * x @ inverse @ means.T
            found: Float64 = (x @ inverse * x).sum(axis=1) + to_means.min(axis=1)
            return found

        return squared

    return of(sums / n[:, None], n), of(sums.sum(axis=0, keepdims=True) / n.sum(), n.sum(keepdims=True))


def auroc(known: Float64, foreign: Float64, known_px: Float64, foreign_px: Float64) -> float:
    """The probability that a known pixel's mask has more than a foreign one's, ties counting half."""
    values, place = np.unique(np.concatenate([known, foreign]), return_inverse=True)
    of_known = np.bincount(place[: len(known)], known_px, len(values)) / known_px.sum()
    of_foreign = np.bincount(place[len(known) :], foreign_px, len(values)) / foreign_px.sum()
    return float((of_known * (np.cumsum(of_foreign) - of_foreign / 2)).sum())


def separation(question: Question, segmenter: Segmenter, view: View) -> dict[str, float]:
    """The AUROC of each candidate."""
    found: dict[str, dict[bool, list[Float64]]] = {}
    areas: dict[bool, list[Int64]] = {True: [], False: []}
    for is_known, (pictures, _, classes) in ((True, question.known), (False, question.foreign)):
        for picture in pictures:
            asked = np.isin(picture.class_name, list(classes))
            areas[is_known].append(picture.area_px[asked])
            for name, values in candidates(view, segmenter, picture).items():
                found.setdefault(name, {True: [], False: []})[is_known].append(values[asked])
    px = {side: np.concatenate(parts).astype(np.float64) for side, parts in areas.items()}
    return {
        name: auroc(np.concatenate(values[True]), np.concatenate(values[False]), px[True], px[False])
        for name, values in found.items()
    }


def shares(question: Question, segmenter: Segmenter, view: View) -> tuple[float, float, float, float]:
    """In %: foreign pixels and known pixels that are called unknown, mIoU of the known classes, and if forced."""
    named = np.zeros(int(view.vocabulary.class_ids.max()) + 1, dtype=np.int32)
    named[UNKNOWN] = -1

    def called_unknown(pictures: Sequence[Picture], dataset: Dataset, classes: set[str]) -> float:
        counts = np.zeros((len(dataset.class_names), len(dataset.class_names) + 1), dtype=np.int64)
        for picture in pictures:
            (beliefs,) = segmenter.beliefs(view, picture.case, [segmenter.preset])
            counts += picture.case.confusion(beliefs, view.vocabulary, named)
        there = np.isin(dataset.class_names, list(classes))
        return float(100 * counts[there, -1].sum() / counts[there].sum())

    pictures, dataset, classes = question.known
    to_index = index_of_class(view.vocabulary, [(name,) for name in dataset.class_names])
    scores = []
    for forced in (False, True):
        confusion = SemanticConfusion(dataset.class_names)
        for picture in pictures:
            (beliefs,) = segmenter.beliefs(view, picture.case, [segmenter.preset])
            answer = replace(beliefs, final=beliefs.retrieval) if forced else beliefs
            confusion.matrix += picture.case.confusion(answer, view.vocabulary, to_index)
        confusion.matrix[~np.isin(dataset.class_names, list(classes))] = 0  # what is foreign has no right answer
        scores.append(100 * confusion.compute().miou)
    return called_unknown(*question.foreign), called_unknown(*question.known), scores[0], scores[1]


def classes_of(instances: Sequence[LabelledInstance]) -> set[str]:
    """The names of what is stored."""
    return {instance.class_name for instance in instances}


def thirds(
    name: str, stored: Sequence[LabelledInstance], asked: Sequence[Picture], dataset: Dataset, seeds: int
) -> list[Question]:
    """A third of the classes left out, by seed."""
    names = sorted(classes_of(stored))
    questions = []
    for seed in range(seeds):
        out = set(np.random.default_rng(seed).permutation(names)[: len(names) // 3].tolist())
        rest = [instance for instance in stored if instance.class_name not in out]
        questions.append(Question(name, rest, (asked, dataset, set(names) - out), (asked, dataset, out)))
    return questions


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("camvid", type=Path)
    parser.add_argument("coco", type=Path)
    parser.add_argument("--preset", default="light")
    parser.add_argument("--cache", type=Path, help="a folder that keeps what the parts make of an image")
    parser.add_argument("--every", type=int, default=4, help="so many pictures to one of CamVid that is used")
    parser.add_argument("--seeds", type=int, default=5)
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        Segmenter.open(Path(folder) / "s", chosen.preset, device="cpu", cache=chosen.cache) as made,
    ):
        train, val, coco = (
            open_dataset(path) for path in (chosen.camvid / "train", chosen.camvid / "val", chosen.coco)
        )
        streets, streets_asked = read(train, made, chosen.every), read(val, made, chosen.every)
        things = read(coco, made, 1)
        street_rows = [instance for picture in streets for instance in picture.instances]
        thing_rows = [instance for i, picture in enumerate(things) if i % 4 for instance in picture.instances]
        street_known = (streets_asked, val, classes_of(street_rows))
        thing_known = (things[::4], coco, classes_of(thing_rows))
        questions = [
            *thirds("CamVid, a third", street_rows, streets_asked, val, chosen.seeds),
            *thirds("COCO, a third", thing_rows, things[::4], coco, chosen.seeds),
            Question("COCO of CamVid", street_rows, street_known, (things, coco, set(coco.class_names) - SHARED)),
            Question("CamVid of COCO", thing_rows, thing_known, (streets_asked, val, OF_STREETS)),
        ]
        separated: dict[str, dict[str, list[float]]] = {}
        answered: dict[str, list[tuple[float, float, float, float]]] = {}
        for number, question in enumerate(questions):
            scratch = Store.create(Path(folder) / str(number), made.store.fingerprint)
            with made.over(scratch) as segmenter:
                scratch.add(list(question.stored), scratch.begin_source("ingest", question.name))
                with scratch.view() as view:
                    for name, value in separation(question, segmenter, view).items():
                        separated.setdefault(name, {}).setdefault(question.name, []).append(value)
                    answered.setdefault(question.name, []).append(shares(question, segmenter, view))
    print(f"{'AUROC':36}" + "".join(f"{name:>18}" for name in answered))
    for name, found in separated.items():
        print(f"{name:36}" + "".join(f"{np.mean(found[q]):11.3f} ± {np.std(found[q]):.2f}" for q in answered))
    print(f"\n{'% of pixels':36}{'foreign unknown':>18}{'known unknown':>18}{'mIoU':>10}{'forced':>10}")
    for name, rows in answered.items():
        foreign, known, miou, forced = np.mean(rows, axis=0)
        print(f"{name:36}{foreign:18.1f}{known:18.1f}{miou:10.1f}{forced:10.1f}", flush=True)


if __name__ == "__main__":
    main()
