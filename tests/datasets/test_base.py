"""What all readers share: classes with their other names, and how these come into a store."""

import numpy as np
from PIL import Image as Pil

from knnclip.datasets import ClassLabel, open_dataset
from knnclip.datasets.base import unwanted, without_shared_synonyms
from knnclip.datasets.reading import seen
from knnclip.ingest import IngestSettings, ingest
from knnclip.segmenter import Segmenter
from tests.datasets.test_published import blocks


def test_a_synonym_that_names_another_class_is_left_out():
    labels = without_shared_synonyms(
        [
            ClassLabel("cap", True, None, ("hat", "lid", "cover", "cover")),
            ClassLabel("hat", True, None, ("bonnet",)),
            ClassLabel("pot", True, None, ("lid",)),
        ]
    )
    assert [label.synonyms for label in labels] == [("cover",), ("bonnet",), ()]


def test_a_class_is_ignored_by_its_value_its_name_or_another_name():
    label = ClassLabel("grass", False, None, ("grass-merged",))
    assert [unwanted(193, label, [name]) for name in ("193", "grass", "grass-merged", "gras")] == [True] * 3 + [False]
    assert not unwanted(1, label, ())


def test_what_a_folder_holds(tmp_path):
    assert seen(tmp_path) == "it holds nothing"
    (tmp_path / "b").mkdir()
    (tmp_path / "a.txt").touch()
    assert seen(tmp_path) == "it holds a.txt, b/"
    assert seen(tmp_path / "a.txt") == "a.txt is a file"
    assert seen(tmp_path / "c") == "c is not there"


def test_an_ingest_stores_the_other_names_that_are_free(tmp_path):
    root = tmp_path / "voc"
    for folder in ("JPEGImages", "SegmentationClass"):
        (root / folder).mkdir(parents=True)
    Pil.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)).save(
        root / "JPEGImages" / "a.jpg"
    )
    Pil.fromarray(blocks(0, 1, 4, 14).astype(np.uint8)).save(root / "SegmentationClass" / "a.png")
    dataset = open_dataset(root)
    with Segmenter.open(tmp_path / "store") as segmenter:
        segmenter.store.add_class("plane")
        segmenter.store.add_class("speed bike", synonyms=("motorcycle",))
        ingest(segmenter, dataset, dataset.samples, IngestSettings(kind="truth"))
        known = segmenter.store.vocabulary()
    assert known.by_name("aeroplane").synonyms == ("airplane",), "plane is another class"
    assert known.by_name("motorbike").synonyms == (), "motorcycle is another class"
    assert known.by_name("tvmonitor").name == "tv monitor"
    assert (known.by_name("boat").is_thing, known.by_name("background").is_thing) == (True, False)
    assert known.by_name("boat").color == (0, 0, 128)
