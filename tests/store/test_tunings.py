"""How long what was found out of instances is kept."""

import pytest

from knnclip.errors import StoreError
from knnclip.store.tunings import Tuning

from .samples import batch, new_store


def found(store, value=0.1, aim="classes"):
    with store.view() as view:
        state = view.leaving()
    return Tuning(state.generation, state.newest_instance, len(store), aim, 1.0, 0.5, {"tau": value})


@pytest.fixture
def store(tmp_path):
    with new_store(tmp_path, batch(1, 20)) as opened:
        yield opened


def test_a_tuning_is_kept_with_its_generation_and_seen_by_views(store):
    assert store.tunings.newest() is None
    tuning = found(store)
    assert store.tunings.keep(tuning)
    assert store.tunings.newest() == tuning
    assert tuning.generation == store.generation - 1
    with store.view() as view:
        assert view.tuning == tuning
    assert store.verify() == []


def test_forgetting_an_instance_that_it_was_found_from_drops_it(store):
    store.tunings.keep(found(store))
    (first, *_) = store.labelled(source_id=1)
    store.forget(instance_ids=[first])
    assert store.tunings.newest() is None
    with store.view() as view:
        assert view.tuning is None


def test_what_came_later_leaves_it_and_with_what_came_later_goes_what_that_was_tuned_to(store):
    early = found(store, 0.1)
    store.tunings.keep(early)
    source = store.begin_source("teach", "more")
    store.add(batch(2, 20), source)
    assert store.tunings.newest() == early
    late = found(store, 0.2)
    store.tunings.keep(late)
    assert store.tunings.newest() == late
    store.forget(source_id=source)
    assert store.tunings.newest() == early


def test_one_of_the_same_instances_takes_the_place_of_another(store):
    store.tunings.keep(found(store, 0.1))
    store.tunings.keep(found(store, 0.2, "pixels"))
    assert store.tunings.newest().values == {"tau": 0.2}
    assert store.info().settings["tuned"].count("tau") == 1


def test_it_is_not_kept_if_instances_were_forgotten_while_it_was_found(store):
    tuning = found(store)
    (first, *_) = store.labelled(source_id=1)
    store.forget(instance_ids=[first])
    assert not store.tunings.keep(tuning)
    assert store.tunings.newest() is None


def test_nothing_of_it_is_left_after_forgetting(store):
    store.tunings.keep(found(store, 0.123456789))
    store.forget(source_id=1)
    files = [file.read_bytes() for file in store.path.iterdir() if file.is_file()]
    assert not any(b"0.123456789" in content for content in files)
    assert not any("0.123456789" in str(event.detail) for event in store.events())


def test_untuned_stays_untuned_until_it_is_tuned_on_purpose(store):
    assert store.tunings.by_itself()
    store.tunings.keep(found(store))
    store.tunings.drop()
    assert store.tunings.newest() is None
    assert not store.tunings.by_itself()
    store.tunings.keep(found(store))
    assert store.tunings.by_itself()


def test_what_is_not_understood_is_refused(store):
    store.set_setting("tuned", '[{"tau": 1}]')
    with pytest.raises(StoreError, match="another version of knnclip made it"):
        store.tunings.newest()
