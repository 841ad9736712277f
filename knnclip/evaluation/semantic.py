"""Semantic scores from one confusion matrix over the whole set, streamed image by image.

With n[t, p] the pixels of truth t that were answered p, over C classes and one more answer, unknown:

    IoU(c)   = n[c, c] / (truth(c) + answered(c) - n[c, c])   truth and answered are the row and column sums
    acc(c)   = n[c, c] / truth(c)
    mIoU     = mean of IoU over the classes that occur in the truth or in an answer
    mACC     = mean of acc over the classes that occur in the truth
    fwIoU    = mean of IoU over the classes of the truth, weighted by truth(c)
    pACC     = sum of n[c, c] / all scored pixels
    coverage = share of scored pixels that were not answered unknown

Pixels that the truth ignores are left out of everything. An unknown answer is a miss: it stays in truth(c). The mean
over classes with ground truth alone, detectron2's convention, is ``miou_truth``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knnclip.errors import DatasetError, UsageError
from knnclip.structures import Int32, Int64


@dataclass(frozen=True)
class ClassScores:
    """One row of the per-class table; values are fractions in [0, 1], NaN where undefined."""

    name: str
    iou: float
    accuracy: float
    truth_px: int
    answered_px: int


@dataclass(frozen=True)
class SemanticScores:
    """The scores of a set; fractions in [0, 1]."""

    miou: float
    miou_truth: float
    fwiou: float
    macc: float
    pacc: float
    coverage: float
    classes_with_truth: int
    classes: tuple[ClassScores, ...]


class SemanticConfusion:
    """The confusion matrix of a set; its size does not grow with the number of images."""

    def __init__(self, class_names: Sequence[str]) -> None:
        """An empty matrix over C classes."""
        self.class_names = tuple(class_names)
        self.matrix: Int64 = np.zeros((len(self.class_names), len(self.class_names) + 1), dtype=np.int64)

    def update(self, truth: Int32, prediction: Int32) -> None:
        """Adds an image: ``(H, W)`` class indices each; -1 in the truth is ignored, -1 in the prediction is unknown."""
        if truth.shape != prediction.shape:
            raise UsageError(f"truth has shape {truth.shape}, the prediction {prediction.shape}; they must agree")
        self.matrix += confusion(truth, prediction, len(self.class_names))

    def __add__(self, other: SemanticConfusion) -> SemanticConfusion:
        """The confusion of two parts of a set together; ``UsageError`` if their classes differ."""
        if self.class_names != other.class_names:
            raise UsageError("two confusion matrices over different classes cannot be added")
        total = SemanticConfusion(self.class_names)
        total.matrix = self.matrix + other.matrix
        return total

    def compute(self) -> SemanticScores:
        """The scores; ``DatasetError`` if no pixel was scored."""
        if not self.matrix.any():
            raise DatasetError("no pixel of the set is scored: every label is ignored; check its classes and --ignore")
        c = len(self.class_names)
        hit = np.diagonal(self.matrix)[:c].astype(np.float64)
        truth, answered = self.matrix.sum(axis=1), self.matrix[:, :c].sum(axis=0)
        iou, accuracy = _ratio(hit, truth + answered - hit), _ratio(hit, truth)
        present = truth > 0
        return SemanticScores(
            miou=float(np.nanmean(iou)),
            miou_truth=float(iou[present].mean()),
            fwiou=float((iou[present] * truth[present]).sum() / truth.sum()),
            macc=float(accuracy[present].mean()),
            pacc=float(hit.sum() / truth.sum()),
            coverage=float(answered.sum() / truth.sum()),
            classes_with_truth=int(present.sum()),
            classes=tuple(
                ClassScores(name, float(iou[i]), float(accuracy[i]), int(truth[i]), int(answered[i]))
                for i, name in enumerate(self.class_names)
            ),
        )


def confusion(truth: Int32, prediction: Int32, classes: int) -> Int64:
    """``(C, C + 1)`` pixel counts of one image, unknown in the last column."""
    scored = truth >= 0
    if truth.max(initial=-1) >= classes or prediction.max(initial=-1) >= classes:
        raise UsageError(f"a class index is beyond the {classes} classes")
    answer = np.where(prediction[scored] < 0, classes, prediction[scored])
    cells = truth[scored].astype(np.int64) * (classes + 1) + answer
    return np.bincount(cells, minlength=classes * (classes + 1)).reshape(classes, classes + 1)


def _ratio(part: NDArray[np.float64], whole: NDArray[np.generic]) -> NDArray[np.float64]:
    ratio: NDArray[np.float64] = np.divide(part, whole, out=np.full(part.shape, np.nan), where=np.asarray(whole) > 0)
    return ratio
