"""The one rule for all acts: what writes is refused where the app only shows, and what is held meanwhile."""

import inspect
import pkgutil
import shutil
import threading
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from gradio import EventData

import demo
from demo import (
    api,
    canvas,
    classes,
    evaluate,
    filmstrip,
    folder,
    folder_api,
    ingest,
    payload,
    sources,
    teach,
    teaching,
    vocabulary,
)  # fmt: skip
from demo.acts import Act, act
from demo.listeners import Listeners, message_of
from demo.picker import open_folder, open_zip
from knnclip.errors import StoreError, UsageError
from knnclip.service.refusals import FAILED
from knnclip.structures import Suggestion
from tests.progress import Listener

READ_ONLY = "without --read-only"
MASK = {"segments": [], "name": "x", "mask": {"box": [0, 0, 1, 1], "counts": "01"}}  # of one pixel


@pytest.fixture
def exported(sessions_of):
    """A file that can be imported."""
    return classes.export_store(sessions_of().of("exporting"))


# Every act that writes, as it is and as the API, a tab and the canvas ask for it.
WRITING = {
    teaching.teach: lambda file: [("x", [1]), (api.teach, "x", [1]), (canvas.teach, MASK)],
    teaching.withdraw: lambda file: [(1,), (api.withdraw, 1), (canvas.withdraw, {"instance_id": 1})],
    sources.forget: lambda file: [(1,)],
    teaching.undo: lambda file: [(), (api.undo,), (canvas.undo, {})],
    teaching.redo: lambda file: [(), (api.redo,), (canvas.redo, {})],
    classes.rename: lambda file: [("car", "x"), (api.rename, "car", "x"), (vocabulary.rename, "x", "", "name")],
    classes.set_look: lambda file: [("car", "thing", "#010203"), (vocabulary.set_look, "thing", "#010203", "", "name")],
    classes.merge: lambda file: [("car", "sky"), (api.merge, "car", "sky"), (vocabulary.merge, "sky", "", "name")],
    classes.forget: lambda file: [("car", "reason"), (api.forget, "car"), (vocabulary.forget, "", "name")],
    classes.import_store: lambda file: [
        (file, file.name),
        (api.import_store, {"path": str(file), "orig_name": file.name}),
        (vocabulary.import_store, str(file), "", "name"),
    ],
    ingest.ingest_chosen: lambda file: [
        (None, []),
        (api.ingest_folder, "data/val", []),
        (api.ingest_zip, {"path": str(file), "orig_name": file.name}, []),
        (ingest.ingested, []),
    ],
    folder.open_files: lambda file: [
        ("mine", [("a.png", file)], "Ann"),
        (filmstrip.open_files, {"name": "mine", "files": [], "person": "Ann"}),
    ],
    folder.accept: lambda file: [(), (folder_api.accept,), (filmstrip.accept, {"picture": 1})],
    folder.reopen: lambda file: [(), (folder_api.reopen,), (filmstrip.reopen, {"picture": 1})],
    folder.reject: lambda file: [([1],), (folder_api.not_an_object, [1]), (filmstrip.reject, {"segments": [1]})],
    folder.bind: lambda file: [(1, "car"), (filmstrip.bind, {"digit": 1, "class": "car"})],
}  # fmt: skip


def ways(beneath, file):
    """The ways to ask for an act: functions with their arguments, the act itself first."""
    itself, *asked = WRITING[beneath](file)
    return [(beneath, *itself), *asked]


def all_acts():
    """Every act of the app by where it stands."""
    modules = [import_module(f"demo.{found.name}") for found in pkgutil.iter_modules(demo.__path__)]
    return {
        f"{module.__name__}.{name}": value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, Act) and value.__module__ == module.__name__
    }


def content(session):
    """What a session's store holds, to be compared."""
    store = session.segmenter.store
    return store.generation, [(info.name, info.synonyms) for info in store.vocabulary()], len(list(store.instances()))


def test_every_act_that_writes_stands_in_the_table_of_the_refused():
    asked = {ask for beneath in WRITING for ask, *_ in ways(beneath, Path("x"))}
    assert asked == {act for act in all_acts().values() if act.writes}


@pytest.mark.parametrize("private", [False, True], ids=["shared", "private"])
@pytest.mark.parametrize("beneath", WRITING, ids=lambda act: act.__name__)
def test_what_writes_is_refused_where_the_app_only_shows(sessions_of, exported, beneath, private):
    session = sessions_of(private=private, read_only=True).of("one")
    session.vocabulary.chosen = "car"
    session.ingest.dataset = open_folder(session.options.data_roots, "data/val")
    before = content(session)
    for ask, *arguments in ways(beneath, exported):
        with pytest.raises(StoreError, match=READ_ONLY):
            ask(session, *arguments)
    assert content(session) == before


@pytest.mark.parametrize("beneath", WRITING, ids=lambda act: act.__name__)
def test_the_canvas_and_the_page_are_told_so(sessions_of, exported, beneath):
    listeners = Listeners(sessions_of(read_only=True))
    request = SimpleNamespace(session_hash="one")
    for ask, *arguments in ways(beneath, exported)[1:]:
        if ask.__module__ in (canvas.__name__, filmstrip.__name__):
            listen = listeners.listener(teach._asked_by_canvas(ask), str)
            message = listen(request, EventData(None, arguments[0]))
            assert message["kind"] == "error"
            assert READ_ONLY in message["text"]
        else:
            for listen in (listeners.for_page(ask), listeners.for_client(ask)):
                with pytest.raises(Exception, match=READ_ONLY):
                    listen(request, *arguments)


def test_a_private_store_that_is_only_shown_is_opened_so(sessions_of):
    session = sessions_of(private=True, read_only=True).of("one")
    with pytest.raises(StoreError, match="read-only"):
        session.segmenter.store.rename("car", "auto")
    teaching.open_picture(session, next((session.options.data_roots[0] / "val" / "images").iterdir()), "a.png")
    assert payload.summary(session)["segments"]


def test_a_name_is_suggested_for_what_is_unknown_alone(sessions_of, sample, monkeypatch):
    session = sessions_of().of("one")
    picture = next((sample / "data" / "val" / "images").iterdir())
    teaching.open_picture(session, picture, picture.name)
    asked = []
    monkeypatch.setattr(
        session.segmenter.encoder,
        "suggest",
        lambda image, mask: asked.append(mask) or [Suggestion("cone", 0.5), Suggestion("hat", 0.25)],
        raising=False,
    )

    def suggested():
        """What the page and a client are told of each segment."""
        for segment in teaching.picture_of(session).segmentation.segments:
            shown = canvas.select(session, {"segment": segment.segment_id, "version": session.teach.picture.version})
            yield segment.class_id, shown["suggestions"], api.explain(session, segment.segment_id)["suggestions"]

    for class_id, shown, told in suggested():
        assert (class_id > 0, shown, told) == (True, [], [])
    assert asked == []
    for info in session.segmenter.store.vocabulary():
        classes.forget(session, info.name, "all of them")
    teaching.relabel(session)
    for class_id, shown, told in suggested():
        assert (class_id, shown) == (0, ["cone", "hat"])
        assert told == [{"name": "cone", "probability": 0.5}, {"name": "hat", "probability": 0.25}]
    assert len(asked) == 2 * len(teaching.picture_of(session).segmentation.segments)


def test_what_reads_works_where_the_app_only_shows(sessions_of, sample):
    session = sessions_of(read_only=True).of("one")
    picture = next((sample / "data" / "val" / "images").iterdir())
    teaching.open_picture(session, picture, picture.name)
    segment = payload.summary(session)["segments"][0]["segment_id"]
    assert api.explain(session, segment)["evidence"]
    assert api.draw_point(session, 20, 230)["area_px"] > 0
    assert {info["name"] for info in api.list_classes(session)} >= {"car", "sky"}
    assert classes.export_store(session).exists()
    assert api.evaluate_folder(session, "data/val")["miou"] > 0.5


def test_what_was_added_is_seen_and_forgotten_and_a_teaching_comes_back(sessions_of, sample):
    session = sessions_of().of("one")
    store = session.segmenter.store
    picture = next((sample / "data" / "val" / "images").iterdir())
    teaching.open_picture(session, picture, picture.name)
    source = teaching.teach(session, "oops", [payload.summary(session)["segments"][0]["segment_id"]])
    listed, _ = sources.show(session)
    assert listed.choices[0][1] == source
    assert f"teach oops in {picture.name}, " in listed.choices[0][0]
    assert "Undo" in sources.ask(session, source)[1]
    sources.forget(session, source)
    assert store.vocabulary().find("oops") is None
    teaching.undo(session)
    assert store.vocabulary().find("oops") is not None
    ingested = listed.choices[-1][1]
    assert "cannot be undone" in sources.ask(session, ingested)[1]
    sources.forget(session, ingested)
    assert ingested not in [info.source_id for info in store.sources()]
    with pytest.raises(UsageError, match="choose one first"):
        sources.forget(session, None)


def test_an_evaluation_has_no_empty_column_and_comes_as_a_file(sessions_of, monkeypatch):
    session = sessions_of().of("one")
    session.evaluate.dataset = open_folder(session.options.data_roots, "data/val")
    shown = evaluate.evaluated(session)
    heads, rows = (shown[1].value[key] for key in ("headers", "data"))
    assert heads[0] == "class"
    assert all(any(row[place] is not None for row in rows) for place in range(len(heads)))
    content = evaluate.as_content(session.evaluate.last.scores)
    bare = {**content, "classes": [{**row, "accuracy": None} for row in content["classes"]]}
    monkeypatch.setattr(evaluate, "as_content", lambda scores: bare)
    assert len(evaluate.class_table(session.evaluate.last.scores, None)["headers"]) == len(heads) - 1
    monkeypatch.undo()
    file = evaluate.report_file(session, session.evaluate.last.scores)
    lines = file.read_text().splitlines()
    assert lines[0].startswith("class,IoU %")
    assert any(line.startswith("mIoU,") for line in lines)
    for word in ("mIoU", "answered", "accuracy", "boundary IoU", "PQ", "true pixels"):
        assert any(word in line for line in evaluate.WORDS)


def test_the_kind_and_the_colour_of_a_class_are_set(sessions_of):
    session = sessions_of().of("one")
    session.vocabulary.chosen = "tree"
    shown = vocabulary.set_look(session, "stuff", "#0a0b0c", "", "name")
    info = session.segmenter.store.vocabulary().by_name("tree")
    assert (info.is_thing, info.color, info.keeps_color) == (False, (10, 11, 12), True)
    assert shown[-2:] == ("stuff", "#0a0b0c")
    for kind, color in [("stuff", "red"), ("neither", "#0a0b0c"), (None, None)]:
        with pytest.raises(UsageError, match="#rrggbb"):
            vocabulary.set_look(session, kind, color, "", "name")


SHORT = [name for name, act in all_acts().items() if act.holds == "lock"]
LONG = [name for name, act in all_acts().items() if act.holds == "work"]


def test_only_what_takes_long_leaves_the_session_free_for_other_acts():
    assert set(LONG) == {"demo.ingest.ingest_chosen", "demo.evaluate.evaluate_chosen"}
    assert {"demo.classes.rename", "demo.classes.merge", "demo.classes.forget", "demo.api.rename"} <= set(SHORT)


def test_an_act_waits_for_the_one_before_it(sessions_of):
    session = sessions_of().of("one")
    thread = threading.Thread(target=lambda: api.rename(session, "tree", "plant"))
    with session.lock:
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        assert "plant" not in {info["name"] for info in api.list_classes(session)}
    thread.join(60)
    assert "plant" in {info["name"] for info in api.list_classes(session)}


def test_long_work_is_one_at_a_time_and_lets_other_acts_through(sessions_of):
    session = sessions_of().of("one")
    chosen = open_folder(session.options.data_roots, "data/train")
    renamed = []

    class Watching:
        def start(self, total, done=0):
            pass

        def advance(self):
            if renamed:
                return
            with pytest.raises(UsageError, match="at work already"):
                ingest.ingest_chosen(session, chosen, [])
            # Another thread, as another request is: it would wait for ever if the work held the lock.
            thread = threading.Thread(target=lambda: renamed.append(api.rename(session, "tree", "plant")))
            thread.start()
            thread.join(60)
            session.stop.set()

    report = ingest.ingest_chosen(session, chosen, ["traffic cone"], Watching())
    assert renamed == ["renamed tree to plant"]
    assert 0 < report.images < len(chosen.dataset.samples), "it was stopped"
    assert not session.work.locked()


def test_two_clients_on_one_store_wait_for_themselves_alone(sessions_of):
    sessions = sessions_of()
    one, two = sessions.of("one"), sessions.of("two")
    with one.lock:
        thread = threading.Thread(target=lambda: api.rename(two, "tree", "plant"))
        thread.start()
        thread.join(60)
        assert not thread.is_alive()
    assert "plant" in {info["name"] for info in api.list_classes(one)}
    assert sessions.of("one") is one


def test_two_clients_with_private_stores_do_not_meet(sessions_of):
    sessions = sessions_of(private=True)
    api.rename(sessions.of("one"), "tree", "plant")
    assert "plant" not in {info["name"] for info in api.list_classes(sessions.of("two"))}


@act()
def broken(session, why: str) -> str:
    """An act that fails as it is told to."""
    raise RuntimeError(why) if why else UsageError("a <b> is wrong")


def test_an_error_is_a_message_and_what_nobody_expected_is_in_the_log(sessions_of, caplog):
    listeners, request = Listeners(sessions_of()), SimpleNamespace(session_hash="one")
    with pytest.raises(Exception, match="a &lt;b&gt; is wrong"):
        listeners.for_page(broken)(request, "")
    with pytest.raises(Exception, match="a <b> is wrong"):
        listeners.for_client(broken)(request, "")
    assert caplog.records == []
    with pytest.raises(Exception, match=FAILED):
        listeners.for_client(broken)(request, "the reason")
    assert "the reason" in caplog.text
    assert len(message_of(RuntimeError("many\nlines")).splitlines()) == 1


def test_a_message_does_not_tell_where_the_server_keeps_things(sessions_of, tmp_path):
    options = sessions_of(private=True).options
    for place in (options.store, tmp_path / "session-1" / "store", options.data_roots[0] / "val"):
        text = message_of(UsageError(f"{place}/x is damaged\nand {place} too"), options)
        assert not any(str(parent) in text for parent in (tmp_path, options.data_roots[0].parent))
        assert place.name in text
        assert len(text.splitlines()) == 1


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "folder"])
def test_the_table_of_what_was_rejected_tells_files_as_their_owner_knows_them(sessions_of, sample, tmp_path, zipped):
    root = shutil.copytree(sample / "data" / "val", tmp_path / "sets" / "mine")
    shutil.copy(sample / "data" / "classes.txt", root)
    (root / "images" / "val_001.png").write_bytes(b"no image")
    (root / "labels" / "val_002.png").unlink()
    session = sessions_of().of("one")
    if zipped:
        file = Path(shutil.make_archive(str(tmp_path / "upload"), "zip", root))
        session.ingest.dataset = open_zip(session, file, "mine.zip")
    else:
        session.ingest.dataset = open_folder((tmp_path / "sets",), "sets/mine")
    session.evaluate.dataset = session.ingest.dataset
    for table in (ingest.ingested(session, [])[-1], evaluate.evaluated(session)[-1]):
        rows = table.value["data"]
        assert {row[0] for row in rows} == {"images/val_001.png", "images/val_002.png"}
        assert not any(str(tmp_path) in text for row in rows for text in row)


def test_a_private_store_is_a_copy_that_nothing_checks_again(sessions_of, monkeypatch):
    sessions = sessions_of(private=True)
    monkeypatch.setattr("knnclip.store.folder.check_foreign", None)
    sessions.of("one").segmenter.store.rename("car", "auto")
    assert "auto" not in {info.name for info in sessions.of("two").segmenter.store.vocabulary()}
    assert sessions.of("one").segmenter.store.verify() == []


def test_an_import_is_told_by_the_name_that_its_owner_knows(sessions_of, exported):
    session = sessions_of().of("one")
    store = session.segmenter.store
    store.forget(class_name="car", reason="to be imported")
    classes.import_store(session, exported, "mine.knnclip")
    assert [source.description for source in store.sources() if source.kind == "import"] == ["mine.knnclip"]
    assert str(exported) not in str(list(store.events()))


def test_a_message_is_not_as_long_as_what_a_client_sent(sessions_of):
    session = sessions_of().of("one")
    with pytest.raises(UsageError) as error:
        api.rename(session, "x" * 9000, "y")
    assert len(message_of(error.value)) < 700


def test_a_listener_has_the_types_of_its_act(sessions_of):
    listen = Listeners(sessions_of()).for_client(broken)
    parameters = inspect.signature(listen).parameters
    assert list(parameters) == ["request", "why"]
    assert parameters["why"].annotation is str
    assert listen.__doc__ == broken.__doc__


def test_work_of_a_session_that_is_closed_ends_at_once(sessions_of):
    session = sessions_of().of("a")
    session.close()

    @act(holds="work")
    def work(session):
        return session.stop.is_set()

    assert work(session)


def test_the_length_of_work_is_told_before_its_items(sessions_of):
    listener = Listener()
    session = sessions_of().of("a")
    chosen = open_folder(session.options.data_roots, "data/val")
    evaluate.evaluate_chosen(session, chosen, listener)
    assert (listener.started, listener.items) == ((len(chosen.dataset.samples), 0), len(chosen.dataset.samples))
