"""Undo and redo give back the answers from before, to the bit."""

import pytest

from knnclip.analysis import LabelledMask
from knnclip.datasets import open_dataset
from knnclip.errors import StoreError, UsageError
from knnclip.history import History
from knnclip.segmenter import Segmenter


@pytest.fixture
def taught(tmp_path, sample_data):
    """A segmenter, its history, an analysed picture and its largest cone."""
    dataset = open_dataset(sample_data / "val")
    labelled = dataset.load(dataset.samples[0])
    cones = [item.mask for item in labelled.instances if item.class_name == "traffic cone"]
    with Segmenter.open(tmp_path / "store", "builtin") as segmenter:
        for item in labelled.instances:
            if item.class_name != "traffic cone":
                segmenter.teach(labelled.image, item.mask, item.class_name)
        analysis = segmenter.analyse(labelled.image)
        yield segmenter, History(segmenter.store), analysis, max(cones, key=lambda mask: mask.area)


def answer(segmenter, analysis):
    result = segmenter.label(analysis)
    return (
        [(segment.class_name, segment.confidence) for segment in result.segments],
        result.confidence.tobytes(),
        [[(item.class_name, item.similarity) for item in segment.evidence] for segment in result.segments],
    )


def test_teaching_undone_and_done_again(taught):
    segmenter, history, analysis, cone = taught
    before = answer(segmenter, analysis)
    history.teach(segmenter, analysis, cone, "traffic cone")
    after = answer(segmenter, analysis)
    assert after != before
    assert (history.next_undo, history.next_redo) == ("teach traffic cone", None)
    assert history.undo() == "teach traffic cone"
    assert answer(segmenter, analysis) == before
    assert segmenter.store.vocabulary().find("traffic cone") is None
    assert (history.next_undo, history.next_redo) == (None, "teach traffic cone")
    history.redo()
    assert answer(segmenter, analysis) == after
    history.undo()
    assert answer(segmenter, analysis) == before


def test_a_teaching_taken_back_comes_back(taught):
    segmenter, history, analysis, cone = taught
    empty = answer(segmenter, analysis)
    history.teach(segmenter, analysis, cone, "traffic cone")
    before = answer(segmenter, analysis)
    victim = next(iter(segmenter.store.instances("traffic cone")))
    assert history.withdraw(victim.instance_id) == "take back traffic cone"
    assert answer(segmenter, analysis) == empty, "all of the teaching, not one row of it"
    assert segmenter.store.vocabulary().find("traffic cone") is None
    history.undo()
    assert answer(segmenter, analysis) == before
    history.redo()
    assert answer(segmenter, analysis) == empty
    for _ in range(2):
        history.undo()
    assert answer(segmenter, analysis) == empty
    history.redo()
    assert answer(segmenter, analysis) == before
    history.redo()
    assert answer(segmenter, analysis) == empty


def test_of_an_ingested_set_one_instance_is_taken_out(taught):
    segmenter, history, analysis, cone = taught
    store = segmenter.store
    rows = segmenter.instances_of(analysis, [LabelledMask(mask, "cone") for mask in (cone, *analysis.proposals.masks)])
    victim, *_ = store.add(rows, store.begin_source("ingest", "a set"))
    before, count = answer(segmenter, analysis), len(store)
    assert history.withdraw(victim) == "remove an instance of cone"
    assert len(store) == count - 1
    history.undo()
    assert answer(segmenter, analysis) == before


def test_teaching_again_supersedes_what_the_picture_said_there_and_is_one_act(taught):
    segmenter, history, analysis, cone = taught
    store = segmenter.store
    history.teach(segmenter, analysis, cone, "oops")
    wrong, generation = answer(segmenter, analysis), store.generation
    history.teach(segmenter, analysis, cone, "traffic cone")
    right = answer(segmenter, analysis)
    assert store.generation == generation + 1
    assert store.vocabulary().find("oops") is None
    assert "oops" not in {name for name, _ in right[0]}
    history.undo()
    assert answer(segmenter, analysis) == wrong
    history.redo()
    assert answer(segmenter, analysis) == right
    history.undo()
    history.undo()
    assert (store.vocabulary().find("oops"), store.vocabulary().find("traffic cone")) == (None, None)
    history.redo()
    assert answer(segmenter, analysis) == wrong


def test_what_comes_back_belongs_to_its_source(taught):
    segmenter, history, _, _ = taught
    victim = next(iter(segmenter.store.instances()))
    sources = [(info.source_id, info.instances) for info in segmenter.store.sources()]
    history.withdraw(victim.instance_id)
    history.undo()
    assert [(info.source_id, info.instances) for info in segmenter.store.sources()] == sources


def test_a_new_act_ends_what_can_be_redone(taught):
    segmenter, history, analysis, cone = taught
    history.teach(segmenter, analysis, cone, "one")
    history.undo()
    history.teach(segmenter, analysis, cone, "two")
    assert history.next_redo is None
    with pytest.raises(UsageError, match="nothing to redo"):
        history.redo()
    assert segmenter.store.vocabulary().find("one") is None


def test_what_others_forgot_meanwhile_is_not_brought_back(taught):
    segmenter, history, analysis, cone = taught
    source = history.teach(segmenter, analysis, cone, "traffic cone")
    segmenter.store.forget(source_id=source)
    rows, sources = len(segmenter.store), len(segmenter.store.sources())
    history.undo()
    history.redo()
    assert len(segmenter.store) == rows
    assert len(segmenter.store.sources()) == sources
    assert segmenter.store.verify() == []


def test_nothing_to_undo_and_unknown_instances_are_errors(taught):
    _, history, _, _ = taught
    with pytest.raises(UsageError, match="nothing to undo"):
        history.undo()
    with pytest.raises(StoreError):
        history.withdraw(10**9)
    assert history.next_undo is None


def test_a_refused_teaching_is_no_act(taught):
    segmenter, history, analysis, cone = taught
    with pytest.raises(UsageError):
        history.teach(segmenter, analysis, cone, "   ")
    assert history.next_undo is None


def test_what_was_done_elsewhere_is_taken_back_as_one_with_its_act(taught):
    segmenter, history, analysis, cone = taught
    done = []
    history.did("write", lambda: done.append("unwritten"), lambda: done.append("written"))
    before = answer(segmenter, analysis)
    history.teach(segmenter, analysis, cone, "traffic cone")
    after = answer(segmenter, analysis)
    history.did_as_well(lambda: done.append("lifted"), lambda: done.append("laid"))
    assert history.undo() == "teach traffic cone"
    assert (done, answer(segmenter, analysis)) == (["lifted"], before)
    assert history.redo() == "teach traffic cone"
    assert (done, answer(segmenter, analysis)) == (["lifted", "laid"], after)
    assert [history.undo(), history.undo(), history.redo()] == ["teach traffic cone", "write", "write"]
    assert done[2:] == ["lifted", "unwritten", "written"]


def test_what_cannot_be_taken_back_stays_the_next_to_be_undone(taught):
    _, history, _, _ = taught

    def refuse():
        raise UsageError("the picture is checked")

    history.did("draw", refuse, refuse)
    with pytest.raises(UsageError, match="checked"):
        history.undo()
    assert (history.next_undo, history.next_redo) == ("draw", None)
