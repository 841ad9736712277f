"""A labelled data set -> scores: the segmenter's answers against the truth, image by image."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from knnclip.cases import index_of_class, make_case
from knnclip.datasets import MIN_AREA_PX, Dataset, LabelledImage, Rejection, Sample
from knnclip.errors import DatasetError, ImageError, UsageError
from knnclip.evaluation.panoptic import SegmentCounts, SegmentInfo, segment_counts
from knnclip.evaluation.record import Annotation, ImageRecord, instance_annotation
from knnclip.evaluation.semantic import SemanticConfusion, count_pixels
from knnclip.parallel import map_ahead
from knnclip.presets import Preset
from knnclip.segmenter import Segmenter
from knnclip.structures import Int32, Int64, Mask, Segmentation

MaskSource = Literal["own", "oracle"]
MASK_SOURCES: tuple[MaskSource, ...] = ("own", "oracle")


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of one image."""

    sample: Sample
    record: ImageRecord | None  # None where it could not be read
    rejected: tuple[Rejection, ...]


def evaluate(
    segmenter: Segmenter,
    dataset: Dataset,
    samples: Sequence[Sample],
    *,
    masks: MaskSource = "own",
    compared: Mapping[str, Preset] | None = None,
    workers: int = 2,
) -> Iterator[Outcome]:
    """The segmenter's answers counted against the truth, in the order of the samples, as they are asked for.

    ``masks="oracle"`` puts the ground-truth masks in place of the generator's: it separates what retrieval gets wrong
    from what the masks miss. ``compared`` are other settings by a name of your own, whose vote and fusion answer the
    same masks. A class of the store that the data set does not have counts as unknown, hence as a miss.
    """
    if masks not in MASK_SOURCES:
        raise UsageError(f"masks are one of {', '.join(MASK_SOURCES)}, found {masks!r}")
    return map_ahead(_Judge(segmenter, dataset, masks, compared or {}), samples, workers)


def add_up(outcomes: Iterable[Outcome], class_names: Sequence[str]) -> tuple[SemanticConfusion, tuple[Rejection, ...]]:
    """The confusion of all images together, and what could not be read."""
    confusion = SemanticConfusion(class_names)
    rejected: list[Rejection] = []
    for outcome in outcomes:
        if outcome.record is not None:
            confusion.add(outcome.record.pixels)
        rejected.extend(outcome.rejected)
    return confusion, tuple(rejected)


def masks_to_use(labelled: LabelledImage, masks: MaskSource) -> list[Mask] | None:
    """What takes the place of the generator's masks; None leaves them."""
    if masks == "own":
        return None
    return [item.mask for item in labelled.instances if not item.is_crowd and item.mask.area >= MIN_AREA_PX]


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
        except (ImageError, DatasetError) as error:
            return Outcome(sample, None, (Rejection(sample.ref, None, str(error)),))
        start = time.perf_counter()
        analysis = self.segmenter.analyse(labelled.image, masks=masks_to_use(labelled, self.masks))
        encoded = time.perf_counter()
        answer = self.segmenter.label(analysis)
        labelled_at = time.perf_counter()
        classes = len(self.dataset.class_names)
        vocabulary = self.segmenter.store.vocabulary()
        # A class that came or went since the answer was given is none of the data set's.
        to_index = index_of_class(vocabulary, self.dataset.class_names, at_least=int(answer.semantic.max()) + 1)
        prediction = to_index[answer.semantic]
        compared: dict[str, Int64] = {}
        if self.compared:
            case = make_case(labelled.label_map, classes, analysis)
            believed = self.segmenter.beliefs(
                case.embeddings, case.descriptions, vocabulary, list(self.compared.values())
            )
            for name, beliefs in zip(self.compared, believed, strict=True):
                compared[name] = case.confusion(beliefs, vocabulary, to_index)
        things = self.dataset.has_instances
        record = ImageRecord(
            ref=sample.ref,
            pixels=count_pixels(labelled.label_map, prediction, classes),
            segments=self._segments(labelled, answer, to_index) if things else None,
            instances=self._instances(labelled) if things else (),
            detections=self._detections(answer, to_index) if things else (),
            compared=compared,
            encode_seconds=encoded - start,
            label_seconds=labelled_at - encoded,
        )
        return Outcome(sample, record, labelled.rejected)

    def _segments(self, labelled: LabelledImage, answer: Segmentation, to_index: Int32) -> SegmentCounts:
        truth, infos = self._true_segments(labelled)
        named = np.zeros(len(answer.segments) + 1, dtype=np.int32)
        said = []
        for segment in answer.segments:
            if (category := int(to_index[segment.class_id])) >= 0:
                named[segment.segment_id] = segment.segment_id
                said.append(SegmentInfo(segment.segment_id, category))
        return segment_counts(truth, infos, named[answer.panoptic], said, len(self.dataset.class_names))

    def _true_segments(self, labelled: LabelledImage) -> tuple[Int32, list[SegmentInfo]]:
        """``(H, W)`` segment ids: one for each class of stuff, as in COCO panoptic, and one for each thing over it."""
        classes = self.dataset.classes
        index = {label.name: i for i, label in enumerate(classes)}
        # The last is for what is not labelled. A pixel of a thing that belongs to no instance is void.
        stuff = np.array([0 if label.is_thing else i + 1 for i, label in enumerate(classes)] + [0], dtype=np.int32)
        truth = stuff[labelled.label_map]
        infos = [SegmentInfo(i + 1, i) for i, label in enumerate(classes) if not label.is_thing]
        things = [item for item in labelled.instances if classes[index[item.class_name]].is_thing]
        # Smaller ones lie on larger ones, crowds below all, as in the label map.
        things.sort(key=lambda item: (not item.is_crowd, -item.mask.area))
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

    def _detections(self, answer: Segmentation, to_index: Int32) -> tuple[Annotation, ...]:
        found = []
        for segment in answer.segments:
            category = int(to_index[segment.class_id])
            if category >= 0 and self.dataset.classes[category].is_thing:
                found.append(instance_annotation(segment.mask, category, score=segment.confidence))
        return tuple(found)
