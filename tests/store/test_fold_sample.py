"""Instances of one fold: of classes that others have, the same ones whatever the order."""

import numpy as np
import pytest

from knnclip.store import fold_sample
from knnclip.store.fold_sample import of_a_fold

from .test_index import filled, make_rows, rounded


def known_elsewhere(rows, fold):
    """Positions of what may be asked, by rising key."""
    elsewhere = set(rows["class_id"][rows["fold"] != fold].tolist())
    found = [i for i in np.flatnonzero(rows["fold"] == fold).tolist() if int(rows["class_id"][i]) in elsewhere]
    return sorted(found, key=lambda i: int(rows["key"][i]))


def test_a_sample_is_of_one_fold_and_of_classes_that_others_have():
    rows, vectors = make_rows(80), rounded(1, 80)
    rows["class_id"][(rows["fold"] == 0) & (rows["class_id"] == 2)] = 7  # in this fold alone
    sample = of_a_fold(filled(rows, vectors))
    expected = known_elsewhere(rows, 0)
    assert sample.fold == 0
    assert 0 < len(expected) < np.count_nonzero(rows["fold"] == 0)
    np.testing.assert_array_equal(sample.vectors, vectors[expected])


def test_a_fold_whose_classes_are_its_own_is_passed_over():
    rows, vectors = make_rows(80), rounded(1, 80)
    rows["class_id"][rows["fold"] == 0] = 7
    sample = of_a_fold(filled(rows, vectors))
    assert sample.fold == 1
    np.testing.assert_array_equal(sample.vectors, vectors[known_elsewhere(rows, 1)])


def test_it_does_not_depend_on_the_order_and_has_an_end(monkeypatch):
    monkeypatch.setattr(fold_sample, "MOST_ASKED", 5)
    rows, vectors = make_rows(80), rounded(1, 80)
    order = np.random.default_rng(0).permutation(80)
    found = [of_a_fold(filled(rows[o], vectors[o])).vectors for o in (np.arange(80), order)]
    np.testing.assert_array_equal(found[0], vectors[known_elsewhere(rows, 0)[:5]])
    np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.parametrize("count", [0, 1, 9])
def test_images_of_one_fold_leave_nothing_to_ask(count):
    rows = make_rows(count)
    rows["fold"] = 3
    assert of_a_fold(filled(rows, rounded(1, count))) is None
