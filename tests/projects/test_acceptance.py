"""Accepting between two databases: ended anywhere, they agree when the project is opened again."""

import numpy as np
import pytest

from knnclip.errors import UsageError
from knnclip.projects import Project
from knnclip.projects.acceptance import Acceptance
from knnclip.store import Store
from knnclip.structures import Mask

from .samples import SHAPE


class KilledError(Exception):
    """In place of a kill."""


def end(*_, **__):
    raise KilledError


def opened_again(project):
    project.close()
    return Project.open(project.segmenter, project.folder)


@pytest.mark.parametrize(
    ("owner", "name", "state"),
    [(Store, "begin_source", "answered"), (Store, "add", "answered"), (Acceptance, "_finish", "checked")],
)
def test_an_acceptance_that_ended_half_way_is_done_or_was_never_there(taught, monkeypatch, owner, name, state):
    number = taught.pictures()[0].picture_id
    rows = len(taught.segmenter.store)
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, end)
        with pytest.raises(KilledError):
            taught.accept(number)
    with opened_again(taught) as again:
        assert again.picture(number).state == state
        assert (len(again.segmenter.store) > rows) == (state == "checked")
        source = again.accept(number)
        accepted = [info for info in again.segmenter.store.sources() if info.key]
        assert [(info.source_id, info.finished_images) for info in accepted] == [(source, 1)]
        again.unaccept(number)
        assert len(again.segmenter.store) == rows
        assert again.segmenter.store.verify() == []


def test_an_acceptance_of_which_the_project_knows_nothing_is_done_anew(taught, monkeypatch):
    number = taught.pictures()[0].picture_id
    rows = len(taught.segmenter.store)
    with monkeypatch.context() as patch:
        patch.setattr(Acceptance, "_finish", end)
        with pytest.raises(KilledError):
            taught.accept(number)
    (first,) = [info for info in taught.segmenter.store.sources() if info.key]
    taught.correct(number, Mask.from_dense(np.ones(SHAPE)), "another")
    source = taught.accept(number)
    store = taught.segmenter.store
    (second,) = [info for info in store.sources() if info.key]
    assert (second.source_id, len(store)) == (source, rows + second.instances)
    assert {item.class_name for item in store.instances() if item.source_id == source} == {"another"}
    assert first.source_id != source


def test_taking_back_that_ended_half_way_is_done(taught, monkeypatch):
    number = taught.pictures()[0].picture_id
    rows = len(taught.segmenter.store)
    taught.accept(number)
    with monkeypatch.context() as patch:
        patch.setattr("knnclip.projects.acceptance.mark_changed", end)
        with pytest.raises(KilledError):
            taught.unaccept(number)
    assert taught.picture(number).state == "checked"
    with opened_again(taught) as again:
        assert again.picture(number).state == "answered"
        assert len(again.segmenter.store) == rows
        with pytest.raises(UsageError, match="not checked"):
            again.unaccept(number)
