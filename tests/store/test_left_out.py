"""Leaving parts of the images out, against a slow twin; what is asked is a function of the rows."""

import numpy as np
import pytest

from knnclip.knowledge import Census
from knnclip.store import Store, left_out
from knnclip.store.left_out import PARTINGS, Leaving
from knnclip.store.moments import FOLDS, Moments
from knnclip.vocabulary import ClassInfo, Vocabulary

from .samples import FINGERPRINT, batch
from .test_index import filled, make_rows, rounded

IMAGE_ORDER = np.array([7, 3, 1, 8, 2, 5, 6, 4])
RUN = {7: 0, 3: 0, 1: 1, 8: 1, 2: 2, 5: 2, 6: 3, 4: 3}


def leaving(rows, vectors):
    vocabulary = Vocabulary.of(ClassInfo(i, f"class {i}", True, (0, 0, 0)) for i in range(1, 5))
    counts = np.bincount(rows["class_id"], minlength=5)[1:]
    census = Census(counts, counts)
    return Leaving(1, vocabulary, census, filled(rows, vectors), IMAGE_ORDER, rows["instance_id"] * 10)


def part_of(row, parting):
    return int(row["fold"]) if parting == "dealt" else RUN[int(row["image_id"])]


@pytest.mark.parametrize("parting", PARTINGS)
def test_neighbours_are_the_nearest_of_other_parts(parting, monkeypatch):
    monkeypatch.setattr(left_out, "SIMILARITIES", 1000)  # some queries at a time
    rows, vectors = make_rows(150), rounded(1, 150)
    found = leaving(rows, vectors).left_out(parting, 5, 1000)
    assert len(found.class_id) == len(rows)
    for q, vector in enumerate(found.vectors):
        own = int((vectors @ vector).argmax())
        part = part_of(rows[own], parting)
        assert (found.class_id[q], found.part[q]) == (rows["class_id"][own], part)
        assert found.area_px[q] == 10 * rows["instance_id"][own]
        assert found.group[q] == rows["fold"][own] * FOLDS + RUN[int(rows["image_id"][own])]
        others = np.array([i for i, row in enumerate(rows) if part_of(row, parting) != part])
        nearest = others[np.argsort(-(vectors[others] @ vector), kind="stable")[:5]]
        assert rows["instance_id"][nearest].tolist() == found.neighbors.instance_id[q].tolist()
        assert rows["purity"][nearest].tolist() == found.neighbors.purity[q].tolist()


@pytest.mark.parametrize("parting", PARTINGS)
def test_moments_are_those_of_the_other_parts(parting, monkeypatch):
    monkeypatch.setattr(left_out, "CHUNK_NUMBERS", 100)
    rows, vectors = make_rows(150), rounded(1, 150)
    found = leaving(rows, vectors).left_out(parting, 5, 1000)
    parts = np.array([part_of(row, parting) for row in rows])
    for number, moments in enumerate(found.moments):
        others = parts != number
        none = np.zeros(int(others.sum()), dtype=np.int64)
        direct = Moments.empty(8).changed(vectors[others], rows["class_id"][others], none, 1)
        expected = direct.of_classes(np.arange(1, 5))
        for got, want in zip((moments.instances, moments.sums, moments.product), expected, strict=True):
            np.testing.assert_array_equal(got, want)
        assert moments.images == len(set(rows["image_id"][others].tolist()))


def test_classes_take_turns_and_those_of_one_part_are_not_asked():
    rows, vectors = make_rows(400), rounded(2, 400)
    rows["class_id"][:360], rows["class_id"][360:390], rows["class_id"][390:] = 1, 2, 3
    rows["image_id"][390:], rows["fold"][390:] = 7, 7 % FOLDS
    found = leaving(rows, vectors).left_out("runs", 5, 40)
    asked = np.bincount(found.class_id, minlength=5)
    assert asked[[1, 2, 3]].tolist() == [31, 9, 0], "as the roots of 360 and 30"
    np.testing.assert_allclose(np.bincount(found.class_id, weights=found.stands_for)[1:], [360, 30])


def test_the_answer_does_not_depend_on_the_order_of_insertion(tmp_path):
    instances = batch(3, 60)
    answers = []
    for number, order in enumerate((np.arange(60), np.random.default_rng(0).permutation(60))):
        with Store.create(tmp_path / str(number), FINGERPRINT) as store:
            for name in "abcd":
                store.add_class(name)
            store.add([instances[i] for i in order], store.begin_source("ingest", "x"))
            with store.view() as view:
                state = view.leaving()
            store.forget(source_id=1)  # what was taken is asked at leisure
            found = [state.left_out(parting, 4, 50) for parting in PARTINGS]
            answers.append(
                [
                    (each.vectors.tolist(), each.area_px.tolist(), each.part.tolist(), each.group.tolist(),
                     each.neighbors.similarity.tolist(), each.class_id.tolist())
                    for each in found
                ]
            )  # fmt: skip
    assert answers[0] == answers[1]
    assert len(answers[0][0][0]) == 50


@pytest.mark.parametrize("count", [0, 1])
def test_a_store_with_nothing_to_leave_out(count):
    found = leaving(make_rows(count), rounded(1, count)).left_out("dealt", 4, 10)
    assert len(found.class_id) == len(found.neighbors.similarity) == 0
