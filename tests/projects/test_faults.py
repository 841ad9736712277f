"""Bad folders, pictures that change, processes that are killed."""

import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from knnclip.errors import DatasetError, ImageError, OutputError, StoreError, UsageError
from knnclip.images import write_png
from knnclip.projects import Project
from knnclip.projects.places import projects_of

from .samples import open_segmenter, picture, write_folder

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("KNNCLIP_KILLS", "3"))
"""Each takes a second or two; more are run by hand."""


def names(project):
    return [item.path for item in project.pictures()]


def of(project, path):
    return next(item for item in project.pictures() if item.path == path)


def test_names_in_any_script_and_bytes_that_are_no_text(segmenter, tmp_path):
    folder = tmp_path / "ordner"
    odd = os.fsdecode(b"b\xe9ton.png")
    for number, name in enumerate(["10.png", "2.png", "été.png", "道路.png", "sub/1.png", ".hidden.png", odd]):
        try:
            write_png(folder / name, picture(number))
        except OutputError:
            pytest.skip("the file system takes no names that are no text")
    (folder / "notes.txt").write_text("no picture")
    with Project.open(segmenter, folder) as project:
        assert names(project) == ["2.png", "10.png", odd, "sub/1.png", "été.png", "道路.png"]
        project.start()
        project.wait()
        assert project.standing.counts["answered"] == 6
        project.accept(of(project, odd).picture_id)
        assert segmenter.store.verify() == []


def test_what_cannot_be_read_is_rejected_with_the_reason_until_it_can(project, folder):
    (folder / "7.png").write_bytes(b"no picture")
    (folder / "8.png").write_bytes((folder / "0.png").read_bytes()[:-500])
    project.refresh()
    project.start()
    project.wait()
    assert project.standing.rejected == 2
    assert [item.path for item in project.pictures()[-2:]] == ["7.png", "8.png"]
    assert "not an image" in of(project, "7.png").rejected
    assert "damaged" in of(project, "8.png").rejected
    with pytest.raises(ImageError, match="damaged"):
        project.thumbnail(of(project, "8.png").picture_id)
    write_png(folder / "8.png", picture(8))
    project.refresh()
    assert of(project, "8.png").rejected is None
    assert project.label(of(project, "8.png").picture_id).shape == (60, 80)


def test_a_picture_that_changes_begins_anew_and_is_what_it_was_when_it_is_put_back(taught, folder):
    number = of(taught, "3.png").picture_id
    taught.accept(number)
    before = (folder / "3.png").read_bytes()
    write_png(folder / "3.png", picture(30))
    assert taught.thumbnail(number)
    changed = taught.picture(number)
    assert (changed.state, changed.summary) == ("untouched", None)
    assert "changed on the disk" in changed.note
    (folder / "3.png").write_bytes(before)
    taught.refresh()
    assert taught.picture(number).state == "checked"


def test_a_picture_that_is_only_touched_stays_what_it_was(taught, folder):
    os.utime(folder / "3.png", (1, 1))
    taught.refresh()
    item = of(taught, "3.png")
    assert (item.state, item.note) == ("answered", None)


def test_a_picture_under_another_name_keeps_its_state(taught, folder):
    taught.accept(of(taught, "3.png").picture_id)
    (folder / "3.png").rename(folder / "moved.png")
    taught.refresh()
    assert "gone" in of(taught, "3.png").rejected
    taught.thumbnail(of(taught, "moved.png").picture_id)
    assert of(taught, "moved.png").state == "checked"


def test_a_folder_that_disappears_is_told_and_all_is_there_when_it_is_back(taught, segmenter, folder):
    pictures = taught.pictures()
    away = folder.with_name("away")
    folder.rename(away)
    for act in (lambda: taught.label(pictures[0].picture_id), taught.refresh):
        with pytest.raises(StoreError, match="put it back"):
            act()
    segmenter.store.set_setting("nothing", "new")
    taught.start()
    with pytest.raises(StoreError, match="put it back"):
        taught.wait()
    taught.close()
    with pytest.raises(StoreError, match="put it back"):
        Project.open(segmenter, folder)
    away.rename(folder)
    with Project.open(segmenter, folder) as again:
        assert [item.state for item in again.pictures()] == [item.state for item in pictures]
        assert all(item.is_usable for item in again.pictures())


def test_5000_pictures_open_by_their_names_alone(segmenter, tmp_path, monkeypatch):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(5000):
        (folder / f"{number}.png").touch()
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("a picture was read"))
    with Project.open(segmenter, folder) as project:
        assert names(project)[4999] == "4999.png"


def test_files_and_zips_become_a_folder_of_the_project(segmenter, tmp_path):
    write_folder(tmp_path / "a", 2)
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for number in range(2):
            archive.write(tmp_path / "a" / f"{number}.png", f"in/{number}.png")
    files = [("0.png", tmp_path / "a" / "0.png"), ("0.png", tmp_path / "a" / "1.png"), ("b.zip", tmp_path / "b.zip")]
    with Project.of_files(segmenter, "mine", files) as project:
        assert names(project) == ["0.png", "0~2.png", "b/0.png", "b/1.png"]
        assert project.thumbnail(project.pictures()[0].picture_id)
    (info,) = Project.known(segmenter.store.path)
    assert (info.name, info.is_own) == ("mine", True)
    with Project.again(segmenter, info) as again:
        assert len(again.pictures()) == 4


def test_what_cannot_be_taken_in_leaves_nothing(segmenter, tmp_path):
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
        archive.writestr("a.png", b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.png", b"2")
    (tmp_path / "no.zip").write_bytes(b"no zip")
    for name, reason in (("twice.zip", "two files"), ("no.zip", "cannot be unpacked")):
        with pytest.raises(DatasetError, match=reason):
            Project.of_files(segmenter, "bad", [(name, tmp_path / name)])
    with pytest.raises(OutputError, match="cannot be copied"):
        Project.of_files(segmenter, "bad", [("a.png", tmp_path / "nowhere.png")])
    with pytest.raises(UsageError, match="at least one file"):
        Project.of_files(segmenter, "bad", [])
    assert list(projects_of(segmenter.store.path).iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"no database at all, but long enough to look at" * 40])
def test_a_file_of_a_project_that_is_none(segmenter, folder, content):
    with Project.open(segmenter, folder) as project:
        file = project.file
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    file.write_bytes(content)
    if not content:  # what a process leaves that was killed while it made the file
        with Project.open(segmenter, folder) as project:
            assert len(project.pictures()) == 6
        return
    with pytest.raises(StoreError, match="is not a database"):
        Project.open(segmenter, folder)
    assert Project.known(segmenter.store.path) == []


def test_a_project_of_a_newer_version_is_refused(segmenter, folder):
    import sqlite3

    with Project.open(segmenter, folder) as project:
        file = project.file
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="upgrade knnclip"):
        Project.open(segmenter, folder)


def test_killed_at_any_moment_project_and_store_agree(tmp_path):
    store, folder = tmp_path / "store", write_folder(tmp_path / "pictures", 6)
    with open_segmenter(store) as segmenter, Project.open(segmenter, folder) as project:
        analysis = project.analysis(project.pictures()[0].picture_id)
        dense = np.zeros((60, 80), dtype=bool)
        dense[:20] = True
        segmenter.teach(analysis, dense, "grass")
    chance = random.Random(0)
    acts = 0
    for kill in range(KILLS):
        log = tmp_path / "log"
        with log.open("w") as sink:
            command = [sys.executable, "-m", "tests.projects.worker", str(store), str(folder), str(kill)]
            worker = subprocess.Popen(command, cwd=ROOT, stdout=sink, stderr=subprocess.PIPE, text=True)
        while worker.poll() is None and "begins" not in log.read_text():
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.5))
        worker.send_signal(signal.SIGKILL)
        _, errors = worker.communicate()
        assert worker.returncode == -signal.SIGKILL, errors
        told = [line.rsplit(" ", 1) for line in log.read_text().split("\n")[1:-1]]
        acts += len(told)
        with open_segmenter(store) as segmenter, Project.open(segmenter, folder) as project:
            assert segmenter.store.verify() == []
            states = {item.picture_id: item.state for item in project.pictures()}
            assert set(states.values()) <= {"answered", "checked"}
            finished = {
                ref for info in segmenter.store.sources() if info.key
                for ref in segmenter.store.finished_images(info.source_id)
            }  # fmt: skip
            checked = {str(folder / item.path) for item in project.pictures(states=["checked"])}
            assert finished == checked
            last = {int(number): act == "accepted" for act, number in told}
            differing = [number for number, accepted in last.items() if (states[number] == "checked") != accepted]
            assert len(differing) <= 1  # of the act that was under way nobody was told
            for number in states:
                assert project.answer(number) is not None
            project.start()
            project.wait()
    assert acts
