"""Semantic scores from one confusion matrix over the whole set, streamed image by image.

With n[t, p] the pixels of truth t that were answered p, over C classes and one more answer, unknown:

    IoU(c)   = n[c, c] / (truth(c) + answered(c) - n[c, c])   truth and answered are the row and column sums
    acc(c)   = n[c, c] / truth(c)
    mIoU     = mean of IoU over the classes that occur in the truth or in an answer
    mACC     = mean of acc over the classes that occur in the truth
    fwIoU    = mean of IoU over the classes of the truth, weighted by truth(c)
    pACC     = sum of n[c, c] / all scored pixels
    coverage = share of scored pixels that were not answered unknown

Pixels that the truth ignores are left out of everything. An unknown answer is a miss: it stays in truth(c). Conventions
differ, so the others stand beside it: ``miou_truth`` is the mean over classes with ground truth alone, and
``miou_answered``, which is detectron2's figure, also leaves out the pixels that were not answered, so that abstaining
is free. torchmetrics' macro Jaccard index is ``miou`` where everything was answered.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knnclip.errors import DatasetError, UsageError
from knnclip.metrics.boundary import boundary_width, near_borders
from knnclip.metrics.run_lengths import counts_of, runs
from knnclip.structures import Int32, Int64


@dataclass(frozen=True)
class ClassScores:
    """One row of the per-class table; values are fractions in [0, 1], NaN where undefined."""

    name: str
    iou: float
    accuracy: float
    boundary_iou: float
    truth_px: int
    answered_px: int


@dataclass(frozen=True)
class SemanticScores:
    """The scores of a set; fractions in [0, 1]. The formulas stand at the top of the module."""

    miou: float  # over the classes that occur in the truth or in an answer
    miou_truth: float  # over the classes with ground truth
    miou_answered: float  # of the pixels that were answered, over the classes with such a truth; NaN where none was
    boundary_iou: float  # mean over the classes with ground truth, NaN where borders were not counted
    fwiou: float
    macc: float
    pacc: float
    coverage: float
    classes_with_truth: int
    classes: tuple[ClassScores, ...]


@dataclass(frozen=True)
class SeenScores:
    """Classes that a base vocabulary names against those that it does not; fractions in [0, 1], NaN where undefined."""

    seen: float  # mIoU
    unseen: float
    harmonic: float  # 2 seen unseen / (seen + unseen)


@dataclass(frozen=True, eq=False)
class PixelCounts:
    """What one image adds to the scores of C classes."""

    confusion: Int64  # (C, C + 1) pixels of each truth (row) and answer (column), unknown in the last
    boundary: Int64  # (C, 3) pixels of the boundary regions: in both, in the truth's, in the answer's


class SemanticConfusion:
    """The counts of a set; their size does not grow with the number of images."""

    def __init__(self, class_names: Sequence[str]) -> None:
        """No image yet, over C classes; ``DatasetError`` for fewer than two: whoever always answers one is right."""
        if len(class_names) < 2:
            raise DatasetError(
                f"a set of {len(class_names)} class cannot be scored: answering it everywhere is always right; check "
                "the classes and --ignore"
            )
        self.class_names = tuple(class_names)
        self.matrix: Int64 = np.zeros((len(self.class_names), len(self.class_names) + 1), dtype=np.int64)
        self.boundary: Int64 = np.zeros((len(self.class_names), 3), dtype=np.int64)

    def update(self, truth: Int32, prediction: Int32) -> None:
        """Adds an image; see ``count_pixels``."""
        self.add(count_pixels(truth, prediction, len(self.class_names)))

    def add(self, counts: PixelCounts) -> None:
        """Adds the counts of an image."""
        self.matrix += counts.confusion
        self.boundary += counts.boundary

    def compute(self) -> SemanticScores:
        """The scores; ``DatasetError`` if no pixel was scored."""
        if not self.matrix.any():
            raise DatasetError(
                "no pixel of the set is scored: its truth says nothing or is ignored; check labels and --ignore"
            )
        c = len(self.class_names)
        hit = np.diagonal(self.matrix)[:c].astype(np.float64)
        truth, answered = self.matrix.sum(axis=1), self.matrix[:, :c].sum(axis=0)
        iou, accuracy = _ratio(hit, truth + answered - hit), _ratio(hit, truth)
        # Without the pixels that were not answered; a class has a truth in this convention if one of its pixels was.
        answered_truth = self.matrix[:, :c].sum(axis=1)
        iou_answered = _ratio(hit, answered_truth + answered - hit)[answered_truth > 0]
        common, true_border, predicted_border = self.boundary.T.astype(np.float64)
        border = _ratio(common, true_border + predicted_border - common)
        present = truth > 0
        return SemanticScores(
            miou=float(np.nanmean(iou)),
            miou_truth=float(iou[present].mean()),
            miou_answered=float(iou_answered.mean()) if iou_answered.size else float("nan"),
            boundary_iou=float(np.nanmean(border[present])) if self.boundary.any() else float("nan"),
            fwiou=float((iou[present] * truth[present]).sum() / truth.sum()),
            macc=float(accuracy[present].mean()),
            pacc=float(hit.sum() / truth.sum()),
            coverage=float(answered.sum() / truth.sum()),
            classes_with_truth=int(present.sum()),
            classes=tuple(
                ClassScores(name, float(iou[i]), float(accuracy[i]), float(border[i]), int(truth[i]), int(answered[i]))
                for i, name in enumerate(self.class_names)
            ),
        )


def seen_scores(scores: SemanticScores, seen: Collection[str]) -> SeenScores:
    """The scores of the classes with ground truth, told apart by whether a base vocabulary names them."""
    known, novel = (
        [row.iou for row in scores.classes if row.truth_px > 0 and (row.name in seen) == is_seen]
        for is_seen in (True, False)
    )
    a, b = (float(np.mean(values)) if values else float("nan") for values in (known, novel))
    return SeenScores(a, b, 2 * a * b / (a + b) if a + b > 0 else (0.0 if a + b == 0 else float("nan")))


def count_pixels(truth: Int32, prediction: Int32, classes: int) -> PixelCounts:
    """The counts of one image: ``(H, W)`` class indices each, -1 in the truth for ignored, in the other for unknown.

    ``UsageError`` if the shapes differ or an index is beyond the classes.
    """
    if truth.shape != prediction.shape:
        raise UsageError(f"truth has shape {truth.shape}, the prediction {prediction.shape}; they must agree")
    if truth.max(initial=-1) >= classes or prediction.max(initial=-1) >= classes:
        raise UsageError(f"a class index is beyond the {classes} classes")
    # 0 becomes what is ignored, or unknown; what is ignored is of no class in either map.
    kind = np.uint8 if classes < 255 else np.int16
    true, predicted = (np.add(labels, 1, dtype=kind, casting="unsafe") for labels in (truth, prediction))
    predicted *= true != 0
    near = near_borders(true, predicted, boundary_width(truth.shape))
    side = classes + 1
    starts, lengths = runs(true, predicted, near)
    labels = [part.ravel()[starts].astype(np.int64) for part in (true, predicted, near)]
    code = (labels[0] * side + labels[1]) * 4 + labels[2]
    counts = counts_of(code, lengths, 4 * side * side).reshape(side, side, 2, 2)[1:]
    # The axes are truth, answer, near a border of the answer's, near one of the truth's.
    matrix = counts.sum(axis=(2, 3))
    both = counts[np.arange(classes), np.arange(1, side), 1, 1]
    true_border, predicted_border = counts[..., 1].sum(axis=(1, 2)), counts[:, 1:, 1].sum(axis=(0, 2))
    return PixelCounts(np.roll(matrix, -1, axis=1), np.array([both, true_border, predicted_border]).T)


def _ratio(part: NDArray[np.float64], whole: NDArray[np.generic]) -> NDArray[np.float64]:
    ratio: NDArray[np.float64] = np.divide(part, whole, out=np.full(part.shape, np.nan), where=np.asarray(whole) > 0)
    return ratio
