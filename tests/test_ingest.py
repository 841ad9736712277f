"""What of a labelled image is stored."""

import shutil

import numpy as np
import pytest

from knnclip.analysis import LabelledMask
from knnclip.datasets import LabelledImage, open_dataset
from knnclip.errors import DatasetError, UsageError
from knnclip.ingest import IngestSettings, ingest, majority, take_turns
from knnclip.segmenter import Segmenter
from knnclip.structures import Mask
from tests.progress import Listener

MASK = Mask.from_dense(np.ones((2, 2)))


def labelled_masks(**counts):
    return [LabelledMask(MASK, name, origin="proposal") for name, count in counts.items() for _ in range(count)]


def test_rare_classes_keep_all_they_have_and_common_ones_share_the_rest():
    kept = [item.class_name for item in take_turns(labelled_masks(road=400, cone=2), 30)]
    assert len(kept) == 30
    assert kept.count("cone") == 2


def test_annotated_segments_go_before_proposals():
    mixed = labelled_masks(car=50) + [LabelledMask(MASK, "car")] * 3
    assert [item.origin for item in take_turns(mixed, 3)] == ["truth"] * 3


def test_all_rows_are_kept_in_order_below_the_limit():
    few = labelled_masks(a=3, b=2)
    assert take_turns(few, 10) == few


def test_majority_counts_ignored_pixels_against_purity():
    label_map = np.array([[0, 0, 1], [0, -1, -1]], np.int32)
    labelled = LabelledImage(np.zeros((2, 3, 3), np.uint8), label_map, ("a", "b"), ())
    assert majority(Mask.from_dense(np.ones((2, 3))), labelled) == ("a", 0.5)
    assert majority(Mask.from_dense(label_map < 0), labelled) == (None, 0.0)


@pytest.mark.parametrize("kind", ["truth", "proposals", "both"])
def test_what_is_stored_is_what_was_asked_for(tmp_path, sample_data, kind):
    train = open_dataset(sample_data / "train")
    with Segmenter.open(tmp_path / "s", "builtin") as segmenter:
        settings = IngestSettings(kind=kind, exclude=("sky",), max_instances_per_image=40)
        report = ingest(segmenter, train, train.samples[:2], settings)
        stored = list(segmenter.store.instances())
    assert len(stored) == report.instances <= 80
    assert {item.origin for item in stored} == {"truth", "proposal"} & (
        {"truth": {"truth"}, "proposals": {"proposal"}, "both": {"truth", "proposal"}}[kind]
    )
    assert "sky" not in {item.class_name for item in stored}
    assert {item.image_ref for item in stored} == {"images/train_000.png", "images/train_001.png"}


@pytest.mark.parametrize("wrong", [{"kind": "all"}, {"max_instances_per_image": 0}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(UsageError):
        IngestSettings(**wrong)


def test_a_run_that_is_stopped_keeps_what_it_stored_and_the_next_one_goes_on(tmp_path, sample_data):
    train = open_dataset(sample_data / "train")
    with Segmenter.open(tmp_path / "s", "builtin") as segmenter:
        listener = Listener()
        first = ingest(
            segmenter, train, train.samples[:4], IngestSettings(), workers=1,
            progress=listener, stop=lambda: listener.items == 2,
        )  # fmt: skip
        assert (first.images, first.already) == (2, 0)
        assert {item.image_ref for item in segmenter.store.instances()} == {s.ref for s in train.samples[:2]}
        assert listener.started == (4, 0)
        rest = Listener()
        second = ingest(segmenter, train, train.samples[:4], IngestSettings(), progress=rest)
        assert (rest.started, rest.items) == ((4, 2), 2)
        assert (second.images, second.already, second.source_id) == (2, 2, first.source_id)


def test_data_of_one_identity_is_one_source_wherever_it_lies(tmp_path, sample_data):
    moved = shutil.copytree(sample_data / "val", tmp_path / "moved")
    shutil.copy(sample_data / "classes.txt", tmp_path / "classes.txt")
    with Segmenter.open(tmp_path / "s", "builtin") as segmenter:
        runs = []
        for root in (sample_data / "val", moved):
            val = open_dataset(root)
            runs.append(ingest(segmenter, val, val.samples[:2], IngestSettings(), identity="val.zip 1234"))
        assert (runs[1].source_id, runs[1].already, runs[1].instances) == (runs[0].source_id, 2, 0)
        assert segmenter.store.sources()[0].description == "masks val.zip 1234"


def set_with_classes(sample_data, folder, change):
    """The sample set with other names for its classes."""
    root = shutil.copytree(sample_data / "val", folder / "set")
    (folder / "classes.txt").write_text(change((sample_data / "classes.txt").read_text()))
    return open_dataset(root)


def test_a_set_in_other_letters_is_of_the_same_classes(tmp_path, sample_data):
    train = open_dataset(sample_data / "train")
    upper = set_with_classes(sample_data, tmp_path, lambda text: text.replace("car", "CAR").replace("sky", " Sky"))
    with Segmenter.open(tmp_path / "s", "builtin") as segmenter:
        first = ingest(segmenter, train, train.samples[:1], IngestSettings())
        names = [info.name for info in segmenter.store.vocabulary()]
        assert sorted(first.new_classes) == names
        second = ingest(segmenter, upper, upper.samples[:1], IngestSettings(exclude=("Car",)))
        assert second.new_classes == ()
        assert [info.name for info in segmenter.store.vocabulary()] == names


def test_a_set_whose_two_classes_are_one_name_is_refused(tmp_path, sample_data):
    twice = set_with_classes(sample_data, tmp_path, lambda text: text.replace("tree", "Car"))
    with Segmenter.open(tmp_path / "s", "builtin") as segmenter:
        with pytest.raises(DatasetError, match="as two classes"):
            ingest(segmenter, twice, twice.samples[:1], IngestSettings())
        assert len(segmenter.store.vocabulary()) == 0
