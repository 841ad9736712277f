"""knnclip beside classifiers of scikit-learn on the same vectors, regions and assembly, with few pictures and many.

python scripts/benchmark_rivals.py CAMVID [--preset light] [--cache FOLDER] [--every 4] [--shots 1 5 20 0]
    [--hummingbird DIR] [--rns DIR]    pip install 'knnclip[bench]'

CamVid's sequences take turns: so many pictures of the two others are stored, pictures of the left-out one are asked.
mIoU in %, the mean of the sequences and of the draws. The rivals are fitted to the stored vectors, each weighted by its
purity, and their probabilities take the place of P_ret; what they do not know they do not call unknown. Hummingbird
and Retrieve and Segment have the same encoder's cells instead, and no regions (rivals_hummingbird.py, rivals_rns.py).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rivals_hummingbird
import rivals_rns
from rivals_cells import Learn, confusion

from knnclip.datasets import open_dataset
from knnclip.decision.discriminant import DiscriminantSettings
from knnclip.evaluation.cases import Case, Shelf, make_case
from knnclip.evaluation.class_matching import index_of_class
from knnclip.ingest import IngestSettings, labelled_instances
from knnclip.metrics.semantic import SemanticConfusion
from knnclip.parallel import map_ahead
from knnclip.segmenter import Segmenter
from knnclip.store import Store
from knnclip.structures import Beliefs, LabelledInstance

SEQUENCES = ("0001TP", "0006R0", "0016E5")
SHOTS = (1, 5, 20, 0)
DRAWS = 3
ROWS_A_PICTURE = 136


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture, to be stored and to be asked."""

    sequence: str
    instances: Sequence[LabelledInstance]
    case: Case


def logistic_regression() -> Any:  # noqa: ANN401 - scikit-learn has no types
    """With scikit-learn's own settings, but that it is given the steps that it needs."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))


def random_forest() -> Any:  # noqa: ANN401 - scikit-learn has no types
    """With scikit-learn's own settings, and a seed."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(n_estimators=100, n_jobs=2, random_state=0)


RIVALS: Mapping[str, tuple[Callable[[], Any], str]] = {
    "logistic regression": (logistic_regression, "logisticregression__sample_weight"),
    "random forest": (random_forest, "sample_weight"),
}


def read(root: Path, segmenter: Segmenter) -> tuple[list[Picture], tuple[str, ...]]:
    """All pictures of train, encoded once."""
    dataset = open_dataset(root / "train")
    shelf = Shelf()
    settings = IngestSettings(max_instances_per_image=ROWS_A_PICTURE)

    def encode(sample: Any) -> Picture:  # noqa: ANN401 - a Sample
        labelled = dataset.load(sample)
        instances = labelled_instances(segmenter, sample.ref, labelled, settings)
        case = make_case(labelled.label_map, len(dataset.class_names), segmenter.analyse(labelled.image), shelf)
        return Picture(sample.image_path.name[:6], instances, case)

    return list(map_ahead(encode, dataset.samples, 2)), dataset.class_names


def miou(confusion: np.ndarray[Any, Any], names: tuple[str, ...]) -> float:
    """In %, of the pixels by true class and answer."""
    scores = SemanticConfusion(names)
    scores.matrix += confusion
    return 100 * scores.compute().miou


def one_draw(
    made: Segmenter, stored: Sequence[Picture], asked: Sequence[Picture], names: tuple[str, ...]
) -> dict[str, tuple[float, float]]:
    """mIoU of each way, and the seconds until it had learned."""
    found: dict[str, tuple[float, float]] = {}
    instances = [instance for picture in stored for instance in picture.instances]
    begin = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as folder,
        made.over(Store.create(Path(folder) / "s", made.store.fingerprint)) as scratch,
    ):
        scratch.store.add(instances, scratch.store.begin_source("ingest", "pictures"))
        alone = scratch.with_settings(discriminant=DiscriminantSettings(0, 0))
        for way, segmenter in (("knnclip", scratch), ("its vote alone", alone)):
            total = np.zeros((len(names), len(names) + 1), dtype=np.int64)
            with segmenter.store.view() as view:
                to_index = index_of_class(view.vocabulary, [(name,) for name in names])
                learned = time.perf_counter() - begin
                for picture in asked:
                    (beliefs,) = segmenter.beliefs(view, picture.case, [segmenter.preset])
                    total += picture.case.confusion(beliefs, view.vocabulary, to_index)
            found[way] = miou(total, names), learned
        vocabulary = scratch.store.vocabulary()
    column = {info.name: c for c, info in enumerate(vocabulary)}
    vectors = np.stack([instance.embedding for instance in instances])
    labels = np.array([column[instance.class_name] for instance in instances])
    purity = np.array([instance.purity for instance in instances])
    for way, (make, weight) in RIVALS.items():
        begin = time.perf_counter()
        model = make().fit(vectors, labels, **{weight: purity})
        learned = time.perf_counter() - begin
        total = np.zeros((len(names), len(names) + 1), dtype=np.int64)
        for picture in asked:
            said = np.zeros((len(picture.case.embeddings), len(vocabulary)), dtype=np.float32)
            said[:, model.classes_] = model.predict_proba(picture.case.embeddings)
            total += picture.case.confusion(Beliefs(None, said, said), vocabulary, to_index)
        found[way] = miou(total, names), learned
    return found


def one_draw_of_cells(
    learn: Learn, stored: Sequence[Picture], asked: Sequence[Picture], names: tuple[str, ...], seed: int
) -> tuple[float, float]:
    """mIoU of a rival that has cells in place of regions, and the seconds until it had learned."""
    begin = time.perf_counter()
    answer = learn([picture.case for picture in stored], seed)
    learned = time.perf_counter() - begin
    total = np.zeros((len(names), len(names) + 1), dtype=np.int64)
    for picture in asked:
        total += confusion(picture.case, answer(picture.case))
    return miou(total, names), learned


def main() -> None:
    """Prints the table, a line for each number of pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--preset", default="light")
    parser.add_argument("--cache", type=Path, help="a folder that keeps what the parts make of an image")
    parser.add_argument("--every", type=int, default=4, help="so many pictures of a sequence to one that is asked")
    parser.add_argument("--shots", type=int, nargs="+", default=SHOTS, help="numbers of pictures; 0 is all")
    parser.add_argument("--hummingbird", type=Path, metavar="DIR", help="a checkout of vpariza/open-hummingbird-eval")
    parser.add_argument("--rns", type=Path, metavar="DIR", help="a checkout of TilemahosAravanis/Retrieve-and-Segment")
    chosen = parser.parse_args()
    checkouts = {rivals_hummingbird: chosen.hummingbird, rivals_rns: chosen.rns}
    of_cells: dict[str, Learn] = {
        rival.NAME: rival.open_checkout(checkout) for rival, checkout in checkouts.items() if checkout
    }
    with (
        tempfile.TemporaryDirectory() as folder,
        Segmenter.open(Path(folder) / "s", chosen.preset, device="cpu", cache=chosen.cache) as segmenter,
    ):
        pictures, names = read(chosen.data, segmenter)
        for shots in chosen.shots:
            found: dict[str, list[tuple[float, float]]] = {}
            for sequence in SEQUENCES:
                others = [picture for picture in pictures if picture.sequence != sequence]
                asked = [picture for picture in pictures if picture.sequence == sequence][:: chosen.every]
                for draw in range(DRAWS if shots else 1):
                    order = np.random.default_rng(draw).permutation(len(others))[: shots or None]
                    stored = [others[i] for i in order]
                    of_draw = one_draw(segmenter, stored, asked, names)
                    for way, learn in of_cells.items():
                        of_draw[way] = one_draw_of_cells(learn, stored, asked, names, draw)
                    for way, result in of_draw.items():
                        found.setdefault(way, []).append(result)
            shown = "   ".join(
                f"{way} {np.mean([m for m, _ in results]):.1f} ({np.mean([s for _, s in results]):.2f} s)"
                for way, results in found.items()
            )
            print(f"{shots or 'all'} pictures: {shown}", flush=True)


if __name__ == "__main__":
    main()
