"""The measured tables of the README.

python scripts/benchmark.py camvid CAMVID     mIoU on CamVid: LOSO and val, own regions and ground-truth masks
python scripts/benchmark.py added CAMVID      Car added on the fly to a store of the other ten classes
python scripts/benchmark.py instances DATA    top-1 of ground-truth masks, 4-fold by image
python scripts/benchmark.py sample            mIoU on the sample data: train asked of val
                                              all four also with --preset, --encoder, --weights, --rows, --every N
                                              (every N-th image is asked), --tuned AIM (the same stores again, after
                                              `knnclip tune --aim AIM`) and --cache, which takes the networks' time
                                              out of the seconds
python scripts/benchmark.py speed             retrieval's share of a segment call, relabelling, ingest, a large store
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from knnclip.analysis import Analysis
from knnclip.datasets import MIN_AREA_PX, Dataset, Sample, open_dataset
from knnclip.datasets.sample_data import draw_scene, write_sample_data
from knnclip.decision.tuning import AIMS, Aim
from knnclip.evaluation import add_up, judge_images
from knnclip.ingest import IngestSettings, Kind, ingest
from knnclip.metrics.semantic import SemanticScores
from knnclip.segmenter import Segmenter
from knnclip.store import Store
from knnclip.structures import Fingerprint, ImageReference, LabelledInstance, Mask

SEQUENCES = ("0001TP", "0006R0", "0016E5")
MAX_ROWS = 50_000
FOLDS = 4

OPENING = """
import re, sys, time
from pathlib import Path
import faiss, numpy
from knnclip.store import Store
from knnclip.store.index import ROW

def peak_bytes():  # of this program alone; Linux
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

query = numpy.full((1, 256), 1 / 16, dtype=numpy.float32)
before, start = peak_bytes(), time.perf_counter()
with Store.open(sys.argv[1], read_only=True) as store:
    store.search(query, 1)
    seconds = time.perf_counter() - start
    print(seconds, peak_bytes() - before, len(store) * (4 * 256 + ROW.itemsize))
"""


@dataclass(frozen=True)
class SetUp:
    """What is measured, and with how much."""

    preset: str | None
    encoder: str | None
    weights: Path | None
    rows: int  # at most so many in a store
    cache: Path | None  # a folder that keeps what the parts make of an image
    tuned: Aim | None  # for what the stores are tuned, to be asked again
    every: int  # of the images that are asked

    def open(self, folder: str) -> Segmenter:
        """A segmenter on a new store in an empty folder."""
        return Segmenter.open(
            Path(folder) / "store",
            self.preset,
            encoder=self.encoder,
            weights=self.weights,
            device="cpu",
            cache=self.cache,
        )

    def ways(self, segmenter: Segmenter) -> Iterator[tuple[str, Segmenter]]:
        """The segmenter by its preset's settings and, where that is asked for, by those that its store is tuned to."""
        yield "preset", segmenter.with_settings()
        if self.tuned:
            found = segmenter.tune(self.tuned)
            values = ", ".join(f"{name} {value:g}" for name, value in found.values.items())
            print(f"tuned for {found.aim}: {values}; {found.gain:+.1f} +- {found.error:.1f} left out", flush=True)
            yield "tuned", segmenter


@dataclass(frozen=True)
class Measured:
    """What came out."""

    scores: SemanticScores
    rows: int
    index_mb: float  # of the stored vectors
    seconds: float  # an image
    search_seconds: float  # of these, an image


def scored(
    setup: SetUp, database: Dataset, stored: Sequence[Sample], queries: Dataset, asked: Sequence[Sample], masks: str
) -> dict[str, Measured]:
    """A new store of ``stored`` asked for ``asked``, in each of the ways of the ``setup``."""
    kind: Kind = "truth" if masks == "oracle" else "both"
    settings = IngestSettings(kind, max_instances_per_image=setup.rows // len(stored))
    with tempfile.TemporaryDirectory() as folder, setup.open(folder) as segmenter:
        rows = ingest(segmenter, database, stored, settings).instances
        found = {}
        for way, asking in setup.ways(segmenter):
            start = time.perf_counter()
            outcomes = judge_images(asking, queries, asked[:: setup.every], masks=masks)  # type: ignore[arg-type]
            scores = add_up(outcomes, queries).scores.semantic
            seconds = (time.perf_counter() - start) / len(asked[:: setup.every])
            analysis = asking.analyse(queries.load(asked[0]).image)
            search = _searched_in(asking, analysis)
            found[way] = Measured(scores, rows, rows * 2 * segmenter.store.fingerprint.dim / 1e6, seconds, search)
        return found


def _searched_in(segmenter: Segmenter, analysis: Analysis) -> float:
    """Seconds of the search for one image."""
    k = segmenter.preset.vote.k
    return _median(lambda: segmenter.store.search(analysis.embeddings, k)) / 1000


def camvid(root: Path, setup: SetUp) -> None:
    """mIoU over the 11 classes. LOSO: each sequence of train against the two others, and the mean of the three."""
    train, val = open_dataset(root / "train"), open_dataset(root / "val")
    for masks in ("own", "oracle"):
        loso: dict[str, list[float]] = {}
        for sequence in SEQUENCES:
            inside = [sample for sample in train.samples if sample.image_path.name.startswith(sequence)]
            outside = [sample for sample in train.samples if sample not in inside]
            for way, found in scored(setup, train, outside, train, inside, masks).items():
                loso.setdefault(way, []).append(found.scores.miou)
                print(f"{way} {masks:7} {sequence}: {_described(found)}", flush=True)
        for way, found in scored(setup, train, train.samples, val, val.samples, masks).items():
            print(f"{way} {masks:7} LOSO {np.mean(loso[way]):.1%}   val {_described(found)}", flush=True)


def sample(setup: SetUp) -> None:
    """mIoU over the classes of the sample data."""
    with tempfile.TemporaryDirectory() as folder:
        write_sample_data(Path(folder))
        train, val = open_dataset(Path(folder) / "train"), open_dataset(Path(folder) / "val")
        for way, found in scored(setup, train, train.samples, val, val.samples, "own").items():
            print(f"{way} own {_described(found)}", flush=True)


def _described(found: Measured) -> str:
    return (
        f"mIoU {found.scores.miou:.1%}, answered {found.scores.coverage:.1%}, "
        f"{found.rows} rows of {found.index_mb:.0f} MB, "
        f"{found.seconds:.2f} s an image, {found.search_seconds:.3f} of them the search"
    )


def added(root: Path, setup: SetUp) -> None:
    """IoU of Car, and the mean of the other ten classes, before and after Car is ingested."""
    train, val = open_dataset(root / "train"), open_dataset(root / "val")
    limit = setup.rows // len(train.samples)
    with tempfile.TemporaryDirectory() as folder, setup.open(folder) as segmenter:
        for settings in (IngestSettings(exclude=("Car",)), IngestSettings(only=("Car",))):
            changed = IngestSettings(settings.kind, settings.only, settings.exclude, limit)
            ingest(segmenter, train, train.samples, changed)
            scores = add_up(judge_images(segmenter, val, val.samples), val).scores.semantic
            car = next(row.iou for row in scores.classes if row.name == "Car")
            others = np.mean([row.iou for row in scores.classes if row.name != "Car"])
            print(
                f"{'with' if settings.only else 'without'} Car: Car {car:.1%}, the other ten {others:.1%}", flush=True
            )


def instances(root: Path, setup: SetUp) -> None:
    """The class of each annotated instance by those of the other three quarters of the images."""
    dataset = open_dataset(root)
    order = np.random.default_rng(0).permutation(len(dataset.samples)).tolist()
    right: dict[str, int] = {}
    asked: dict[str, int] = {}
    for fold in range(FOLDS):
        inside = set(order[fold::FOLDS])
        with tempfile.TemporaryDirectory() as folder, setup.open(folder) as segmenter:
            others = [sample for i, sample in enumerate(dataset.samples) if i not in inside]
            ingest(segmenter, dataset, others, IngestSettings("truth"))
            for way, asking in setup.ways(segmenter):
                for i in inside:
                    hits, of = _hits(asking, dataset, dataset.samples[i])
                    right[way], asked[way] = right.get(way, 0) + hits, asked.get(way, 0) + of
        for way, hits in right.items():
            done = f"fold {fold + 1} of {FOLDS}"
            print(f"{way} {done}: top-1 {hits / asked[way]:.1%} of {asked[way]} instances so far", flush=True)


def _hits(segmenter: Segmenter, dataset: Dataset, sample: Sample) -> tuple[int, int]:
    """How many annotated instances of an image are named rightly, unknown or not, and how many there are."""
    labelled = dataset.load(sample)
    items = [item for item in labelled.instances if item.mask.area >= MIN_AREA_PX]
    analysis = segmenter.analyse(labelled.image, masks=[item.mask for item in items], ref=sample.ref)
    with segmenter.store.view() as view:
        (beliefs,) = segmenter.beliefs(view, analysis, [segmenter.preset])
        names = [view.vocabulary.classes[c].name for c in beliefs.retrieval.argmax(axis=1)]
    return sum(name == item.class_name for name, item in zip(names, items, strict=True)), len(items)


def speed() -> None:
    """Times on drawn scenes, and of stores of random unit vectors."""
    with tempfile.TemporaryDirectory() as folder:
        segment_ms = _one_picture(Path(folder) / "store")
        _ingest_rate(Path(folder))
    for rows in (100_000, 1_000_000):
        _large_store(rows, segment_ms)


def _one_picture(path: Path) -> float:
    scene, _ = draw_scene(np.random.default_rng(0))
    picture = cv2.resize(scene, (480, 360), interpolation=cv2.INTER_CUBIC)
    with Segmenter.open(path) as segmenter:
        analysis = segmenter.analyse(picture)
        _fill(segmenter.store, 10_000)
        segment = _median(lambda: segmenter.segment(picture))
        teach = analysis.proposals.masks[0]

        def taught() -> None:
            segmenter.teach(analysis, teach, "new")
            segmenter.label(analysis)

        segmenter.label(analysis)
        print(f"segment, 10,000 stored rows: {segment:.0f} ms for {len(analysis.proposals)} masks")
        print(f"teach, and relabel without encoding the picture again: {_median(taught):.0f} ms", flush=True)
    return segment


def _ingest_rate(folder: Path) -> None:
    """Images a second of ingest, and of its proposals and encoder alone in a plain loop."""
    write_sample_data(folder / "data")
    dataset = open_dataset(folder / "data" / "train")
    with Segmenter.open(folder / "ingested") as segmenter:

        def loop() -> None:
            for sample in dataset.samples:
                segmenter.analyse(dataset.load(sample).image)

        alone = _seconds(loop)
        whole = _seconds(lambda: ingest(segmenter, dataset, dataset.samples, IngestSettings()))
    n = len(dataset.samples)
    print(
        f"ingest {n / whole:.1f} images/s, proposals and encoder alone {n / alone:.1f}: {alone / whole:.2f} x",
        flush=True,
    )


def _large_store(rows: int, segment_ms: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store"
        with Store.create(path, Fingerprint("random", "0", "none", 256)) as store:
            _fill(store, rows)
            store.search(_units(1, 256), 1)
        # A process of its own, so that its peak of memory is that of opening.
        done = subprocess.run([sys.executable, "-c", OPENING, path], capture_output=True, text=True, check=True)
        opened, grown, index = (float(number) for number in done.stdout.split())
        with Store.open(path, read_only=True) as store:
            queries = _units(150, 256)
            found = _median(lambda: store.search(queries, 16))
        print(
            f"{rows:,} rows of 256-d: opened in {opened:.2f} s with {grown / index:.2f} x the index's bytes; "
            f"150 masks searched in {found:.0f} ms, {found / (segment_ms + found):.0%} of a segment call",
            flush=True,
        )


def _units(n: int, dim: int, seed: int = -1) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    vectors = np.random.default_rng(seed + 1).normal(size=(n, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _fill(store: Store, rows: int) -> None:
    mask = Mask.from_dense(np.ones((8, 8)))
    source = store.begin_source("ingest", "random rows")
    for start in range(0, rows, 10_000):
        vectors = _units(min(10_000, rows - start), store.fingerprint.dim, seed=start)
        batch = [
            LabelledInstance(vector, f"class {i % 50}", ImageReference(f"{start + i // 100}.jpg", 8, 8), mask)
            for i, vector in enumerate(vectors)
        ]
        store.add(batch, source)


def _seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _median(action: Callable[[], object]) -> float:
    """Milliseconds, the median of seven."""
    return 1000 * float(np.median([_seconds(action) for _ in range(7)]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=["camvid", "added", "instances", "sample", "speed"])
    parser.add_argument("data", type=Path, nargs="?", help="folder of the data; camvid and added: with train/ and val/")
    parser.add_argument("--preset")
    parser.add_argument("--encoder", help="in place of the preset's")
    parser.add_argument("--weights", type=Path, help="local file of the encoder's networks")
    parser.add_argument("--cache", type=Path, help="a folder that keeps what the parts make of an image")
    parser.add_argument("--rows", type=int, default=MAX_ROWS, help="at most so many stored")
    parser.add_argument("--tuned", choices=AIMS, help="also tune the stores, for this aim, and ask them again")
    parser.add_argument("--every", type=int, default=1, help="every so many-th image is asked")
    chosen = parser.parse_args()
    named = chosen.preset, chosen.encoder, chosen.weights, chosen.rows, chosen.cache, chosen.tuned, chosen.every
    if chosen.table == "speed":
        speed()
    elif chosen.table == "sample":
        sample(SetUp(*named))
    elif chosen.data is None:
        parser.error("this table needs the data's folder")
    else:
        {"camvid": camvid, "added": added, "instances": instances}[chosen.table](chosen.data, SetUp(*named))
