"""A labelled data set -> what each image adds to its scores: the segmenter's answers against the truth."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from knnclip.datasets import MIN_AREA_PX, ClassLabel, Dataset, LabelledImage, Rejection, Sample
from knnclip.errors import InputError, UsageError
from knnclip.evaluation.cases import Shelf, make_case
from knnclip.evaluation.class_matching import index_of_class
from knnclip.evaluation.record import Annotation, ImageRecord, cells_of, instance_annotation
from knnclip.evaluation.totals import EvaluationResult, SetClasses, Totals
from knnclip.metrics.panoptic import SegmentCounts, SegmentInfo, segment_counts
from knnclip.metrics.semantic import count_pixels
from knnclip.parallel import map_ahead
from knnclip.presets import Preset
from knnclip.segmenter import Segmenter
from knnclip.structures import Float32, Int32, Int64, Mask, masks_from_labels

MaskSource = Literal["own", "oracle"]
MASK_SOURCES: tuple[MaskSource, ...] = ("own", "oracle")
"""The masks of the generator, or those of the truth."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of one image."""

    sample: Sample
    record: ImageRecord | None  # None where it could not be read
    rejected: tuple[Rejection, ...]  # what of it could not be read


def judge_images(
    segmenter: Segmenter,
    dataset: Dataset,
    samples: Sequence[Sample],
    *,
    masks: MaskSource = "own",
    compared: Mapping[str, Preset] | None = None,
    workers: int = 2,
) -> Iterator[Outcome]:
    """The segmenter's answers counted against the truth, in the order of the samples, as they are asked for.

    For a loop of your own, which may stop at any image; ``add_up`` makes scores of what comes. ``masks="oracle"`` puts
    the ground-truth masks in place of the generator's: it separates what retrieval gets wrong from what the masks miss.
    ``compared`` are other settings by a name of your own, whose vote and fusion answer the same masks. ``workers``
    images are under work at once. A class of the store that the data set does not have counts as unknown, hence as a
    miss. ``UsageError`` for masks that are neither.
    """
    return map_ahead(_Judge(segmenter, dataset, mask_source(masks), compared or {}), samples, workers)


def mask_source(name: str) -> MaskSource:
    """``own`` or ``oracle``; ``UsageError`` for anything else."""
    for source in MASK_SOURCES:
        if name == source:
            return source
    raise UsageError(f"masks are one of {', '.join(MASK_SOURCES)}, found {name!r}")


def add_up(outcomes: Iterable[Outcome], dataset: Dataset) -> EvaluationResult:
    """The scores of all images together; ``DatasetError`` if no pixel was scored."""
    totals = Totals(SetClasses.of(dataset))
    rejected: list[Rejection] = []
    for outcome in outcomes:
        if outcome.record is not None:
            totals.add(outcome.record)
        rejected.extend(outcome.rejected)
    return EvaluationResult(totals.compute(), totals.confusion, tuple(rejected))


def masks_to_use(labelled: LabelledImage, masks: MaskSource) -> list[Mask] | None:
    """What takes the place of the generator's masks; None leaves them."""
    if masks == "own":
        return None
    return [item.mask for item in labelled.instances if not item.is_crowd and item.mask.area >= MIN_AREA_PX]


@dataclass(frozen=True, eq=False)
class PredictedSegments:
    """An answer in segments, things and stuff by the data set's own flags."""

    ids: Int32  # (H, W) segment ids, 0 for nothing
    infos: tuple[SegmentInfo, ...]  # of the ids
    things: tuple[Annotation, ...]  # with their scores


def predicted_segments(
    prediction: Int32, confidence: Float32, classes: Sequence[ClassLabel], min_piece_px: int
) -> PredictedSegments:
    """Stuff is one segment a class, a thing a connected piece (8-connectivity) of at least so many pixels.

    ``prediction``: ``(H, W)`` class indices, -1 for unknown; ``confidence``: ``(H, W)``, whose mean over a piece is its
    score. The store may take for stuff what the data set counts: the truth must be met in the data set's way.
    """
    from skimage.measure import label

    stuff = np.array([0 if item.is_thing else i + 1 for i, item in enumerate(classes)] + [0], dtype=np.int32)
    ids = stuff[prediction]
    pieces = label(np.where(ids == 0, prediction, -1), background=-1, connectivity=2)
    infos = [SegmentInfo(i, i - 1) for i in np.unique(ids[ids > 0]).tolist()]
    things = []
    for mask in masks_from_labels(pieces):
        if mask.area >= min_piece_px:
            category = int(mask.select(prediction)[0])
            score = float(np.mean(np.asarray(mask.select(confidence), dtype=np.float64)))
            things.append(instance_annotation(mask, category, score=score))
            infos.append(SegmentInfo(len(classes) + len(things), category))
            ids[mask.slices][mask.crop] = infos[-1].segment_id
    return PredictedSegments(ids, tuple(infos), tuple(things))


@dataclass(frozen=True)
class _Judge:
    """Scores one image after the other against a data set."""

    segmenter: Segmenter
    dataset: Dataset
    masks: MaskSource
    compared: Mapping[str, Preset]

    def __call__(self, sample: Sample) -> Outcome:
        try:
            labelled = self.dataset.load(sample)
        except InputError as error:
            return Outcome(sample, None, (Rejection(sample.ref, None, str(error)),))
        start = time.perf_counter()
        analysis = self.segmenter.analyse(labelled.image, masks=masks_to_use(labelled, self.masks))
        _ = (
            analysis.descriptions,
            analysis.cells,
        )  # networks' time, while no state of the store is kept
        encoded = time.perf_counter()
        classes = len(self.dataset.class_names)
        compared: dict[str, Int64] = {}
        with self.segmenter.store.view() as view:
            answer = self.segmenter.label(analysis, view)
            labelled_at = time.perf_counter()
            to_index = index_of_class(view.vocabulary, self.dataset.class_aliases)
            if self.compared:
                case = make_case(labelled.label_map, classes, analysis, Shelf())
                beliefs_of_all = self.segmenter.beliefs(view, case, list(self.compared.values()))
                for name, beliefs in zip(self.compared, beliefs_of_all, strict=True):
                    compared[name] = cells_of(case.confusion(beliefs, view.vocabulary, to_index))
        prediction = to_index[answer.semantic]
        segments: SegmentCounts | None = None
        things: tuple[Annotation, ...] = ()
        if self.dataset.has_instances:
            min_piece_px = self.segmenter.preset.assembly.min_piece_px
            predicted = predicted_segments(prediction, answer.confidence, self.dataset.classes, min_piece_px)
            segments, things = self._segments(labelled, predicted), predicted.things
        detects = self.dataset.has_instances and self.dataset.exhaustive
        record = ImageRecord(
            ref=sample.ref,
            pixels=count_pixels(labelled.label_map, prediction, classes),
            segments=segments,
            instances=self._instances(labelled) if detects else (),
            detections=things if detects else (),
            compared=compared,
            encode_seconds=encoded - start,
            label_seconds=labelled_at - encoded,
        )
        return Outcome(sample, record, labelled.rejected)

    def _segments(self, labelled: LabelledImage, predicted: PredictedSegments) -> SegmentCounts:
        truth, true_infos = self._true_segments(labelled)
        return segment_counts(truth, true_infos, predicted.ids, predicted.infos, len(self.dataset.classes))

    def _true_segments(self, labelled: LabelledImage) -> tuple[Int32, list[SegmentInfo]]:
        """``(H, W)`` segment ids: one for each class of stuff, as in COCO panoptic, and one for each thing over it."""
        classes = self.dataset.classes
        index = {label.name: i for i, label in enumerate(classes)}
        # The last is for what is not labelled. A pixel of a thing that belongs to no instance is void.
        stuff = np.array([0 if label.is_thing else i + 1 for i, label in enumerate(classes)] + [0], dtype=np.int32)
        truth = stuff[labelled.label_map]
        infos = [SegmentInfo(i + 1, i) for i, label in enumerate(classes) if not label.is_thing]
        things = [item for item in labelled.instances if classes[index[item.class_name]].is_thing]
        # Crowds lie below all, and smaller ones on larger ones, as in the label map.
        things.sort(key=lambda item: (not item.is_crowd, 0 if self.dataset.stacked else -item.mask.area))
        for number, item in enumerate(things, start=len(classes) + 1):
            truth[item.mask.slices][item.mask.crop] = number
            infos.append(SegmentInfo(number, index[item.class_name], item.is_crowd))
        there = np.bincount(truth.ravel(), minlength=len(classes) + len(things) + 1)
        return truth, [info for info in infos if there[info.segment_id]]

    def _instances(self, labelled: LabelledImage) -> tuple[Annotation, ...]:
        things = {label.name: i for i, label in enumerate(self.dataset.classes) if label.is_thing}
        return tuple(
            instance_annotation(item.mask, things[item.class_name], iscrowd=int(item.is_crowd))
            for item in labelled.instances
            if item.class_name in things
        )
