"""A view is one state of the store, whatever is written while it is open, and whoever writes it."""

import threading
import time

import pytest

from knnclip.errors import StoreError
from knnclip.store import Store

from .samples import answers, answers_of, batch, instance, new_store, unit, units

QUERIES = units(5, 4)


def teach(store):
    store.add(batch(9, 30, names="abx", images=11), store.begin_source("teach", "more"))


def forget_and_teach(store):
    store.forget(source_id=1)
    teach(store)


def compact(store):
    store.forget(class_name="c")
    store.compact()


WRITES = {
    "teach": teach,
    "forget": lambda store: store.forget(class_name="a"),
    "forget single ones": lambda store: store.forget(instance_ids=[2, 3, 5, 60]),
    "forget and teach": forget_and_teach,
    "rename": lambda store: store.rename("a", "z"),
    "merge": lambda store: store.merge(["a", "b"], "c"),
    "compact": compact,
}


@pytest.mark.parametrize("write", WRITES.values(), ids=list(WRITES))
@pytest.mark.parametrize("asked_before", [True, False])
@pytest.mark.parametrize("by", ["this store", "another process"])
def test_a_view_stays_what_it_was(tmp_path, write, asked_before, by):
    with (
        new_store(tmp_path, batch(1, 40), batch(2, 40)) as store,
        Store.open(tmp_path / "store", busy_timeout_s=0.05) as other,
    ):
        before = answers(store, 10, QUERIES)
        generation = store.generation
        with store.view() as view:
            if asked_before:
                assert answers_of(view, 10, QUERIES) == before
            write(store if by == "this store" else other)
            now = answers(store, 10, QUERIES)  # another view, of the new state, while this one is open
            assert now != before or write is compact
            assert answers_of(view, 10, QUERIES) == before
            assert view.generation == generation < store.generation
            write_again = batch(3, 20, names="abc")
            store.add(write_again, store.begin_source("teach", "again"))
            assert answers_of(view, 10, QUERIES) == before
        with Store.open(tmp_path / "store", read_only=True) as fresh:
            assert answers(store, 10, QUERIES) == answers(fresh, 10, QUERIES) != before
        assert store.verify() == []


def test_views_of_several_states_are_open_at_once(tmp_path):
    with new_store(tmp_path, batch(1, 30)) as store, store.view() as first:
        one = answers_of(first, 8, QUERIES)
        store.forget(instance_ids=[1, 2, 30])
        with store.view() as second:
            two = answers_of(second, 8, QUERIES)
            teach(store)
            store.forget(instance_ids=[4, 5])
            three = answers(store, 8, QUERIES)
            assert answers_of(second, 8, QUERIES) == two
        assert answers_of(first, 8, QUERIES) == one
        assert len({repr(found) for found in (one, two, three)}) == 3


def test_evidence_of_what_was_forgotten_meanwhile_is_that_of_the_view(tmp_path):
    with new_store(tmp_path, [instance(1, "cat"), instance(2, "dog", "b.png")]) as store, store.view() as view:
        found = view.search(unit(1)[None], 2)
        store.rename("dog", "wolf")
        store.forget(instance_ids=[1])
        shown = view.evidence(found.instance_id[0])
        assert [shown[i].class_name for i in found.instance_id[0].tolist()] == ["cat", "dog"]
        assert store.evidence([1, 2])[2].class_name == "wolf"
        assert 1 not in store.evidence([1, 2])


def test_what_is_kept_belongs_to_one_state(tmp_path):
    made = []

    def make():
        made.append(len(made))
        return made[-1]

    with new_store(tmp_path, [instance(1)]) as store:
        with store.view() as one, store.view() as same:
            assert [one.kept("key", make), same.kept("key", make), one.kept("other", make)] == [0, 0, 1]
            store.add([instance(2)], 1)
            with store.view() as newer:
                assert newer.kept("key", make) == 2
            assert one.kept("key", make) == 0
        with store.view() as again:
            assert again.kept("key", make) == 2


def test_a_view_that_ended_says_so(tmp_path):
    with new_store(tmp_path, [instance(1)]) as store:
        with store.view() as view:
            pass
        with pytest.raises(StoreError, match="after its end"):
            view.evidence([1])


def log_bytes(folder):
    return (folder / "store" / "store.db-wal").read_bytes()


def test_forgotten_bytes_leave_the_log_when_the_last_view_ends(tmp_path):
    secret = instance(1).embedding.astype("<f2").tobytes()
    with new_store(tmp_path, [instance(1)]) as store:
        with store.view() as view:
            start = time.monotonic()
            store.forget(instance_ids=[1])  # by the thread that has the view: it cannot wait for itself
            assert time.monotonic() - start < 1
            assert secret in log_bytes(tmp_path)
            assert view.search(unit(1)[None], 1).valid.all()
        assert log_bytes(tmp_path) == b""
        assert secret not in (tmp_path / "store" / "store.db").read_bytes()


def test_forgetting_waits_for_the_answers_of_other_threads(tmp_path):
    with new_store(tmp_path, [instance(1)], [instance(2)]) as store:
        opened, answered = threading.Event(), threading.Event()

        def answer():
            with store.view() as view:
                opened.set()
                time.sleep(0.2)
                assert view.evidence([1, 2]).keys() == {1, 2}
                answered.set()

        thread = threading.Thread(target=answer)
        thread.start()
        assert opened.wait(10)
        store.forget(instance_ids=[1])
        assert answered.is_set()
        assert log_bytes(tmp_path) == b""
        thread.join()


def test_threads_ask_while_others_write(tmp_path):
    """Every view fits together: as many instances as the source says, evidence for all that is found."""
    failures = []
    with new_store(tmp_path, batch(0, 60)) as store:
        stop = threading.Event()

        def ask():
            try:
                while not stop.is_set():
                    with store.view() as view:
                        found = view.search(QUERIES, 20)
                        ids = found.instance_id[found.valid]
                        evidence = view.evidence(ids)
                        assert set(evidence) == set(ids.tolist())
                        names = {info.class_id: info.name for info in view.vocabulary}
                        assert {item.class_name for item in evidence.values()} <= set(names.values())
                        for row, class_id in zip(ids.tolist(), found.class_id[found.valid].tolist(), strict=True):
                            assert evidence[row].class_name == names[class_id]
                        assert int(view.census.instances.sum()) % 5 == 0
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for step in range(25):
            source = store.begin_source("teach", str(step))
            store.add([instance(1000 * step + i, f"new {step % 3}", f"{step}.png") for i in range(5)], source)
            if step % 3 == 0:
                store.rename(f"new {step % 3}", f"old {step}")
            if step % 2:
                store.forget(source_id=source)
        stop.set()
        for thread in threads:
            thread.join()
        assert failures == []
        assert store.verify() == []


def test_a_view_outlives_the_closing_of_its_store(tmp_path):
    store = new_store(tmp_path, [instance(1)])
    with store.view() as view:
        store.close()
        assert view.search(unit(1)[None], 1).valid.all()
        assert view.evidence([1])[1].class_name == "cat"
    with pytest.raises(StoreError, match="after it was closed"), store.view():
        pass
    assert not (tmp_path / "store" / "store.db-wal").exists()
