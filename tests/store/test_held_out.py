"""Leaving images out, against a slow twin; the sample is a function of the rows."""

import numpy as np
import pytest

from knnclip.store import Store, held_out
from knnclip.store.held_out import held_out as leave_out

from .samples import FINGERPRINT, batch
from .test_index import filled, make_rows, rounded


def answer(held):
    """What does not depend on ids, which are given in the order of insertion."""
    return [
        (int(true), [(round(float(s), 6), int(c)) for s, c in zip(similarity, classes, strict=True)])
        for true, similarity, classes in zip(
            held.class_id, held.neighbors.similarity, held.neighbors.class_id, strict=True
        )
    ]


def test_neighbours_are_of_other_images_and_the_nearest():
    rows, vectors = make_rows(150), rounded(1, 150)
    held = leave_out(filled(rows, vectors), 5)
    neighbors, class_id = held.neighbors, held.class_id
    at = {int(row["instance_id"]): i for i, row in enumerate(rows)}
    images_of = {c: set(rows["image_id"][rows["class_id"] == c]) for c in set(rows["class_id"].tolist())}
    asked = [row for row in rows if len(images_of[int(row["class_id"])]) > 1]
    assert len(class_id) == len(asked)
    np.testing.assert_array_equal(held.vectors.shape, (len(asked), vectors.shape[1]))
    for vector, fold, true in zip(held.vectors, held.fold, class_id, strict=True):
        row = rows[int((vectors @ vector).argmax())]
        assert (row["fold"], row["class_id"]) == (fold, true)
    assert sorted(class_id.tolist()) == sorted(int(row["class_id"]) for row in asked)
    found = set()
    for q in range(len(class_id)):
        mine = [at[int(i)] for i in neighbors.instance_id[q]]
        for i, row in enumerate(rows):  # the row that was asked: the one whose own nearest these are
            others = np.flatnonzero(rows["image_id"] != row["image_id"])
            nearest = others[np.argsort(-(vectors[others] @ vectors[i]), kind="stable")[:5]]
            if nearest.tolist() == mine and row["class_id"] == class_id[q]:
                assert all(rows["image_id"][j] != row["image_id"] for j in mine)
                found.add(i)
    assert len(found) == len(asked)


def test_classes_take_turns_in_a_sample(monkeypatch):
    monkeypatch.setattr(held_out, "MOST_INSTANCES", 40)
    monkeypatch.setattr(held_out, "MOST_QUERIES", 12)
    rows, vectors = make_rows(300), rounded(2, 300)
    rows["class_id"][:250] = 1
    rows["class_id"][250:] = 3
    held = leave_out(filled(rows, vectors), 60)
    neighbors, class_id = held.neighbors, held.class_id
    assert sorted(class_id.tolist()) == [1] * 6 + [3] * 6
    assert (neighbors.valid.sum(axis=1) < 40).all()


def test_the_answer_does_not_depend_on_the_order_of_insertion(tmp_path):
    instances = batch(3, 60)
    answers = []
    for number, order in enumerate((np.arange(60), np.random.default_rng(0).permutation(60))):
        with Store.create(tmp_path / str(number), FINGERPRINT) as store:
            for name in "abcd":
                store.add_class(name)
            store.add([instances[i] for i in order], store.begin_source("ingest", "x"))
            with store.view() as view:
                answers.append(answer(view.held_out(4)))
    assert answers[0] == answers[1]
    assert len(answers[0]) == 60


@pytest.mark.parametrize("count", [0, 1])
def test_a_store_with_nothing_to_leave_out(count):
    held = leave_out(filled(make_rows(count), rounded(1, count)), 4)
    neighbors, class_id = held.neighbors, held.class_id
    assert len(class_id) == 0
    assert neighbors.similarity.shape[0] == 0
