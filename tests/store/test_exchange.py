"""Instances that give way to others, and come back: one transaction each, to the bit."""

import pytest

from knnclip.errors import StoreError
from knnclip.store import NOTHING
from knnclip.structures import Mask
from tests.store.samples import answers, batch, instance, mask, new_store


def test_what_gives_way_and_what_comes_are_one_transaction_and_both_go_back(tmp_path):
    with new_store(tmp_path, batch(1, 20)) as store:
        before, generation = answers(store), store.generation
        victims = [item.instance_id for item in store.instances("a")]
        source, exchange = store.teach([instance(900, "new")], "new", in_place_of=victims)
        assert store.generation == generation + 1
        assert store.vocabulary().find("a") is None
        assert store.source(source).instances == 1
        after = answers(store)
        undone = store.exchange(list(exchange.put.values()), exchange.taken, "undone")
        assert answers(store) == before
        assert [info.source_id for info in store.sources()] == [1], "an empty teaching goes"
        store.exchange(list(undone.put.values()), undone.taken, "done again")
        assert answers(store) == after
        assert [info.source_id for info in store.sources()] == [1, source]
        assert store.verify() == []


def test_a_class_comes_back_with_its_colour_kind_and_synonyms(tmp_path):
    with new_store(tmp_path, [instance(1, "cat")]) as store:
        store.add([instance(2, "dog", "b.png")], store.begin_source("ingest", "b"))
        store.rename("dog", "hound")
        before = store.vocabulary().by_name("dog")
        taken = store.exchange([2], NOTHING, "wrong").taken
        assert store.vocabulary().find("dog") is None
        store.exchange([], taken, "undone")
        info = store.vocabulary().by_name("dog")
        assert (info.name, info.color, info.synonyms) == (before.name, before.color, before.synonyms)


def test_what_is_gone_already_is_neither_taken_nor_put(tmp_path):
    with new_store(tmp_path, batch(1, 5)) as store:
        generation = store.generation
        assert store.exchange([77], NOTHING, "nothing").put == {}
        assert store.generation == generation
        _, exchange = store.teach([instance(900)], "new", in_place_of=[1, 77])
        assert list(exchange.taken.instances) == [1]


def test_a_refused_teaching_takes_nothing_out(tmp_path):
    with new_store(tmp_path, batch(1, 5)) as store:
        before = answers(store)
        with pytest.raises(StoreError):
            store.teach([instance(900, embedding=2 * instance(900).embedding)], "new", in_place_of=[1, 2])
        assert answers(store) == before


def test_a_source_that_was_forgotten_comes_back_with_what_is_put_into_it(tmp_path):
    with new_store(tmp_path, [instance(1)]) as store:
        ingest = store.begin_source("ingest", "data", key="the data")
        store.add([instance(2), instance(3)], ingest)
        taken = store.exchange([2], NOTHING, "wrong").taken
        store.forget(source_id=ingest)
        anew = store.begin_source("ingest", "data", key="the data")
        store.exchange([], taken, "undone")
        assert store.source(anew).instances == 1, "of two of one key the one that is there"


@pytest.mark.parametrize(("least", "found"), [(0.4, [1, 2]), (0.6, [1]), (1.0, [1])])
def test_instances_are_covered_by_so_much_of_their_pixels(tmp_path, least, found):
    import numpy as np

    inside = np.zeros((12, 16), bool)
    inside[2:6, 2:6] = True
    half = np.zeros((12, 16), bool)
    half[2:6, 4:8] = True
    rows = [
        replace_mask(instance(1), inside),
        replace_mask(instance(2), half),
        replace_mask(instance(3, ref="other.png"), inside),
    ]
    with new_store(tmp_path, rows) as store:
        assert store.covered("a.png", Mask.from_dense(inside), least) == found
        assert store.covered("nowhere.png", mask(1), least) == []


def replace_mask(item, dense):
    from dataclasses import replace

    return replace(item, mask=Mask.from_dense(dense))
