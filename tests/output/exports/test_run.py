"""An export is there as a whole or not at all, and holds what was asked for."""

import errno
import json
import os
import subprocess
import sys
import weakref

import numpy as np
import pytest

from knnclip.errors import OutputError, UsageError
from knnclip.output.exports import EXPORTS, Export, export
from tests.mounts import mounted
from tests.output.exports.made import answered, objects_of, random_labels

NAMES = [card.name for card in EXPORTS]


def everything(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.fixture
def pictures(tmp_path, rng):
    return [answered(tmp_path / f"{number}.png", random_labels(rng)) for number in range(3)]


@pytest.mark.parametrize("name", NAMES)
def test_an_error_leaves_nothing(tmp_path, pictures, name):
    def broken():
        yield pictures[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(broken(), tmp_path / "out", [name])
    assert everything(tmp_path / "out") == []


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_names_the_file_and_leaves_nothing(tmp_path, pictures, name, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("knnclip.output.exports.draft.os.fsync", full)
    with pytest.raises(OutputError, match=rf"out/{name}.* cannot be written \(No space left on device\); make room"):
        export(pictures, tmp_path / "out", [name])
    assert everything(tmp_path / "out") == []


@pytest.mark.parametrize("name", NAMES)
def test_a_disk_that_is_really_full_is_told(tmp_path, name):
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=64k", "none"):
        labels = np.arange(4000, dtype=np.int32).reshape(40, 100)
        with pytest.raises(OutputError, match=r"cannot be written \(No space left on device\)"):
            export([answered(tmp_path / "a.png", labels)] * 20, tmp_path / "small", [name])
        assert everything(tmp_path / "small") == []


def test_a_killed_process_leaves_nothing_under_the_name(tmp_path, pictures):
    code = f"""
import os, signal
from pathlib import Path
import numpy as np
from tests.output.exports.made import answered
from knnclip.output.exports import Export, EXPORTS
with Export(Path({str(tmp_path / "out")!r}), [card.name for card in EXPORTS]) as export:
    export.add(answered(Path({str(pictures[0].image_path)!r}), np.ones((40, 60), np.int32)))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    left = [path.name for path in (tmp_path / "out").iterdir()]
    assert left
    assert all(name.startswith(".knnclip-") for name in left)


def test_what_is_there_is_not_touched(tmp_path, pictures):
    (tmp_path / "out" / "coco").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"out/coco is there already; remove it or choose another folder"):
        Export(tmp_path / "out", NAMES)
    assert everything(tmp_path / "out") == ["coco"]


def test_a_place_that_is_no_folder_is_told(tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(OutputError, match=r"out/coco cannot be written"):
        Export(tmp_path / "out", ["coco"])


def test_an_unknown_format_lists_those_there_are(tmp_path):
    with pytest.raises(UsageError, match=r"unknown export format 'coca'; did you mean 'coco'\?.*Known: coco"):
        Export(tmp_path / "out", ["coco", "coca"])
    assert everything(tmp_path) == []
    with pytest.raises(UsageError, match="a confidence is 0 to 1, found 50"):
        Export(tmp_path / "out", ["coco"], min_confidence=50)


def test_pictures_are_not_kept(tmp_path, rng):
    alive = []

    def stream():
        for number in range(5):
            item = answered(tmp_path / f"{number}.png", random_labels(rng, objects=4))
            alive.append(weakref.ref(item.segmentation))
            yield item
            del item
            assert sum(ref() is not None for ref in alive) <= 1

    export(stream(), tmp_path / "out", NAMES)
    assert sum(ref() is not None for ref in alive) <= 1


def test_a_picture_that_cannot_be_read_is_rejected_and_the_others_stand(tmp_path, pictures):
    pictures[1].image_path.unlink()
    (rejection,) = export(pictures, tmp_path / "out", NAMES)
    assert rejection.file == str(pictures[1].image_path)
    assert "cannot be read (No such file or directory)" in rejection.reason
    content = json.loads((tmp_path / "out" / "coco" / "annotations" / "instances_default.json").read_text())
    assert [(image["id"], image["file_name"]) for image in content["images"]] == [(1, "0.png"), (2, "2.png")]


def test_only_what_is_confident_is_written(tmp_path, pictures):
    export(pictures, tmp_path / "out", ["coco"], min_confidence=0.5)
    content = json.loads((tmp_path / "out" / "coco" / "annotations" / "instances_default.json").read_text())
    scores = [annotation["score"] for annotation in content["annotations"]]
    assert min(scores) == 0.5
    named = sum(len(objects_of(item.segmentation)) for item in pictures)
    assert 0 < len(scores) < named


def test_pictures_are_left_out_where_asked(tmp_path, pictures):
    export(pictures, tmp_path / "out", ["coco"], copy_pictures=False)
    assert everything(tmp_path / "out") == ["coco", "coco/annotations", "coco/annotations/instances_default.json"]


def test_a_picture_of_an_unknown_suffix_is_copied_as_png(tmp_path):
    item = answered(tmp_path / "scan.png", np.ones((4, 6), np.int32))
    item.image_path.rename(tmp_path / "scan.frame")
    export([type(item)(tmp_path / "scan.frame", item.size, item.segmentation)], tmp_path / "out", ["coco"])
    assert "coco/images/default/scan.png" in everything(tmp_path / "out")
