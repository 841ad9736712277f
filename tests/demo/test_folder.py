"""A folder session without a browser: what the acts do, and what the page is told of it."""

import json
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from demo import api, canvas, exporting, filmstrip, folder, folder_api, folder_news, folders, payload, teach, teaching
from demo.exporting import Wanted
from knnclip.errors import StoreError, UsageError
from knnclip.images import encode_png
from knnclip.projects import Project
from knnclip.structures import Mask

PERSON = "Ann"


def settled(session):
    """Waits until the background has answered everything."""
    session.keep_up()
    session.project.opened.project.wait()
    return session


def opened(session, labels=None):
    folder.open_folder(session, "data/val", labels, PERSON)
    return settled(session)


@pytest.fixture
def session(sessions_of):
    return opened(sessions_of().of("one"))


def states(session):
    return {item["id"]: item["state"] for item in told(session)["pictures"]}


def told(session):
    """What a page that knows nothing is told."""
    session.project.told = 0
    return folder_news.told(session)["folder"]


def under_work(session):
    return teaching.picture_of(session).picture_id


def as_sent(mask):
    return {"box": list(mask.box_xyxy), "counts": mask.encode().decode()}


def a_mask(session):
    dense = np.zeros(teaching.picture_of(session).segmentation.shape, dtype=bool)
    dense[100:160, 81:150] = dense[40, 30:200] = True
    return Mask.from_dense(dense)


def test_a_folder_opens_with_a_picture_under_work_and_the_rest_answered(session, sample):
    count = len(list((sample / "data" / "val" / "images").iterdir()))
    now = told(session)
    assert len(now["pictures"]) == count
    assert {item["state"] for item in now["pictures"]} == {"answered"}
    assert now["current"] == under_work(session) is not None
    assert json.dumps(now)
    assert session.projects.with_token(now["token"]) is session.project.opened.project


def test_only_folders_under_an_allowed_root_are_opened(sessions_of, tmp_path):
    session = sessions_of().of("one")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.png").write_bytes(encode_png(np.zeros((9, 9, 3), dtype=np.uint8)))
    for name in (str(tmp_path / "other"), "../other", "data/../../other", ""):
        with pytest.raises(UsageError, match="allowed root"):
            folder.open_folder(session, name, None, PERSON)
    assert list(folders.picture_folders((tmp_path / "other",))) == ["other"]


def test_roots_of_one_name_are_told_apart(tmp_path):
    for place in ("a", "b"):
        (tmp_path / place / "mine").mkdir(parents=True)
        (tmp_path / place / "mine" / "x.png").write_bytes(b"")
    found = folders.picture_folders((tmp_path / "a" / "mine", tmp_path / "b" / "mine"))
    assert list(found) == ["mine", "mine (2)"]


def test_accepting_stores_the_answer_and_goes_on_and_undo_takes_it_back(session):
    first, store = under_work(session), session.segmenter.store
    before = store.generation
    message = filmstrip.accept(session, {"picture": first, "version": session.teach.picture.version})
    assert message["kind"] == "answer"
    assert under_work(session) != first
    assert message["order"][-1] == first, "what is checked comes last in the order of review"
    assert states(session)[first] == "checked"
    assert store.generation > before
    settled(session)
    assert teaching.undo(session).startswith("check ")
    assert states(session)[first] == "answered"
    assert teaching.redo(session).startswith("check ")
    assert states(session)[first] == "checked"


def test_an_answer_that_the_page_does_not_show_is_not_accepted(session):
    first = under_work(session)
    with pytest.raises(UsageError, match="another picture"):
        filmstrip.accept(session, {"picture": first + 1, "version": session.teach.picture.version})
    session.segmenter.store.add_class("plant")
    message = filmstrip.accept(session, {"picture": first, "version": session.teach.picture.version})
    assert "look at the answer" in message["text"]
    assert states(session)[first] == "answered"
    filmstrip.accept(session, {"picture": first, "version": message["version"]})
    assert states(session)[first] == "checked"


def test_a_mask_drawn_by_hand_holds_as_it_was_drawn_until_it_is_undone(session):
    first, mask = under_work(session), a_mask(session)
    canvas.teach(session, {"name": "wire", "segments": [], "mask": as_sent(mask)})
    project = session.project.opened.project
    (kept,) = project.corrections(first)
    assert (kept.class_name, kept.mask.box_xyxy) == ("wire", mask.box_xyxy)
    np.testing.assert_array_equal(kept.mask.crop, mask.crop)
    info = session.segmenter.store.vocabulary().find("wire")
    shown = teaching.picture_of(session).segmentation.semantic
    assert (shown[mask.slices][mask.crop] == info.class_id).all()
    assert states(session)[first] == "corrected"
    teaching.undo(session)
    assert project.corrections(first) == []
    assert session.segmenter.store.vocabulary().find("wire") is None or not list(
        session.segmenter.store.instances("wire")
    )
    teaching.redo(session)
    assert len(project.corrections(first)) == 1
    assert states(session)[first] == "corrected"


def test_what_is_taught_of_segments_is_called_so_whatever_the_store_says(session):
    segment = max(teaching.picture_of(session).segmentation.segments, key=lambda item: item.mask.area)
    teaching.teach(session, "firmament", [segment.segment_id])
    assert teaching._is_called(session, segment.mask, "firmament")


def test_not_an_object_takes_the_name_and_undo_gives_it_back(session):
    segment = next(item for item in teaching.picture_of(session).segmentation.segments if item.class_name)
    generation = session.segmenter.store.generation
    version = session.teach.picture.version
    filmstrip.reject(session, {"segments": [segment.segment_id], "version": version})
    shown = teaching.picture_of(session).segmentation.semantic
    assert not shown[segment.mask.slices][segment.mask.crop].any()
    assert session.segmenter.store.generation == generation, "the store learns nothing by it"
    assert teaching.undo(session) == "not an object"
    shown = teaching.picture_of(session).segmentation.semantic
    assert (shown[segment.mask.slices][segment.mask.crop] == segment.class_id).all()


def test_a_checked_picture_is_not_changed_until_it_is_reopened(session):
    first = under_work(session)
    folder.accept(session)
    folder.show(session, first)
    segment = teaching.picture_of(session).segmentation.segments[0].segment_id
    for ask in (lambda: teaching.teach(session, "x", [segment]), lambda: folder.reject(session, [segment])):
        with pytest.raises(UsageError, match="Reopen"):
            ask()
    assert session.segmenter.store.vocabulary().find("x") is None
    folder.reopen(session)
    assert states(session)[first] == "answered"
    teaching.teach(session, "x", [teaching.picture_of(session).segmentation.segments[0].segment_id])


def test_a_teaching_is_applied_to_all_and_said(session):
    told(session)
    segment = next(item for item in teaching.picture_of(session).segmentation.segments if item.class_name == "sky")
    teaching.teach(session, "heaven", [segment.segment_id])
    settled(session)
    assert folder_news.has_news(session)
    now = folder_news.told(session)["folder"]
    assert now["since"] > 0
    assert len(now["pictures"]) >= 1
    assert "heaven now also in" in now["effects"]
    assert not folder_news.has_news(session)


def test_effects_name_the_checked_ones():
    from knnclip.projects import Effect

    effects = [Effect("weed", tuple(range(14)), (1, 2, 3)), Effect("road", (1,), ())]
    assert folder_news._said(effects, labelled=False) == (
        "weed now also in 14 pictures, 3 checked ones among them; road now also in 1 picture"
    )
    assert folder_news._said(effects, labelled=True).endswith("; the labels that the folder came with stand")
    assert folder_news._said([], labelled=True) == ""


def test_stopping_leaves_the_rest_and_apply_takes_it_up(session):
    folder.stop(session)
    session.segmenter.store.add_class("plant")
    folder.apply(session)
    settled(session)
    project = session.project.opened.project
    generation = session.segmenter.store.generation
    assert {item.summary.generation for item in project.pictures()} == {generation}


def test_the_strip_is_sorted_and_filtered(session):
    every = folder.shown(session)
    folder.accept(session)
    checked = under_work(session)
    message = filmstrip.arrange(session, {"order": "path", "states": ["checked"], "class": None})
    assert message["order"] == [checked]
    message = filmstrip.arrange(session, {"order": "path", "states": list(folder.STATES), "class": "sky"})
    assert set(message["order"]) <= set(every)
    for wrong in (
        {"order": "no", "states": [], "class": None},
        {"order": "path", "states": ["no"], "class": None},
        {"order": "path", "states": "checked", "class": None},
        {"order": "path", "states": [], "class": 7},
        {},
    ):
        with pytest.raises(UsageError):
            filmstrip.arrange(session, wrong)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"do": "no"},
        {"do": ["show"]},
        {"do": "show"},
        {"do": "show", "picture": "1"},
        {"do": "show", "picture": 2**70},
        {"do": "show", "picture": True},
        {"do": "show", "picture": 10_000},
        {"do": "open", "person": "Ann"},
        {"do": "open", "folder": "data/val", "person": 7},
        {"do": "open", "folder": "data/val", "person": "A" * 99},
        {"do": "open", "folder": "data/val", "labels": "no", "person": "Ann"},
        {"do": "open", "key": "../store", "person": "Ann"},
        {"do": "files", "name": "x", "files": [{"name": "a.png", "path": "/etc/passwd"}], "person": "Ann"},
        {"do": "files", "name": "x", "files": [{"name": "a\0.png", "path": "a"}], "person": "Ann"},
        {"do": "files", "name": "x", "files": "a", "person": "Ann"},
        {"do": "files", "name": "x", "files": [], "person": "Ann"},
        {"do": "bind", "digit": 11, "class": "car"},
        {"do": "bind", "digit": 1, "class": "nothing of the store"},
        {"do": "reject", "segments": "all"},
        {"do": "export", "formats": "coco", "which": "all"},
        {"do": "export", "formats": ["coco"], "which": "no"},
        {"do": "export", "formats": ["coco"], "which": "sure", "least": "much"},
    ],
    ids=str,
)
def test_what_the_page_cannot_have_sent_is_refused(session, data):
    before = told(session)
    with pytest.raises(UsageError):
        filmstrip.ask(session, data)
    assert told(session)["pictures"] == before["pictures"]


def test_it_opens_again_at_the_same_place(sessions_of, session):
    other = folder.shown(session)[3]
    folder.show(session, other)
    key = told(session)["key"]
    folder.close(session)
    assert folder_news.told(session) == {"folder": None}
    with pytest.raises(UsageError, match="no folder is open"):
        folder.shown(session)
    filmstrip.ask(session, {"do": "open", "key": key, "person": PERSON})
    assert under_work(session) == other


def test_two_on_one_picture_are_told_and_see_what_the_other_draws(sessions_of):
    sessions = sessions_of()
    ann, ben = opened(sessions.of("ann")), sessions.of("ben")
    folder.open_folder(ben, "data/val", None, "Ben")
    assert ben.project.opened is ann.project.opened
    assert under_work(ann) == under_work(ben)
    assert ben.project.others == (PERSON,)
    ann.project.visited_s = 0
    assert folder_news.has_news(ann)
    assert folder_news.told(ann)["folder"]["others"] == ["Ben"]
    settled(ann)
    teaching.relabel(ben)
    assert teaching.is_current(ben)
    segment = next(item for item in teaching.picture_of(ann).segmentation.segments if item.class_name)
    folder.reject(ann, [segment.segment_id])
    assert not teaching.is_current(ben)
    teach.poll(ben)
    assert teaching.is_current(ben)
    assert not teaching.picture_of(ben).segmentation.semantic[segment.mask.slices][segment.mask.crop].any()


def test_the_project_goes_on_when_nobody_looks_and_ends_with_a_private_store(sessions_of):
    sessions = sessions_of()
    session = opened(sessions.of("one"))
    project = session.project.opened.project
    sessions.drop("one")
    again = opened(sessions.of("two"))
    assert again.project.opened.project is project
    private = sessions_of(private=True)
    session = opened(private.of("one"))
    token, project = told(session)["token"], session.project.opened.project
    private.drop("one")
    assert session.projects.with_token(token) is None
    with pytest.raises(StoreError):
        project.pictures()


def test_private_projects_do_not_meet(sessions_of):
    sessions = sessions_of(private=True)
    one, two = opened(sessions.of("one")), sessions.of("two")
    assert len(folder.known(one)) == 1
    assert folder.known(two) == []


def test_where_the_app_only_shows_what_was_answered_is_seen(sessions_of, sample, tmp_path):
    sessions = sessions_of()
    session = opened(sessions.of("one"))
    folder.accept(session)
    checked = under_work(session)
    sessions.close()
    from demo.session import Options
    from demo.sessions import Sessions

    (tmp_path / "shown").mkdir()
    showing = Sessions(
        Options(session.options.store, data_roots=session.options.data_roots, read_only=True), tmp_path / "shown"
    )
    try:
        session = showing.of("one")
        folder.open_folder(session, "data/val", None, PERSON)
        folder.show(session, checked)
        assert payload.summary(session)["segments"]
        assert states(session)[checked] == "checked"
        assert not folder_news.has_news(session)
        with pytest.raises(StoreError, match="read-only"):
            teaching.teach(session, "x", [1])
    finally:
        showing.close()


def test_files_and_zips_become_a_project(sessions_of, sample, tmp_path):
    pictures = sorted((sample / "data" / "val" / "images").iterdir())
    zipped = tmp_path / "more.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.write(pictures[1], "b.png")
        archive.writestr("broken.png", b"no picture")
    session = sessions_of().of("one")
    folder.open_files(session, "mine", [("a.png", pictures[0]), ("a.png", pictures[2]), ("more.zip", zipped)], PERSON)
    settled(session)
    now = told(session)
    assert sorted(item["path"] for item in now["pictures"]) == ["a.png", "a~2.png", "more/b.png", "more/broken.png"]
    assert sorted(item["state"] for item in now["pictures"]) == ["answered"] * 3 + ["rejected"]
    assert now["name"] == "mine"
    wrong = tmp_path / "mine.zip"
    wrong.write_bytes(b"no zip")
    with pytest.raises(Exception, match=r"mine\.zip") as error:
        folder.open_files(session, "mine", [("mine.zip", wrong)], PERSON)
    assert str(tmp_path) not in str(error.value)
    assert told(session)["name"] == "mine", "the folder that was open stays so"


def test_a_labelled_folder_shows_its_labels_those_first_that_differ_most(sessions_of, sample):
    session = opened(sessions_of().of("one"), labels="auto")
    now = told(session)
    assert now["labelled"]
    assert now["effects"] == "", "nothing was taught"
    project = session.project.opened.project
    assert {item.summary.made_by for item in project.pictures()} == {"labels"}
    differing = [project.picture(number).summary.differs for number in folder.shown(session)]
    assert differing == sorted(differing, reverse=True)
    assert differing[0] > 0, "the store does not know the cones"
    assert "traffic cone" in {segment["class"] for segment in payload.summary(session)["segments"]}


def test_a_large_picture_is_worked_on_in_its_own_pixels(sessions_of, tmp_path):
    large, size = tmp_path / "large.png", (1300, 2000)
    rng = np.random.default_rng(0)
    image = np.kron(rng.integers(0, 256, (13, 20, 3), dtype=np.uint8), np.ones((100, 100, 1), dtype=np.uint8))
    Image.fromarray(image).save(large)
    session = sessions_of().of("one")
    folder.open_files(session, "large", [("large.png", large)], PERSON)
    settled(session)
    picture = teaching.picture_of(session)
    assert picture.segmentation.shape == picture.image.shape[:2] == size
    assert max(picture.analysis.image.shape) == 1600
    dense = np.zeros(size, dtype=bool)
    dense[100:501, 203:777] = dense[50, 10:1990] = True
    mask = Mask.from_dense(dense)
    canvas.teach(session, {"name": "wire", "segments": [], "mask": as_sent(mask)})
    shown = teaching.picture_of(session).segmentation
    wire = shown.vocabulary.find("wire").class_id
    assert (shown.semantic[dense] == wire).all(), "the line of one pixel too"
    found, _ = teaching.draw_point(session, (1950, 1250))
    assert found.shape == size
    assert found.to_dense()[1250, 1950]


def test_a_folder_is_exported_as_a_zip(session):
    folder.accept(session)
    checked = session.project.opened.project.picture(under_work(session)).path
    exporting.start(session, Wanted(("coco", "masks"), ("checked",), 0.0))
    run = session.project.export
    while run.is_running:
        pass
    assert run.error is None
    with zipfile.ZipFile(run.file) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {"coco", "masks"}
    images = [name for name in names if name.split("/")[1] != "labels" and name.endswith(".png")]
    assert [name.split("/")[-1] for name in images] == [checked.split("/")[-1]] * 2
    assert folder_news.has_news(session)
    told_of = folder_news.told(session)["folder"]["export"]
    assert told_of == {"running": False, "done": 1, "file": str(run.file), "error": None}


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (Wanted((), ("checked",), 0.0), "no format"),
        (Wanted(("coco",), ("checked",), 0.0), "no picture"),
        (Wanted(("coco",), folder.STATES, 1.01), "no picture"),
        (Wanted(("nothing",), folder.STATES, 0.0), "export format"),
    ],
    ids=str,
)
def test_an_export_that_comes_to_nothing_leaves_nothing(session, wanted, message):
    project = session.project.opened.project
    with pytest.raises(UsageError, match=message):
        exporting.write_zip(project, wanted, session.downloads, lambda: None)
    assert list(session.downloads.iterdir()) == []


def test_a_client_of_the_api_works_on_a_folder(sessions_of):
    session = sessions_of().of("one")
    assert "data/val" in folder_api.projects(session)["folders"]
    assert folder_api.open_project(session, "data/val", None, PERSON)["pictures"] > 0
    settled(session)
    (first, *_) = folder_api.pictures(session, "review")
    assert folder_api.open_picture(session, first["picture_id"])["segments"]
    assert folder_api.accept(session)["checked"] == 1
    assert folder_api.reopen(session)["checked"] == 0
    assert api.undo(session).startswith("reopen ")
    known = folder_api.projects(session)["known"]
    assert folder_api.open_project(session, known[0]["key"], None, PERSON)["checked"] == 1
    exported = folder_api.export_project(session, ["yolo"], ["checked"], 0.0)
    assert zipfile.is_zipfile(exported.path)
    with pytest.raises(UsageError, match="order"):
        folder_api.pictures(session, "none")


def test_a_folder_that_is_gone_is_said(sessions_of, sample, tmp_path):
    session = sessions_of().of("one")
    mine = shutil.copytree(sample / "data" / "val" / "images", tmp_path / "mine")
    folder._open(session, lambda: Project.open(session.segmenter, mine), PERSON)
    settled(session)
    mine.rename(tmp_path / "elsewhere")
    session.project.opened.project._labelling._analyses._kept.clear()
    other = folder.shown(session)[-1]
    with pytest.raises(StoreError, match="mount it again"):
        folder.show(session, other)
    (tmp_path / "elsewhere").rename(mine)
    folder.show(session, other)
