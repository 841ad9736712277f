"""Answers as they may come: objects with holes and in several pieces, and classes with names of every kind."""

import numpy as np
from PIL import Image as Pil

from knnclip.output.exports import Answered
from knnclip.structures import Evidence, Mask, Segment, Segmentation
from knnclip.vocabulary import ClassInfo, Vocabulary

NAMES = (
    "car",
    "traffic cone",
    "rouge, vert & <bleu>",
    'two\nlines and "quotes"',
    "東京 # 5",
    "it's: a 1 2 3 thing",
    "back\\slash",
)
CLASSES = Vocabulary.of(
    ClassInfo(3 * number + 1, name, number % 2 == 0, (10 * number, 200, 255 - 30 * number))
    for number, name in enumerate(NAMES)
)


def segmentation_of(labels, classes=CLASSES):
    """An answer from a map ``(H, W)`` of object numbers, 0 for nothing; the classes take turns, unknown among them."""
    segments = []
    infos = [None, *classes]
    for number in np.unique(labels[labels > 0]).tolist():
        info = infos[number % len(infos)]
        near = () if info is None else (Evidence(7, 0.875, info.class_id, info.name, "b.jpg", 9, 9, (0, 0, 4, 4), 1),)
        segments.append(
            Segment(
                number,
                0 if info is None else info.class_id,
                None if info is None else info.name,
                info is not None and info.is_thing,
                (number % 10 + 1) / 16,
                "unknown" if info is None else "retrieval",
                Mask.from_dense(labels == number),
                (),
                near,
            )
        )
    semantic = np.zeros(labels.shape, np.int32)
    for segment in segments:
        semantic[segment.mask.slices][segment.mask.crop] = segment.class_id
    return Segmentation(semantic, labels, np.ones(labels.shape, np.float32), tuple(segments), classes)


def random_labels(rng, shape=(40, 60), objects=20):
    """Blobs over each other, hence with holes and in pieces, and single pixels."""
    labels = np.zeros(shape, np.int32)
    for number in range(1, objects + 1):
        y, x = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        height, width = rng.integers(1, 24, 2)
        labels[y : y + height, x : x + width] = number
    sprinkled = rng.random(shape) < 0.1
    labels[sprinkled] = rng.integers(0, objects + 1, int(sprinkled.sum()))
    return labels


def picture(path, shape=(40, 60)):
    """A picture on the disk, of no particular content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Pil.fromarray(np.zeros((*shape, 3), np.uint8)).save(path)
    return path


def answered(path, labels):
    """A picture of these objects, made if it is not there."""
    if not path.exists():
        picture(path, labels.shape)
    return Answered(path, labels.shape, segmentation_of(labels))


def objects_of(segmentation):
    """What an export has to hold: the class and the mask of each object with a class, in any order."""
    return sorted((segment.class_name, segment.mask.to_dense().tobytes()) for segment in segmentation.segments
                  if segment.class_id)  # fmt: skip
