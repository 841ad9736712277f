"""A store that has doubled is tuned in the background, while its teacher goes on."""

import pytest

from demo import tuning
from demo.tuning import tune_in_background


@pytest.fixture
def session(sessions_of):
    return sessions_of().of("one")


def test_the_sample_store_is_tuned_before_anybody_teaches(session):
    assert session.segmenter.store.tunings.newest() is not None
    assert tune_in_background(session) is None


def test_a_store_that_is_due_is_tuned_once_and_the_page_sees_a_new_generation(session):
    store = session.segmenter.store
    known = store.tunings.newest()
    store.forget(instance_ids=[next(store.instances()).instance_id])
    assert store.tunings.newest() is None
    generation = store.generation
    thread = tune_in_background(session)
    thread.join()
    assert store.generation > generation
    assert store.tunings.newest().instances == known.instances - 1
    assert session.tuning.acquire(blocking=False)
    session.tuning.release()


def test_one_that_is_being_tuned_is_left_alone(session, monkeypatch):
    monkeypatch.setattr(tuning, "is_due", lambda store: True)
    with session.tuning:
        assert tune_in_background(session) is None


def test_a_session_ends_after_its_tuning(session, monkeypatch):
    monkeypatch.setattr(tuning, "is_due", lambda store: True)
    begun = tune_in_background(session)
    session.close()  # waits for it
    begun.join(timeout=1)
    assert not begun.is_alive()
