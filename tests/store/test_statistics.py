from __future__ import annotations

import numpy as np
import pytest

from knnclip.store import statistics
from knnclip.store.statistics import LevelCache, class_levels, count, levels_of, nearest_elsewhere, of_vocabulary
from knnclip.vocabulary import ClassInfo, Vocabulary

from .test_index import filled, make_rows, rounded

VOCABULARY = Vocabulary.of(ClassInfo(i, name, True, (0, 0, 0)) for i, name in [(4, "a"), (1, "b"), (9, "c"), (3, "d")])


def slow_levels(rows, vectors):
    """Nearest row of the same class in another image, one pair at a time."""
    nearest: dict[int, list[float]] = {}
    for i, row in enumerate(rows):
        others = [
            float(vectors[i].astype(np.float64) @ vectors[j].astype(np.float64))
            for j, other in enumerate(rows)
            if other["class_id"] == row["class_id"] and other["image_id"] != row["image_id"]
        ]
        if others:
            nearest.setdefault(int(row["class_id"]), []).append(max(others))
    return {key: (float(np.quantile(v, 0.05)), float(np.median(v))) for key, v in nearest.items()}


def levels(index, cache=None):
    return levels_of((cache or LevelCache()).of(index, count(index)), VOCABULARY)


@pytest.mark.parametrize("size", [0, 1, 7, 200])
def test_counts_agree_with_sets(size):
    rows = make_rows(size)
    census = of_vocabulary(count(filled(rows, rounded(1, size))), VOCABULARY)
    for info, n, images in zip(VOCABULARY, census.instances, census.images, strict=True):
        of_class = [row for row in rows if row["class_id"] == info.class_id]
        assert n == len(of_class)
        assert images == len({int(row["image_id"]) for row in of_class})


def test_levels_agree_with_the_slow_twin():
    rows, vectors = make_rows(120), rounded(1, 120)
    found = class_levels(filled(rows, vectors), np.arange(10))
    expected = slow_levels(rows, vectors)
    assert {key: (level.floor, level.typical) for key, level in found.items()} == expected
    assert [found[1].images] == [len(set(rows["image_id"][rows["class_id"] == 1].tolist()))]


def test_a_class_of_one_image_has_no_level_of_its_own():
    rows = make_rows(6)
    rows["class_id"] = [1, 1, 1, 3, 3, 4]
    rows["image_id"] = [1, 2, 2, 5, 5, 6]
    index = filled(rows, rounded(1, 6))
    assert set(class_levels(index, np.array([1, 3, 4, 9]))) == {1}
    found = levels(index)
    assert found.known
    assert len(set(found.floor.tolist())) == 1  # all have that of the only class that was seen twice
    assert np.all(found.floor <= found.typical)


def test_without_a_class_of_two_images_nothing_is_known():
    rows = make_rows(6)
    rows["image_id"] = rows["class_id"]
    for index in (filled(make_rows(0), rounded(1, 0)), filled(rows, rounded(1, 6))):
        found = levels(index)
        assert not found.known
        assert found.floor.shape == found.typical.shape == (4,)


def test_little_seen_classes_are_drawn_to_the_others():
    rows = make_rows(204)
    rows["class_id"] = [1] * 100 + [3] * 100 + [4] * 4
    rows["image_id"] = [*range(100), *range(100), 1, 1, 2, 2]
    vectors = np.concatenate([rounded(1, 200), np.repeat(rounded(2, 1), 4, axis=0)])
    index = filled(rows, vectors)
    own = class_levels(index, np.array([1, 3, 4]))
    middle = float(np.median([own[key].typical for key in (1, 3, 4)]))
    found = levels(index).typical[0]  # class 4, seen in two images
    assert found == np.float32(2 / 6 * own[4].typical + 4 / 6 * middle)
    assert middle < found < own[4].typical


def test_a_large_class_is_judged_by_a_sample_that_no_order_changes(monkeypatch):
    monkeypatch.setattr(statistics, "SAMPLE_ROWS", 40)
    monkeypatch.setattr(statistics, "SAMPLE_QUERIES", 15)
    rows, vectors = make_rows(300), rounded(1, 300)
    expected = class_levels(filled(rows, vectors), np.arange(10))
    order = np.random.default_rng(0).permutation(300)
    assert class_levels(filled(rows[order], vectors[order]), np.arange(10)) == expected
    members = np.flatnonzero(rows["class_id"] == 2)
    sample = members[np.argsort(rows["key"][members])][:40]
    nearest = nearest_elsewhere(vectors[sample], rows["image_id"][sample], 15)
    assert expected[2].typical == np.median(nearest)


def test_only_classes_whose_rows_changed_are_computed_again(monkeypatch):
    asked = []

    def spy(index, class_ids):
        asked.append(class_ids.tolist())
        return class_levels(index, class_ids)

    monkeypatch.setattr(statistics, "class_levels", spy)
    index = filled(make_rows(100), rounded(1, 100))
    kept = LevelCache()
    levels(index, kept)
    more = make_rows(1, seed=5, first_id=500)
    more["class_id"] = 3
    index.append(more, rounded(9, 1))
    changed = levels(index, kept)
    assert asked == [[1, 2, 3, 4], [3]]
    assert changed.floor.tolist() == levels(index).floor.tolist()
    index.relabel(3, 4)
    levels(index, kept)
    assert asked[-1] == [4]
