"""Fusion with a real base classifier, DeepLab-v3 over the classes of Pascal VOC, on real pictures."""

import numpy as np
import pytest

from knnclip.datasets import open_dataset
from knnclip.ingest import IngestSettings, ingest
from knnclip.segmenter import Segmenter
from knnclip.structures import UNKNOWN

ROWS = 5000


@pytest.fixture(scope="module")
def base(shared_data):
    """The network as a classifier part."""
    folder = shared_data.parent / "models"
    return (
        f"onnx:{folder}/deeplabv3_mnv2_pascal.onnx,labels={folder}/deeplabv3_mnv2_pascal_labels.txt,multiple=16,extra=1"
    )


@pytest.fixture(scope="module")
def drive(shared_data, base, tmp_path_factory):
    """A store of 5,000 rows of a drive without its buildings, and two frames of it one second apart."""
    dataset = open_dataset(shared_data / "camvid" / "train")
    frames = [sample for sample in dataset.samples if sample.image_path.name.startswith("0016E5")]
    settings = IngestSettings(exclude=("Building",), max_instances_per_image=150)
    path = tmp_path_factory.mktemp("drive") / "store"
    with Segmenter.open(path, "builtin", classifier=base, device="cpu") as segmenter:
        ingest(segmenter, dataset, frames[:40], settings)
        assert len(segmenter.store) >= ROWS
        yield segmenter, [dataset.load(sample) for sample in frames[60:62]]


def largest(labelled, name):
    return max((item.mask for item in labelled.instances if item.class_name == name), key=lambda mask: mask.area)


def test_one_click_wins_on_its_object_and_on_its_like_in_the_next_picture(drive):
    segmenter, (first, second) = drive
    shown, asked = largest(first, "Building"), largest(second, "Building")
    others = [item for item in second.instances if item.class_name != "Building" and item.mask.area > 400]
    next_picture = segmenter.analyse(second.image, masks=[asked, *(item.mask for item in others)])
    known = [name_of(segmenter, next_picture, item.mask) for item in others]

    source = segmenter.teach(segmenter.analyse(first.image, masks=[]), shown, "Building")
    assert segmenter.store.sources()[-1].source_id == source
    clicked = segmenter.analyse(first.image, masks=[shown])
    assert name_of(segmenter, clicked, shown) == "Building"
    assert name_of(segmenter, next_picture, asked) == "Building"
    after = [name_of(segmenter, next_picture, item.mask) for item in others]
    kept = sum(one == other for one, other in zip(known, after, strict=True))
    assert kept >= 0.8 * len(others), "the rest of the picture stays what it was"


def test_what_the_base_calls_background_is_rescued_by_the_store(drive):
    segmenter, (_, second) = drive
    masks = [item.mask for item in second.instances if item.class_name in ("Road", "Sky", "Tree")]
    analysis = segmenter.analyse(second.image, masks=masks)
    vocabulary = segmenter.store.vocabulary()
    base = segmenter.classifier.classify(analysis.descriptions, vocabulary)
    assert (base.sum(axis=1) < 0.5).all(), "none of these is a class of the base"
    semantic = segmenter.label(analysis).semantic
    truth = np.isin(second.label_map, [second.class_names.index(name) for name in ("Road", "Sky", "Tree")])
    assert (semantic[truth] != UNKNOWN).mean() > 0.8


def name_of(segmenter, analysis, mask):
    """The class of most of a mask's pixels."""
    semantic = mask.select(segmenter.label(analysis).semantic)
    ids, counts = np.unique(semantic, return_counts=True)
    best = int(ids[counts.argmax()])
    return None if best == UNKNOWN else segmenter.store.vocabulary().by_id(best).name
