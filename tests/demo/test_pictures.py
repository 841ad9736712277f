"""Pictures of the page are written once, whole: somebody may be being sent them while others are shown the same."""

import threading
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from gradio.route_utils import delete_files_created_by_app

from demo import classes, evaluate, pictures, vocabulary
from demo.picker import open_folder
from knnclip.images import read_image


def on_disk(path):
    status = Path(path).stat()
    return status.st_ino, status.st_mtime_ns, status.st_size


def files(data):
    """The files that the browser is told to fetch, in what a component makes of its value."""
    if isinstance(data, dict):
        return [data["path"]] if data.get("path") else files(list(data.values()))
    return [path for item in data for path in files(item)] if isinstance(data, list | tuple) else []


def vocabulary_tab(session):
    gallery, _, _, _, instances, *_ = vocabulary.show(session, "", "name")
    return [path for shown in (gallery, instances) for path in files(gr.Gallery().postprocess(shown).model_dump())]


def evaluate_tab(session):
    session.evaluate.dataset = open_folder(session.options.data_roots, "data/val")
    session.evaluate.last = None
    _, _, *charts_and_pair, _ = evaluate.evaluated(session)
    found = [path for component in charts_and_pair for path in files(component.value)]
    return [path for path in found if not path.endswith(".csv")]  # a download, which is the session's own


@pytest.mark.parametrize("tab", [vocabulary_tab, evaluate_tab])
def test_a_picture_that_is_shown_again_does_not_change_on_the_disk(sessions_of, tab):
    sessions = sessions_of()
    one, two = sessions.of("one"), sessions.of("two")
    for session in (one, two):
        session.vocabulary.chosen = "car"
    first = tab(one)
    before = {path: on_disk(path) for path in first}
    assert len(before) >= 4
    assert tab(two) == first
    assert {path: on_disk(path) for path in first} == before


def test_a_picture_is_the_one_that_was_given(tmp_path, monkeypatch, rng):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    image = rng.integers(0, 256, (30, 50, 3), dtype=np.uint8)
    np.testing.assert_array_equal(read_image(pictures.drawing(image)), image)
    smooth = np.full((30, 50, 3), (200, 30, 60), dtype=np.uint8)
    assert np.abs(read_image(pictures.photograph(smooth)).astype(int) - smooth).max() <= 4
    assert pictures.drawing(image) != pictures.drawing(image[::-1])


def test_many_at_once_write_one_whole_file(tmp_path, monkeypatch, rng):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    image = rng.integers(0, 256, (300, 500, 3), dtype=np.uint8)
    paths, torn, done = [], [], threading.Event()

    def write():
        paths.append(pictures.drawing(image))

    def watch():
        while not done.is_set():
            torn.extend(file for file in tmp_path.glob("pictures/*.png") if file.stat().st_size != whole)

    whole = Path(pictures.drawing(image)).stat().st_size
    Path(pictures.drawing(image)).unlink()
    watcher = threading.Thread(target=watch)
    writers = [threading.Thread(target=write) for _ in range(8)]
    for thread in (watcher, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    watcher.join()
    assert torn == []
    assert len(set(paths)) == 1
    assert [file.name for file in (tmp_path / "pictures").iterdir()] == [Path(paths[0]).name], "nothing else is left"


def test_a_picture_that_is_shown_again_is_not_deleted_as_an_old_one(tmp_path, monkeypatch, rng):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    image = rng.integers(0, 256, (30, 50, 3), dtype=np.uint8)
    path = pictures.drawing(image)
    first = Path(path).stat().st_ctime_ns
    while (renewed := Path(pictures.drawing(image)).stat().st_ctime_ns) == first:  # clocks of file systems are coarse
        pass
    assert renewed > first
    with gr.Blocks() as page:
        gallery = gr.Gallery()
    gallery.temp_files.add(path)
    delete_files_created_by_app(page, age=3600)
    assert Path(path).exists()
    delete_files_created_by_app(page, age=None)
    assert not Path(path).exists()
    assert pictures.drawing(image) == path
    assert Path(path).exists(), "it is written again for who asks next"


def test_swatches_stand_for_classes_without_a_picture(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    swatch = read_image(classes.swatch((10, 20, 30)))
    assert (swatch == (10, 20, 30)).all()
