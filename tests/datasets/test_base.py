"""What all readers share: classes with their other names, and how these come into a store."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as Pil

from knnclip.datasets import ClassLabel, Rejection, open_dataset, select_samples, write_rejections
from knnclip.datasets.base import unwanted, without_shared_synonyms
from knnclip.datasets.reading import contents
from knnclip.errors import DatasetError
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
    assert contents(tmp_path) == "it holds nothing"
    (tmp_path / "b").mkdir()
    (tmp_path / "a.txt").touch()
    assert contents(tmp_path) == "it holds a.txt, b/"
    assert contents(tmp_path / "a.txt") == "a.txt is a file"
    assert contents(tmp_path / "c") == "c is not there"


def test_an_ingest_stores_the_other_names_that_are_free(tmp_path):
    root = tmp_path / "voc"
    for folder in ("JPEGImages", "SegmentationClass"):
        (root / folder).mkdir(parents=True)
    Pil.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)).save(
        root / "JPEGImages" / "a.jpg"
    )
    Pil.fromarray(blocks(0, 1, 4, 14).astype(np.uint8)).save(root / "SegmentationClass" / "a.png")
    dataset = open_dataset(root)
    with Segmenter.open(tmp_path / "store", "builtin") as segmenter:
        segmenter.store.add_class("plane")
        segmenter.store.add_class("speed bike", synonyms=("motorcycle",))
        ingest(segmenter, dataset, dataset.samples, IngestSettings(kind="truth"))
        known = segmenter.store.vocabulary()
    assert known.by_name("aeroplane").synonyms == ("airplane",), "plane is another class"
    assert known.by_name("motorbike").synonyms == (), "motorcycle is another class"
    assert known.by_name("tvmonitor").name == "tv monitor"
    assert (known.by_name("boat").is_thing, known.by_name("background").is_thing) == (True, False)
    assert known.by_name("boat").color == (0, 0, 128)


def test_samples_are_chosen_by_the_names_of_their_files(sample_data):
    dataset = open_dataset(sample_data / "train")
    assert select_samples(dataset) == list(dataset.samples)
    chosen = select_samples(dataset, ["train_00[1-2]*", "*_023.png"])
    assert [sample.image_path.stem for sample in chosen] == ["train_001", "train_002", "train_023"]
    with pytest.raises(DatasetError, match=r"matches 0001TP\*; its first is train_000\.png, check the pattern"):
        select_samples(dataset, ["0001TP*"])
    empty = replace(dataset, samples=(), rejected=(Rejection("a.json", "image 1", "image a.jpg is missing"),))
    with pytest.raises(DatasetError, match=r"no image that can be read: image a\.jpg is missing"):
        select_samples(empty, ["*"])


@pytest.mark.parametrize(("told_apart", "objects"), [(True, "objects told apart"), (False, "objects not told apart")])
def test_the_summary_says_what_was_found(sample_data, told_apart, objects):
    dataset = replace(open_dataset(sample_data / "train"), has_instances=told_apart)
    assert dataset.summary == f"masks, 24 images, 7 classes, {objects}"


def test_the_list_of_rejections_is_of_the_last_run(tmp_path):
    file = tmp_path / "deep" / "rejected.jsonl"
    write_rejections([Rejection("a.json", "shape 3", "it has\nno pixel"), Rejection("b.jpg", None, "damaged")], file)
    assert [json.loads(line) for line in file.read_text().splitlines()] == [
        {"file": "a.json", "place": "shape 3", "reason": "it has\nno pixel"},
        {"file": "b.jpg", "place": None, "reason": "damaged"},
    ]
    write_rejections([], file)
    write_rejections([], file)
    assert not file.exists()
