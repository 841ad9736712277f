"""The records of many images -> the scores of a set, one pass, in any order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from knnclip.datasets import Dataset, Rejection
from knnclip.evaluation.record import Annotation, ImageRecord, cells_of
from knnclip.metrics.bootstrap import Bootstrap, Interval
from knnclip.metrics.instances import InstanceScores, score_instances
from knnclip.metrics.panoptic import PanopticQuality, PanopticScores
from knnclip.metrics.semantic import SeenScores, SemanticConfusion, SemanticScores, seen_scores


@dataclass(frozen=True)
class ComparedScores:
    """The scores of other settings on the same masks."""

    name: str
    semantic: SemanticScores
    interval: Interval  # of the mIoU
    gain: float  # how much higher the mIoU is than that of the settings that were evaluated
    gain_interval: Interval


@dataclass(frozen=True)
class Scores:
    """All scores of a set; None where the truth does not have what a score needs."""

    images: int
    encode_seconds: float  # an image, of cutting it into masks and encoding them
    label_seconds: float  # an image, of search, votes, fusion and assembly
    semantic: SemanticScores
    interval: Interval  # of the mIoU, by bootstrap over images
    seen: SeenScores | None  # None where no base vocabulary was given
    panoptic: PanopticScores | None
    instances: InstanceScores | None
    compared: tuple[ComparedScores, ...]


@dataclass(frozen=True, eq=False)
class EvaluationResult:
    """What an evaluation came to."""

    scores: Scores
    confusion: SemanticConfusion  # of all images together
    rejected: tuple[Rejection, ...]  # what could not be read, hence is not in the scores


@dataclass(frozen=True)
class SetClasses:
    """The classes of a data set, as its scores need them."""

    names: tuple[str, ...]
    is_thing: tuple[bool, ...]  # of each; the others are stuff

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """Those of an opened data set."""
        return cls(dataset.class_names, tuple(label.is_thing for label in dataset.classes))


class Totals:
    """Adds up records. Only instances, which AP must rank over the whole set, are kept image by image."""

    def __init__(self, classes: SetClasses) -> None:
        """No image yet; ``DatasetError`` for a set that cannot be scored."""
        self.classes = classes
        self.confusion = SemanticConfusion(classes.names)
        self._bootstrap = Bootstrap(len(classes.names))
        self._panoptic = PanopticQuality(classes.names, classes.is_thing)
        self._compared: dict[str, tuple[SemanticConfusion, Bootstrap]] = {}
        self._instances: list[Sequence[Annotation]] = []
        self._detections: list[Sequence[Annotation]] = []
        self.images, self._encode_seconds, self._label_seconds = 0, 0.0, 0.0

    def add(self, record: ImageRecord) -> None:
        """Adds the counts of an image."""
        self.confusion.add(record.pixels)
        self._bootstrap.add(record.ref, cells_of(record.pixels.confusion))
        for name, cells in record.compared.items():
            if name not in self._compared:
                count = len(self.classes.names)
                self._compared[name] = SemanticConfusion(self.classes.names), Bootstrap(count)
            whole, draws = self._compared[name]
            whole.matrix[cells[:, 0], cells[:, 1]] += cells[:, 2]
            draws.add(record.ref, cells)
        if record.segments is not None:
            self._panoptic.add(record.segments)
            self._instances.append(record.instances)
            self._detections.append(record.detections)
        self.images += 1
        self._encode_seconds += record.encode_seconds
        self._label_seconds += record.label_seconds

    def compute(self, seen: Collection[str] | None = None) -> Scores:
        """The scores; ``seen``: the names that a base vocabulary has. ``DatasetError`` if no pixel was scored."""
        semantic = self.confusion.compute()
        return Scores(
            images=self.images,
            encode_seconds=self._encode_seconds / self.images,
            label_seconds=self._label_seconds / self.images,
            semantic=semantic,
            interval=self._bootstrap.interval(),
            seen=None if seen is None else seen_scores(semantic, seen),
            panoptic=self._panoptic.compute() if self._panoptic.tp_fp_fn.any() else None,
            instances=self._score_instances() if self._has_instances() else None,
            compared=tuple(
                self._compare(name, whole.compute(), draws, semantic) for name, (whole, draws) in self._compared.items()
            ),
        )

    def _compare(self, name: str, found: SemanticScores, draws: Bootstrap, evaluated: SemanticScores) -> ComparedScores:
        gained = draws.difference(self._bootstrap)
        return ComparedScores(name, found, draws.interval(), found.miou - evaluated.miou, gained)

    def _has_instances(self) -> bool:
        return any(not item["iscrowd"] for instances in self._instances for item in instances)

    def _score_instances(self) -> InstanceScores:
        things = [
            {"id": i, "name": name}
            for i, (name, is_thing) in enumerate(zip(self.classes.names, self.classes.is_thing, strict=True))
            if is_thing
        ]
        truth: Mapping[str, object] = {
            "images": [
                _image(number, [*true, *found])
                for number, (true, found) in enumerate(zip(self._instances, self._detections, strict=True))
            ],
            "categories": things,
            "annotations": numbered(self._instances),
        }
        return score_instances(truth, numbered(self._detections))


def _image(number: int, instances: Sequence[Annotation]) -> dict[str, int]:
    height, width = instances[0]["segmentation"]["size"] if instances else (0, 0)
    return {"id": number, "height": height, "width": width}


def numbered(images: Iterable[Sequence[Annotation]]) -> list[Annotation]:
    """The instances of several images with the ids that COCO wants, both from the order in which they come."""
    together = [(image, item) for image, items in enumerate(images) for item in items]
    return [{**item, "image_id": image, "id": number} for number, (image, item) in enumerate(together, start=1)]
