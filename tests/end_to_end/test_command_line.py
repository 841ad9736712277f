"""The installed command, run as a user runs it, on the sample data."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pil

KNNCLIP = Path(sys.executable).with_name("knnclip")
NASTY = ['it\'s "quoted"', "😀", "../../etc", "<img src=x onerror=alert(1)>", "'; DROP TABLE classes; --", "x" * 500]


def run(*arguments, code=0):
    done = subprocess.run([KNNCLIP, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert done.returncode == code, f"{arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done


def error_of(*arguments):
    """The message of a command that must fail: the one line after whatever progress was shown."""
    message = run(*arguments, code=2).stderr.strip().splitlines()[-1]
    assert message.startswith("error: ")
    return message


@pytest.fixture(scope="module")
def store(tmp_path_factory, sample_data):
    path = tmp_path_factory.mktemp("stores") / "store"
    run("ingest", sample_data / "train", "--store", path)
    return path


def scores(store, sample_data, folder, *more):
    run("evaluate", sample_data / "val", "--store", store, "--report", folder, *more)
    content = json.loads((folder / "scores.json").read_text())
    return content["scores"]["miou"], {row["name"]: row["iou"] or 0.0 for row in content["classes"]}


def test_ingest_evaluate_segment(store, sample_data, tmp_path):
    miou, _ = scores(store, sample_data, tmp_path / "report")
    assert miou > 0.6
    oracle, _ = scores(store, sample_data, tmp_path / "oracle", "--masks", "oracle")
    assert oracle > 0.9
    image = sample_data / "val" / "images" / "val_000.png"
    run("segment", image, "--store", store, "--out", tmp_path / "out", "--evidence")
    semantic = np.asarray(Pil.open(tmp_path / "out" / "semantic" / "val_000.png"))
    panoptic = np.asarray(Pil.open(tmp_path / "out" / "panoptic" / "val_000.png")).astype(int)
    ids = panoptic[..., 0] + 256 * panoptic[..., 1] + 65536 * panoptic[..., 2]
    content = json.loads((tmp_path / "out" / "panoptic.json").read_text())
    infos = content["annotations"][0]["segments_info"]
    assert {info["id"] for info in infos} == set(np.unique(ids)) - {0}
    for info in infos:
        assert (ids == info["id"]).sum() == info["area"]
        assert (semantic[ids == info["id"]] == info["category_id"]).all()
    assert {"car", "traffic cone"} <= {category["name"] for category in content["categories"]}
    segments = json.loads((tmp_path / "out" / "segments" / "val_000.json").read_text())
    assert all(item["image"].startswith("images/") for segment in segments for item in segment["evidence"])
    assert (tmp_path / "out" / "overlay" / "val_000.png").is_file()
    assert list((tmp_path / "out" / "evidence").iterdir())


def test_a_class_is_added_on_the_fly(sample_data, tmp_path):
    store = tmp_path / "store"
    run("ingest", sample_data / "train", "--store", store, "--exclude", "car")
    before, without = scores(store, sample_data, tmp_path / "before")
    run("ingest", sample_data / "train", "--store", store, "--only", "car")
    after, with_car = scores(store, sample_data, tmp_path / "after")
    assert without["car"] == 0
    assert with_car["car"] > 0.3
    assert after > before
    run("classes", "forget", store, "car")
    assert scores(store, sample_data, tmp_path / "forgotten") == (before, without)


def test_ingest_again_stores_nothing_twice(store, sample_data):
    again = run("ingest", sample_data / "train", "--store", store)
    assert "stored 0 instances" in again.stdout
    assert "24 images were already stored" in again.stdout


def test_an_ingest_killed_at_random_moments_continues_where_it_stopped(store, sample_data, tmp_path):
    killed = tmp_path / "killed"
    for _ in range(4):
        process = subprocess.Popen(
            [KNNCLIP, "ingest", sample_data / "train", "--store", killed],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(random.uniform(1.0, 4.0))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        if (killed / "store.db").exists():
            run("store", "verify", killed)
    run("ingest", sample_data / "train", "--store", killed)
    assert "is sound" in run("store", "verify", killed).stdout
    assert run("classes", killed).stdout == run("classes", store).stdout


def test_vocabulary_commands(tmp_path, store):
    copy = tmp_path / "copy"
    run("store", "export", store, tmp_path / "one.knnclip")
    run("store", "import", copy, tmp_path / "one.knnclip")
    run("classes", "add", copy, "pole", "--synonym", "post")
    run("classes", "rename", copy, "car", "automobile")
    run("classes", "merge", copy, "house", "--into", "tree")
    listed = run("classes", copy).stdout
    assert "automobile" in listed
    assert "pole" in listed
    assert "merge" in error_of("classes", "rename", copy, "tree", "pole")
    run("classes", "forget", copy, "tree", "--reason", "test")
    run("classes", "forget", copy, "--source", "1")
    run("store", "compact", copy)
    assert "is sound" in run("store", "verify", copy).stdout


@pytest.mark.parametrize("name", NASTY)
def test_class_names_are_data(tmp_path, name, store):
    copy = tmp_path / "copy"
    run("store", "export", store, tmp_path / "one.knnclip")
    run("store", "import", copy, tmp_path / "one.knnclip")
    run("classes", "rename", copy, "car", name)
    from knnclip import Store

    with Store.open(copy) as opened:
        assert name in [info.name for info in opened.vocabulary()]
    assert "is sound" in run("store", "verify", copy).stdout


def test_bad_files_are_rejected_and_the_rest_is_done(sample_data, tmp_path):
    import shutil

    root = tmp_path / "set"
    shutil.copytree(sample_data / "train", root)
    shutil.copy(sample_data / "classes.txt", root)
    (root / "images" / "train_000.png").write_bytes(b"not an image")
    (root / "labels" / "train_001.png").unlink()
    Pil.new("L", (5, 5)).save(root / "labels" / "train_002.png")
    Pil.new("L", (320, 240), 99).save(root / "labels" / "train_003.png")
    store = tmp_path / "store"
    done = run("ingest", root, "--store", store, "--images", "train_00*", code=3)
    assert "of 6 images" in done.stdout
    lines = [json.loads(line) for line in (store / "rejected.jsonl").read_text().splitlines()]
    assert [Path(line["file"]).name for line in lines] == [f"train_00{i}.png" for i in range(4)]
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"%PDF")
    done = run("segment", broken, root / "images" / "train_004.png", "--store", store, "--out", tmp_path / "o", code=3)
    assert "broken.jpg" in done.stderr
    assert (tmp_path / "o" / "semantic" / "train_004.png").is_file()


def test_errors_are_one_line_and_say_what_to_do(tmp_path, store, sample_data):
    (tmp_path / "file").write_text("no store")
    (tmp_path / "folder").mkdir()
    assert "not a knnclip store" in error_of("store", "info", tmp_path / "folder")
    assert "store" in error_of("store", "info", tmp_path / "file")
    assert "nowhere" in error_of("segment", "x.jpg", "--store", tmp_path / "nowhere")
    assert "does not exist" in error_of("ingest", tmp_path / "nowhere", "--store", tmp_path / "s")
    assert "did you mean 'builtin'" in error_of(
        "ingest", sample_data / "train", "--store", tmp_path / "s", "--preset", "bultin"
    )
    assert "did you mean 'car'" in error_of("classes", "forget", store, "carr")
    assert "did you mean 'car'" in error_of("ingest", sample_data / "train", "--store", store, "--only", "cra")
    assert "Traceback" not in run("store", "info", tmp_path / "folder", code=2).stderr
    assert "Traceback" in run("--debug", "store", "info", tmp_path / "folder", code=1).stderr
