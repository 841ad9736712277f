"""Pictures of an evaluation: the worst and the best images, and the stored instances behind the worst confusions.

They are made after the scores, from a dozen images that are segmented once more, so that an evaluation of thousands of
images keeps no picture of any.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from knnclip.datasets import Dataset, LabelledImage, Sample
from knnclip.evaluation.class_matching import class_ids_of, index_of_class
from knnclip.evaluation.journal import records
from knnclip.evaluation.judge import MaskSource, masks_to_use
from knnclip.evaluation.record import miou_of
from knnclip.evaluation.report.formats import percent
from knnclip.evaluation.report.page import PICTURES, Picture
from knnclip.files import write_atomically, write_json
from knnclip.images import encode_jpeg
from knnclip.output.colors import with_distinct_colors
from knnclip.output.rendering import error_map, evidence_sheet, overlay, side_by_side
from knnclip.segmenter import Segmenter
from knnclip.structures import UNKNOWN, Image, Int32, Segmentation
from knnclip.vocabulary import ClassInfo, Vocabulary, default_color

WORST, BEST, CONFUSIONS = 6, 3, 5
"""Pictures of each kind: what people look through. Each costs a segmentation, and some 200 kB of the page."""

WIDTH_PX = 1600
"""Of a picture at most: four panels are then still legible, and the page is opened without waiting."""


@dataclass(frozen=True)
class ImageScore:
    """How well an image was answered."""

    ref: str
    miou: float  # over the classes in its truth


@dataclass(frozen=True)
class Confusion:
    """A class that was often taken for another, and the image where that happened most."""

    truth: int  # index of the data set's class
    answer: int
    pixels: int  # of the whole set
    ref: str


@dataclass(frozen=True, eq=False)
class Palette:
    """How the classes of the store, and those that only the data set has, are drawn."""

    vocabulary: Vocabulary  # in clear colours
    to_class: Int32  # (C + 1,) the class id of each index of the data set; the last is for where the truth says nothing


def illustrate(
    segmenter: Segmenter, dataset: Dataset, samples: Sequence[Sample], folder: Path, masks: MaskSource
) -> None:
    """Writes the pictures of the evaluation that the folder has, and the list of them.

    ``samples`` are those that were scored, ``masks`` the same as for their scores.
    """
    sample_of = {sample.ref: sample for sample in samples}
    palette = _palette(segmenter, dataset)
    pictures: list[Picture] = []

    def save(name: str, kind: str, title: str, caption: str, pixels: Image) -> None:
        write_atomically(folder / "pictures" / name, encode_jpeg(pixels, WIDTH_PX))
        pictures.append(Picture(f"pictures/{name}", kind, title, caption))

    worst, best = worst_and_best(folder, len(dataset.class_names), sample_of)
    for kind, chosen in (("worst", worst), ("best", best)):
        for number, image in enumerate(chosen):
            labelled, answer = _answer(segmenter, dataset, sample_of[image.ref], masks)
            title = f"{image.ref}, mIoU {percent(image.miou)}% over its classes"
            save(f"{kind}_{number}.jpg", kind, title, "", _panels(palette, dataset, labelled, answer))
    confusions = worst_confusions(folder, dataset.class_names, sample_of) if len(segmenter.store) else []
    for number, confusion in enumerate(confusions):
        labelled, answer = _answer(segmenter, dataset, sample_of[confusion.ref], masks)
        true, predicted = (dataset.class_names[c] for c in (confusion.truth, confusion.answer))
        title = f"{true} taken for {predicted}: {confusion.pixels:,} pixels"
        sheet = _evidence(segmenter, dataset, labelled, answer, masks, confusion)
        save(f"confusion_{number}.jpg", "confusion", title, f"most of them in {confusion.ref}", sheet)
    write_json(folder / PICTURES, pictures)


def worst_and_best(folder: Path, classes: int, refs: Collection[str]) -> tuple[list[ImageScore], list[ImageScore]]:
    """The images of lowest and of highest mIoU over their own classes; none is in both."""
    found = [
        ImageScore(record.ref, miou)
        for record in records(folder, classes)
        if record.ref in refs and not math.isnan(miou := miou_of(record.pixels.confusion))
    ]
    worst = heapq.nsmallest(min(WORST, -(-len(found) // 2)), found, key=lambda image: (image.miou, image.ref))
    rest = [image for image in found if image not in worst]
    return worst, heapq.nlargest(BEST, rest, key=lambda image: (image.miou, image.ref))


def worst_confusions(folder: Path, class_names: Sequence[str], refs: Collection[str]) -> list[Confusion]:
    """The pairs of classes with the most pixels of one that were answered the other."""
    classes = len(class_names)
    total = np.zeros((classes, classes + 1), dtype=np.int64)
    most = np.zeros((classes, classes), dtype=np.int64)  # pixels in the image where there are most
    where: dict[tuple[int, int], str] = {}
    for record in records(folder, classes):
        if record.ref not in refs:
            continue
        found = record.pixels.confusion
        total += found
        for t, p in np.argwhere(found[:, :classes] > most).tolist():
            most[t, p] = found[t, p]
            where[t, p] = record.ref
    wrong = total[:, :classes] * ~np.eye(classes, dtype=bool)
    order = np.argsort(-wrong.ravel(), kind="stable")[:CONFUSIONS]
    pairs = [divmod(int(cell), classes) for cell in order if wrong.flat[cell] > 0]
    return [Confusion(t, p, int(wrong[t, p]), where[t, p]) for t, p in pairs]


def _answer(
    segmenter: Segmenter, dataset: Dataset, sample: Sample, masks: MaskSource
) -> tuple[LabelledImage, Segmentation]:
    labelled = dataset.load(sample)
    return labelled, segmenter.label(segmenter.analyse(labelled.image, masks=masks_to_use(labelled, masks)))


def _panels(palette: Palette, dataset: Dataset, labelled: LabelledImage, answer: Segmentation) -> Image:
    to_index = index_of_class(palette.vocabulary, dataset.class_aliases, at_least=int(answer.semantic.max()) + 1)
    truth = palette.to_class[labelled.label_map]
    drawn = Segmentation(truth, truth, np.ones(truth.shape, dtype=np.float32), (), palette.vocabulary)
    return side_by_side(
        [
            ("image", labelled.image),
            ("truth", overlay(labelled.image, drawn, palette.vocabulary, unknown="not labelled")),
            ("answer", overlay(labelled.image, answer, palette.vocabulary)),
            (
                "blue right, red wrong, yellow not answered",
                error_map(labelled.image, labelled.label_map, to_index[answer.semantic]),
            ),
        ]
    )


def _palette(segmenter: Segmenter, dataset: Dataset) -> Palette:
    classes = list(segmenter.store.vocabulary())
    free = max((info.class_id for info in classes), default=UNKNOWN) + 1
    ids = class_ids_of(segmenter.store.vocabulary(), dataset.class_aliases)
    for number, label in enumerate(dataset.classes):
        if ids[number] == UNKNOWN:
            ids[number] = free + number
            color = label.color or default_color(label.name)
            classes.append(
                ClassInfo(ids[number], label.name, label.is_thing, color, keeps_color=label.color is not None)
            )
    return Palette(with_distinct_colors(Vocabulary.of(classes)), np.array([*ids, UNKNOWN], dtype=np.int32))


def _evidence(
    segmenter: Segmenter,
    dataset: Dataset,
    labelled: LabelledImage,
    answer: Segmentation,
    masks: MaskSource,
    confusion: Confusion,
) -> Image:
    """The stored instances behind the mask that has most of the confused pixels, and little else."""
    vocabulary = segmenter.store.vocabulary()
    to_index = index_of_class(vocabulary, dataset.class_aliases, at_least=int(answer.semantic.max()) + 1)
    wrong = (labelled.label_map == confusion.truth) & (to_index[answer.semantic] == confusion.answer)
    analysis = segmenter.analyse(labelled.image, masks=masks_to_use(labelled, masks))
    covered = [np.count_nonzero(mask.select(wrong)) ** 2 / mask.area for mask in analysis.proposals.masks]
    blamed = analysis.proposals.masks[int(np.argmax(covered))]
    # Asked on its own, the mask is the answer's only segment with evidence: what spoke for it.
    alone = segmenter.label(segmenter.analyse(labelled.image, masks=[blamed]))
    segment = max(alone.segments, key=lambda segment: (len(segment.evidence), segment.mask.area))
    thumbnails = segmenter.store.thumbnails({item.image_ref for item in segment.evidence})
    return evidence_sheet(labelled.image, segment, thumbnails)
