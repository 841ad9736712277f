"""Panoptic quality (Kirillov et al., arXiv 1801.00868, section 4), streamed image by image, as panopticapi counts it.

Over the segments of one class, a true and a predicted one match if they have an IoU above 1/2, predicted pixels on void
left out of the union; then TP are the matched pairs, FP and FN the other predicted and true ones, and

    SQ = mean IoU of the TP    RQ = TP / (TP + FP / 2 + FN / 2)    PQ = SQ * RQ

A crowd is never matched and never missed. A predicted segment is no FP if more than half of it lies on void or on a
crowd of its class. Means are over the classes that have a TP, FP or FN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knnclip.errors import DatasetError
from knnclip.fields import Fields
from knnclip.metrics.run_lengths import counts_of, runs
from knnclip.structures import Int64

VOID = 0
"""The id of pixels that belong to no segment, as COCO's panoptic format has it."""

IDS = 1 << 24
"""Segment ids are R + 256 G + 65536 B of a PNG, hence below this."""


MAX_PAIRS = 25_000_000
"""Of true and predicted segments of an image: 200 MB. Published sets have a few hundred segments on either side."""


@dataclass(frozen=True)
class SegmentInfo:
    """What a panoptic JSON says of a segment."""

    segment_id: int  # its value in the map, above 0
    category: int  # index of its class
    is_crowd: bool = False


@dataclass(frozen=True)
class QualityRow:
    """The scores of one class, or the mean over several; fractions in [0, 1], NaN where nothing occurred."""

    name: str
    pq: float
    sq: float
    rq: float
    tp: int
    fp: int
    fn: int


@dataclass(frozen=True)
class PanopticScores:
    """The scores of a set."""

    all: QualityRow
    things: QualityRow
    stuff: QualityRow
    classes: tuple[QualityRow, ...]


@dataclass(frozen=True, eq=False)
class SegmentCounts:
    """What one image, or several, add to the quality of C classes."""

    iou_sum: NDArray[np.float64]  # (C,) over the matched pairs, the TP
    tp_fp_fn: Int64  # (C, 3)


class PanopticQuality:
    """The counts of a set over C classes; their size does not grow with the number of images."""

    def __init__(self, class_names: Sequence[str], is_thing: Sequence[bool]) -> None:
        """No image yet. ``is_thing`` of each class decides over which of them the means of things and stuff go."""
        self.class_names, self.is_thing = tuple(class_names), np.array(is_thing, dtype=bool)
        self.iou_sum = np.zeros(len(self.class_names))  # as in ``SegmentCounts``
        self.tp_fp_fn: Int64 = np.zeros((len(self.class_names), 3), dtype=np.int64)

    def update(
        self,
        truth: NDArray[np.integer],
        truth_segments: Sequence[SegmentInfo],
        prediction: NDArray[np.integer],
        predicted_segments: Sequence[SegmentInfo],
    ) -> None:
        """Adds an image; see ``segment_counts``."""
        self.add(segment_counts(truth, truth_segments, prediction, predicted_segments, len(self.class_names)))

    def add(self, found: SegmentCounts) -> None:
        """Adds the counts of an image."""
        self.iou_sum += found.iou_sum
        self.tp_fp_fn += found.tp_fp_fn

    def compute(self) -> PanopticScores:
        """The scores; ``DatasetError`` if no segment occurred."""
        if not self.tp_fp_fn.any():
            raise DatasetError("no segment of the set is scored: it has neither true nor predicted segments")
        tp, fp, fn = self.tp_fp_fn.T.astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            rq = tp / (tp + fp / 2 + fn / 2)
            sq = np.where(tp > 0, self.iou_sum / tp, np.where(np.isnan(rq), np.nan, 0))
            pq = self.iou_sum / (tp + fp / 2 + fn / 2)
        rows = tuple(
            QualityRow(name, float(pq[c]), float(sq[c]), float(rq[c]), *self.tp_fp_fn[c].tolist())
            for c, name in enumerate(self.class_names)
        )

        def mean(name: str, chosen: NDArray[np.bool_]) -> QualityRow:
            occurs = chosen & self.tp_fp_fn.any(axis=1)
            mean_pq, mean_sq, mean_rq = (
                float(score[occurs].mean()) if occurs.any() else float("nan") for score in (pq, sq, rq)
            )
            return QualityRow(name, mean_pq, mean_sq, mean_rq, *self.tp_fp_fn[chosen].sum(axis=0).tolist())

        everything = np.ones(len(rows), dtype=bool)
        return PanopticScores(
            mean("all", everything), mean("things", self.is_thing), mean("stuff", ~self.is_thing), rows
        )


def segment_counts(
    truth: NDArray[np.integer],
    truth_segments: Sequence[SegmentInfo],
    prediction: NDArray[np.integer],
    predicted_segments: Sequence[SegmentInfo],
    classes: int,
) -> SegmentCounts:
    """The counts of an image: ``(H, W)`` maps of segment ids, 0 for void, and what the ids are.

    ``DatasetError`` if a map and its list do not have the same ids, or the maps are of different sizes.
    """
    if truth.shape != prediction.shape:
        raise DatasetError(f"the truth has shape {truth.shape}, the prediction {prediction.shape}; they must agree")
    if (cells := (len(truth_segments) + 1) * (len(predicted_segments) + 1)) > MAX_PAIRS:
        raise DatasetError(f"an image has {cells:,} pairs of segments, at most {MAX_PAIRS:,} are compared; merge some")
    starts, lengths = runs(truth, prediction)
    true, t = _places(truth.ravel()[starts], truth_segments, "truth")
    predicted, p = _places(prediction.ravel()[starts], predicted_segments, "prediction")
    common = counts_of(true * (p + 1) + predicted, lengths, (t + 1) * (p + 1))
    overlap = common.reshape(t + 1, p + 1)  # pixels of each pair; row and column 0 are void
    for axis, kind, infos in ((1, "truth", truth_segments), (0, "prediction", predicted_segments)):
        empty = np.flatnonzero(overlap.sum(axis=axis)[1:] == 0)
        if len(empty):
            raise DatasetError(
                f"segment {infos[empty[0]].segment_id} is listed in the {kind} but has no pixel; remove it"
            )
    true_class = np.array([info.category for info in truth_segments], dtype=np.int64)
    predicted_class = np.array([info.category for info in predicted_segments], dtype=np.int64)
    crowd = np.array([info.is_crowd for info in truth_segments], dtype=bool)
    inside = overlap[1:, 1:]
    union = overlap[1:].sum(axis=1)[:, None] + overlap[:, 1:].sum(axis=0)[None] - inside - overlap[0, 1:][None]
    # More than half of a union: at most one partner on either side. In whole numbers, so nothing rounds.
    match = (2 * inside > union) & (true_class[:, None] == predicted_class[None]) & ~crowd[:, None]
    rows, columns = np.nonzero(match)
    iou_sum, tp_fp_fn = np.zeros(classes), np.zeros((classes, 3), dtype=np.int64)
    np.add.at(iou_sum, true_class[rows], inside[rows, columns] / union[rows, columns])
    np.add.at(tp_fp_fn[:, 0], true_class[rows], 1)
    np.add.at(tp_fp_fn[:, 2], true_class[~crowd & ~match.any(axis=1)], 1)
    on_crowd = (inside * (crowd[:, None] & (true_class[:, None] == predicted_class[None]))).sum(axis=0)
    excused = 2 * (overlap[0, 1:] + on_crowd) > overlap[:, 1:].sum(axis=0)
    np.add.at(tp_fp_fn[:, 1], predicted_class[~match.any(axis=0) & ~excused], 1)
    return SegmentCounts(iou_sum, tp_fp_fn)


def segment_infos(segments: Sequence[object], column: Mapping[int, int]) -> list[SegmentInfo]:
    """The ``segments_info`` of a COCO panoptic JSON.

    ``column``: the index of the class of each category id. ``InputError`` for a category that it does not have, and
    for what is no list of segments.
    """
    infos = []
    for position, content in enumerate(segments):
        segment = Fields.of(content, f"segment at {position}")
        number, category = segment.whole("id", 1, IDS - 1), segment.whole("category_id")
        if category not in column:
            raise DatasetError(f"segment {number} has category {category}, which is not in categories")
        infos.append(SegmentInfo(number, column[category], segment.flag("iscrowd")))
    return infos


def _places(ids: NDArray[np.integer], segments: Sequence[SegmentInfo], kind: str) -> tuple[Int64, int]:
    """The number of each id's segment in the list, from 1, and how many there are; 0 for void."""
    listed = np.array([VOID, *(info.segment_id for info in segments)], dtype=np.int64)
    if len(np.unique(listed)) != len(listed) or not (listed.min() == VOID and listed.max() < IDS):
        raise DatasetError(f"the ids of the {kind}'s segments must differ and lie between 1 and {IDS - 1}")
    order = np.argsort(listed)
    places = order[np.minimum(np.searchsorted(listed[order], ids), len(listed) - 1)]
    unlisted = listed[places] != ids
    if unlisted.any():
        raise DatasetError(f"the {kind} has pixels of segment {int(ids[unlisted][0])}, which its list has not")
    return places, len(segments)
