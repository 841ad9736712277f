"""A folder session from opening to export."""

import numpy as np
import pytest

from knnclip.errors import StoreError, UsageError
from knnclip.images import write_png
from knnclip.projects import Project
from knnclip.structures import Mask

from .samples import SHAPE, half, picture, write_folder


def first(project):
    return project.pictures()[0].picture_id


def plain(answer):
    return answer.semantic.tobytes(), [(item.class_name, item.mask.area) for item in answer.segments]


def drawn(rows):
    dense = np.zeros(SHAPE, dtype=bool)
    dense[rows] = True
    return Mask.from_dense(dense)


def test_a_folder_opens_untouched_and_the_background_answers_all(project, folder):
    assert [item.path for item in project.pictures()] == [f"{number}.png" for number in range(6)]
    assert project.standing.counts["untouched"] == 6
    project.start()
    project.wait()
    assert project.standing.counts["answered"] == 6
    assert (project.applying.total, project.applying.done, project.applying.is_running) == (6, 6, False)


def test_all_is_there_when_the_project_is_opened_again(taught, segmenter, folder):
    number = first(taught)
    taught.visit(number, "Ann")
    taught.bind(7, "soil")
    before = taught.pictures(), plain(taught.answer(number)), taught.keys()
    taught.close()
    with Project.open(segmenter, folder) as again:
        assert (again.pictures(), plain(again.answer(number)), again.keys()) == before
        assert again.last_visited().picture_id == number
        assert [info.name for info in Project.known(segmenter.store.path)] == ["pictures"]
    assert segmenter.store.verify() == []


def test_only_what_is_out_of_date_is_answered_anew(taught):
    taught.start()
    assert taught.applying.total == 0
    taught.segmenter.teach(taught.analysis(first(taught)), half(top=True), "grass")
    taught.start()
    assert taught.applying.total == 6
    taught.wait()


def test_changes_are_told_once(taught):
    seen = taught.changed_since(0)
    assert len(seen.pictures) == 6
    assert taught.changed_since(seen.number).pictures == ()
    taught.correct(first(taught), drawn(slice(0, 5)), "sky")
    changed = taught.changed_since(seen.number)
    assert [item.state for item in changed.pictures] == ["corrected"]


def test_a_correction_holds_whatever_the_store_says_and_can_be_withdrawn(taught):
    number = first(taught)
    before = plain(taught.answer(number))
    mask = drawn(slice(50, 60))
    correction = taught.correct(number, mask, "path")
    taught.correct(number, drawn(slice(55, 60)), None)
    taught.segmenter.teach(taught.analysis(number), half(top=False), "soil")
    answer = taught.label(number)
    sky = answer.vocabulary.by_name("path").class_id
    assert (answer.semantic[50:55] == sky).all()
    assert (answer.semantic[55:60] == 0).all()
    assert [item.decision for item in answer.segments][-2:] == ["person", "person"]
    assert taught.picture(number).summary.areas["path"] == pytest.approx(5 / 60)
    (kept, _) = taught.corrections(number)
    assert (kept.mask.to_dense() == mask.to_dense()).all()
    for item in taught.corrections(number):
        taught.withdraw(number, item.correction_id)
    assert taught.picture(number).state == "answered"
    assert plain(taught.answer(number)) == before
    with pytest.raises(UsageError, match=f"no correction {correction}"):
        taught.withdraw(number, correction)


def test_a_mask_of_another_size_is_refused(taught):
    with pytest.raises(UsageError, match="own pixels"):
        taught.correct(first(taught), Mask.from_dense(np.ones((3, 3))), "soil")


def test_accepting_stores_what_is_seen_and_is_taken_back_to_the_bit(taught):
    number, other = first(taught), taught.pictures()[3].picture_id
    store = taught.segmenter.store
    before = plain(taught.label(other)), taught.label(other).confidence.tobytes(), len(store)
    taught.correct(number, drawn(slice(50, 60)), "path")
    source = taught.accept(number)
    assert taught.accept(number) == source
    assert taught.picture(number).state == "checked"
    assert {item.class_name for item in store.instances() if item.source_id == source} == {"grass", "soil", "path"}
    with pytest.raises(UsageError, match="is checked"):
        taught.correct(number, drawn(slice(0, 5)), "soil")
    taught.unaccept(number)
    assert taught.picture(number).state == "corrected"
    taught.withdraw(number, taught.corrections(number)[0].correction_id)
    store.forget(class_name="path")
    taught.start()
    taught.wait()
    assert (plain(taught.label(other)), taught.label(other).confidence.tobytes(), len(store)) == before
    with pytest.raises(UsageError, match="not checked"):
        taught.unaccept(number)


def test_what_is_untouched_cannot_be_accepted(project):
    with pytest.raises(UsageError, match="no answer yet"):
        project.accept(first(project))


def test_relabelling_tells_what_it_did_and_leaves_what_was_checked(taught):
    pictures = [item.picture_id for item in taught.pictures()]
    taught.accept(pictures[2])
    taught.start()
    taught.wait()
    _, standing = plain(taught.answer(pictures[2]))
    for _ in range(3):
        taught.segmenter.teach(taught.analysis(pictures[5]), half(top=False), "weed")
    taught.segmenter.store.forget(class_name="soil")
    taught.segmenter.store.add_class("soil")
    taught.start()
    taught.wait()
    effects = {effect.class_name: effect for effect in taught.effects(taught.applying.since)}
    assert set(effects["weed"].pictures) == set(pictures)
    assert effects["weed"].checked == (pictures[2],)
    assert plain(taught.answer(pictures[2]))[1] == standing  # the class has another id by now
    assert taught.picture(pictures[2]).summary.differs > 0.2
    assert taught.pictures("differing")[0].picture_id == pictures[2]
    since = taught.changed_since(0).number
    taught.segmenter.store.set_setting("nothing", "new")
    taught.start()
    taught.wait()
    assert taught.effects(since) == []


def test_what_the_store_forgot_is_no_longer_checked(taught, segmenter, folder):
    number = first(taught)
    source = taught.accept(number)
    taught.close()
    segmenter.store.forget(source_id=source)
    with Project.open(segmenter, folder) as again:
        assert again.picture(number).state == "answered"
        assert "forget" in again.picture(number).note


def test_orders_and_filters(taught):
    everything = {item.picture_id for item in taught.pictures()}
    for order in ("path", "review", "least-sure", "most-unknown", "newest", "differing"):
        assert {item.picture_id for item in taught.pictures(order)} == everything
        assert taught.pictures(order) == taught.pictures(order)
    sure = [item.summary.confidence for item in taught.pictures("least-sure")]
    assert sure == sorted(sure)
    taught.correct(first(taught), drawn(slice(0, 5)), "sky")
    assert [item.picture_id for item in taught.pictures(class_name="sky")] == [first(taught)]
    assert [item.picture_id for item in taught.pictures(states=["corrected"])] == [first(taught)]
    with pytest.raises(UsageError, match="unknown order"):
        taught.pictures("sideways")


def test_the_next_picture_goes_round_and_leaves_out_what_is_checked(taught):
    pictures = [item.picture_id for item in taught.pictures()]
    taught.accept(pictures[1])
    assert taught.following(pictures[0], "path").picture_id == pictures[2]
    assert taught.following(pictures[5], "path").picture_id == pictures[0]
    assert taught.following(pictures[3], "review").picture_id not in (pictures[1], pictures[3])
    for number in pictures:
        taught.accept(number)
    assert taught.following(pictures[0], "path") is None


def test_two_on_one_picture_are_told(project, monkeypatch):
    number = first(project)
    assert project.visit(number, "Ann") == ()
    assert project.visit(number, "Ben") == ("Ann",)
    assert project.present() == {"Ann": number, "Ben": number}
    project.leave("Ann")
    assert project.visit(number, "Ben") == ()
    monkeypatch.setattr("knnclip.projects.people.PRESENT_S", -1.0)
    assert project.present() == {}
    assert project.last_visited("Ann").picture_id == number


def test_keys_are_bound_and_the_rest_fills_up(taught):
    assert taught.keys() == {1: "grass", 2: "soil"}
    taught.bind(1, "soil")
    assert taught.keys() == {1: "soil", 2: "grass"}
    taught.segmenter.store.rename("soil", "earth")
    assert taught.keys()[1] == "earth"
    taught.bind(1, None)
    assert taught.keys() == {1: "earth", 2: "grass"}
    with pytest.raises(UsageError, match="0 to 9"):
        taught.bind(10, "grass")


def test_exports_get_answers_in_the_pictures_own_pixels(segmenter, tmp_path, monkeypatch):
    monkeypatch.setattr("knnclip.projects.labelling.LONGEST_PX", 40)
    folder = tmp_path / "large"
    write_png(folder / "a.png", picture(0))
    write_png(folder / "b.png", picture(1))
    with Project.open(segmenter, folder) as project:
        number = first(project)
        segmenter.teach(project.analysis(number), np.ones((30, 40), dtype=bool), "all")
        project.start()
        project.wait()
        project.correct(number, drawn(slice(7, 8)), "line")
        project.accept(number)
        (found,) = project.answers()
        assert (found.path, found.answer.shape) == (folder / "a.png", SHAPE)
        line = found.answer.vocabulary.by_name("line").class_id
        assert np.flatnonzero((found.answer.semantic == line).any(axis=1)).tolist() == [7]
        assert len(list(project.answers(["answered", "checked"]))) == 2
        assert list(project.answers(["answered"], least_confidence=1.01)) == []


def test_labels_are_the_answers_to_be_checked(segmenter, sample_data):
    with Project.open(segmenter, sample_data / "val", labels="auto") as project:
        assert project.dataset is not None
        assert len(project.pictures()) == len(project.dataset.samples)
        project.start()
        project.wait()
        pictures = project.pictures("review")
        assert {item.summary.made_by for item in pictures} == {"labels"}
        differs = [item.summary.differs for item in pictures]
        assert differs == sorted(differs, reverse=True)
        sample = project.dataset.samples[0]
        truth = project.dataset.load(sample)
        number = next(item.picture_id for item in pictures if item.path == sample.ref)
        answer = project.answer(number)
        names = {info.name: info.class_id for info in answer.vocabulary}
        wanted = np.array([names[name] for name in truth.class_names] + [0])[truth.label_map]
        assert (answer.semantic == wanted).all()
        project.accept(number)
        assert project.picture(number).state == "checked"
    with Project.open(segmenter, sample_data / "val") as again:
        assert again.dataset is not None


def test_a_project_that_is_read_only_changes_nothing(taught, segmenter, folder):
    number = first(taught)
    taught.close()
    with Project.open(segmenter, folder, read_only=True) as project:
        assert project.answer(number) is not None
        for act in (lambda: project.accept(number), lambda: project.visit(number, "Ann"), project.refresh):
            with pytest.raises(StoreError, match="read-only"):
                act()


def test_an_answer_comes_in_the_pictures_own_pixels_with_what_was_drawn_sharp(segmenter, tmp_path, monkeypatch):
    monkeypatch.setattr("knnclip.projects.labelling.LONGEST_PX", 40)
    with Project.open(segmenter, write_folder(tmp_path / "large", 1)) as project:
        number = project.pictures()[0].picture_id
        assert project.label(number).shape == (30, 40)
        dense = np.zeros(SHAPE, dtype=bool)
        dense[33, 3:70] = True
        project.correct(number, Mask.from_dense(dense), "wire")
        shown = project.label(number, full_size=True)
        assert shown.shape == project.image(number).shape[:2] == SHAPE
        wire = shown.vocabulary.find("wire").class_id
        np.testing.assert_array_equal(shown.semantic == wire, dense)


def test_what_is_opened_read_only_shows_what_is_kept_and_reads_pictures(taught, segmenter, folder):
    number = first(taught)
    kept = plain(taught.answer(number))
    before = taught.change_number
    taught.close()
    with Project.open(segmenter, folder, read_only=True) as project:
        assert plain(project.label(number, full_size=True)) == kept
        assert project.analysis(number).image.shape == project.image(number).shape
        assert project.change_number == before
