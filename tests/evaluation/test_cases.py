"""A picture reduced to counts is scored as its pixels are."""

from dataclasses import replace

import numpy as np
import pytest

from knnclip.datasets import open_dataset
from knnclip.evaluation.cases import Shelf, confusion_of_cases, make_case
from knnclip.evaluation.class_matching import index_of_class
from knnclip.ingest import IngestSettings, ingest
from knnclip.metrics.semantic import count_pixels
from knnclip.segmenter import Segmenter
from knnclip.structures import Mask


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory, sample_data):
    train = open_dataset(sample_data / "train")
    with Segmenter.open(tmp_path_factory.mktemp("cases") / "store", "builtin") as opened:
        ingest(opened, train, train.samples[:6], IngestSettings())
        yield opened


def counted(segmenter, analysis, truth, names):
    to_index = index_of_class(segmenter.store.vocabulary(), [(name,) for name in names])
    return count_pixels(truth, to_index[segmenter.label(analysis).semantic], len(names)).confusion


@pytest.mark.parametrize("names_of", [lambda names: names, lambda names: names[::-1][:4]])
def test_the_counts_are_those_of_the_semantic_map(segmenter, sample_data, names_of):
    val = open_dataset(sample_data / "val")
    names = names_of(val.class_names)
    cases, expected = [], 0
    for sample in val.samples[:4]:
        labelled = val.load(sample)
        place = {name: i for i, name in enumerate(names)}
        truth = np.array([place.get(name, -1) for name in val.class_names] + [-1], np.int32)[labelled.label_map]
        truth[:30] = -1  # and a part where the truth says nothing
        analysis = segmenter.analyse(labelled.image)
        cases.append(make_case(truth, len(names), analysis, Shelf()))
        expected = expected + counted(segmenter, analysis, truth, names)
    np.testing.assert_array_equal(confusion_of_cases(segmenter, cases, names), expected)


def test_other_settings_are_scored_as_if_they_were_the_presets(segmenter, sample_data):
    val = open_dataset(sample_data / "val")
    labelled = val.load(val.samples[0])
    analysis = segmenter.analyse(labelled.image)
    case = make_case(labelled.label_map, len(val.class_names), analysis, Shelf())
    settings = [
        replace(segmenter.preset, vote=replace(segmenter.preset.vote, k=k, tau=tau))
        for k in (1, 5, 40)
        for tau in (0.01, 1)
    ]
    with segmenter.store.view() as view:
        vocabulary = view.vocabulary
        believed = segmenter.beliefs(view, case, settings)
    to_index = index_of_class(vocabulary, val.class_aliases)
    found = []
    for preset, beliefs in zip(settings, believed, strict=True):
        whole = segmenter.with_settings(vote=preset.vote)
        expected = counted(whole, analysis, labelled.label_map, val.class_names)
        np.testing.assert_array_equal(case.confusion(beliefs, vocabulary, to_index), expected)
        found.append(expected)
    assert any((one != found[0]).any() for one in found[1:]), "the settings make a difference"


def test_a_picture_without_masks_or_without_truth_counts(segmenter, sample_data):
    val = open_dataset(sample_data / "val")
    labelled = val.load(val.samples[0])
    corner = np.zeros(labelled.label_map.shape, bool)
    corner[:5, :5] = True
    names = val.class_names
    for masks in ([], [Mask.from_dense(corner)]):
        analysis = segmenter.analyse(labelled.image, masks=masks)
        for truth in (labelled.label_map, np.full_like(labelled.label_map, -1)):
            found = confusion_of_cases(segmenter, [make_case(truth, len(names), analysis, Shelf())], names)
            np.testing.assert_array_equal(found, counted(segmenter, analysis, truth, names))


def test_arrays_of_many_pictures_share_one_file():
    shelf, arrays = (
        Shelf(),
        [np.arange(n * 6, dtype=kind).reshape(n, 2, 3) for n, kind in ((4, "i4"), (1, "f2"), (0, "i4"))],
    )
    kept = [shelf.put(array) for array in arrays]
    for array, item in zip(arrays, kept, strict=True):
        np.testing.assert_array_equal(item.read(), array)
        assert item.read().dtype == array.dtype
