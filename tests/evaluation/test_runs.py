"""An evaluation from its first image to its report: interrupted, in shards, with broken files, with objects."""

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pil

from knnclip.datasets import open_dataset
from knnclip.errors import DatasetError, StoreError, UsageError
from knnclip.evaluation import (
    Evaluation,
    add_up,
    add_up_folder,
    evaluate,
    judge_images,
    score_images,
    write_report,
)
from knnclip.evaluation.journal import records
from knnclip.ingest import IngestSettings, ingest
from knnclip.metrics.semantic import count_pixels
from knnclip.segmenter import Segmenter
from tests.end_to_end.command import error_of, run
from tests.progress import Listener

SCRIPT = Path(__file__).parents[2] / "scripts" / "evaluate_miou.py"


@pytest.fixture(scope="module")
def store(tmp_path_factory, sample_data):
    path = tmp_path_factory.mktemp("runs") / "store"
    train = open_dataset(sample_data / "train")
    with Segmenter.open(path, "builtin") as segmenter:
        ingest(segmenter, train, train.samples[:8], IngestSettings())
    return path


@pytest.fixture
def asked(store, sample_data):
    val = open_dataset(sample_data / "val")
    with Segmenter.open(store, read_only=True) as segmenter:
        yield Evaluation(segmenter, val, val.samples[:5], compared=("retrieval", "fused,k=2+16"))


class StopError(Exception):
    """Somebody pulls the plug."""


def interrupted(evaluation, folder, images):
    def stop():
        if listener.items == images:
            raise StopError

    listener = Listener(stop)
    with pytest.raises(StopError):
        score_images(evaluation, folder, progress=listener)


def test_an_interrupted_evaluation_continues_and_comes_to_the_same(asked, tmp_path):
    score_images(asked, tmp_path / "whole")
    interrupted(asked, tmp_path / "parts", 2)
    with pytest.raises(UsageError, match="3 of 5 images are not scored yet"):
        add_up_folder(asked, tmp_path / "parts")
    rest = Listener()
    score_images(asked, tmp_path / "parts", progress=rest)
    assert (rest.started, rest.items) == ((5, 2), 3)
    whole, parts = (add_up_folder(asked, tmp_path / name).scores for name in ("whole", "parts"))
    assert whole.semantic == parts.semantic
    assert whole.interval == parts.interval
    assert [(c.name, c.semantic.miou, c.gain, c.gain_interval) for c in whole.compared] == [
        (c.name, c.semantic.miou, c.gain, c.gain_interval) for c in parts.compared
    ]


def test_the_scores_are_those_of_the_evaluation(asked, tmp_path):
    score_images(asked, tmp_path)
    result = add_up_folder(asked, tmp_path, seen=["sky", "car"])
    scores = result.scores
    whole = add_up(judge_images(asked.segmenter, asked.dataset, asked.samples), asked.dataset)
    np.testing.assert_array_equal(result.confusion.matrix, whole.confusion.matrix)
    assert scores.semantic == whole.scores.semantic
    assert scores.interval.low < scores.semantic.miou < scores.interval.high
    assert (scores.images, result.rejected) == (5, ())
    assert scores.seen is not None
    # Without a classifier retrieval answers alone, and k=16 is the preset's.
    compared = {item.name: item for item in scores.compared}
    assert compared["retrieval"].semantic.miou == compared["fused,k=16"].semantic.miou == scores.semantic.miou
    assert (compared["retrieval"].gain_interval.low, compared["retrieval"].gain_interval.high) == (0, 0)
    assert compared["fused,k=2"].semantic.miou != scores.semantic.miou


def test_shards_come_to_the_same_whatever_their_number(asked, tmp_path):
    score_images(asked, tmp_path / "whole")
    for shard in ((0, 3), (2, 3)):
        score_images(asked, tmp_path / "parts", shard=shard)
    with pytest.raises(UsageError, match="or the shards that are missing"):
        add_up_folder(asked, tmp_path / "parts")
    # What a shard of three has not done, a later shard of two finds.
    for shard in ((0, 2), (1, 2)):
        score_images(asked, tmp_path / "parts", shard=shard)
    assert len(list((tmp_path / "parts").glob("images.*.jsonl"))) == 4
    assert sorted(record.ref for record in records(tmp_path / "parts", 7)) == sorted(s.ref for s in asked.samples)
    whole, parts = (add_up_folder(asked, tmp_path / name).scores for name in ("whole", "parts"))
    assert whole.semantic == parts.semantic
    with pytest.raises(UsageError, match="the shards of 2 are 0 to 1, found 2"):
        score_images(asked, tmp_path / "parts", shard=(2, 2))


def test_another_protocol_needs_another_folder_or_a_restart(asked, tmp_path):
    score_images(asked, tmp_path)
    oracle = Evaluation(asked.segmenter, asked.dataset, asked.samples, "oracle")
    with pytest.raises(UsageError, match="another masks and compared"):
        score_images(oracle, tmp_path)
    with pytest.raises(UsageError, match="another masks and compared"):
        add_up_folder(oracle, tmp_path)
    before = add_up_folder(asked, tmp_path).scores.semantic.miou
    score_images(oracle, tmp_path, restart=True)
    assert add_up_folder(oracle, tmp_path).scores.semantic.miou > before


def test_a_store_that_changes_meanwhile_is_no_store_to_be_quoted(store, sample_data, tmp_path):
    shutil.copytree(store, tmp_path / "store")
    val = open_dataset(sample_data / "val")
    with Segmenter.open(tmp_path / "store", "builtin") as segmenter:
        evaluation = Evaluation(segmenter, val, val.samples[:5])
        with pytest.raises(StoreError, match="changed while it was evaluated"):
            score_images(
                evaluation, tmp_path / "o", progress=Listener(lambda: segmenter.store.add_class("never seen before"))
            )


def test_a_set_of_one_class_is_refused_before_anything_is_done(store, sample_data, tmp_path):
    only = open_dataset(sample_data / "val", ignore=["sky", "grass", "road", "house", "tree", "traffic cone"])
    with (
        Segmenter.open(store, read_only=True) as segmenter,
        pytest.raises(DatasetError, match="1 class cannot be scored"),
    ):
        score_images(Evaluation(segmenter, only, only.samples), tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_the_report_shows_all_of_it_and_needs_nothing_else(asked, tmp_path):
    score_images(asked, tmp_path)
    scores = write_report(asked, tmp_path, seen=["sky"], command="knnclip evaluate 'a <b>' & c").scores
    content = json.loads((tmp_path / "scores.json").read_text())
    assert content["scores"]["miou"] == scores.semantic.miou
    assert content["scores"]["miou_interval"] == {"low": scores.interval.low, "high": scores.interval.high}
    assert content["protocol"]["store_generation"] == asked.segmenter.store.generation
    assert content["run"]["versions"]["knnclip"]
    with (tmp_path / "scores.csv").open() as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert float(rows["sky"]["iou"]) == next(row.iou for row in scores.semantic.classes if row.name == "sky")
    assert int(rows["sky"]["instances"]) > 0
    with (tmp_path / "compared.csv").open() as file:
        gains = [float(row["miou"]) for row in csv.DictReader(file)]
    assert gains == sorted(gains, reverse=True)
    assert len(gains) == 3

    page = (tmp_path / "report.html").read_text()
    assert "knnclip evaluate &#39;a &lt;b&gt;&#39; &amp; c" in page
    assert set(re.findall(r'(?:src|href)="([^",]*)', page)) <= {"data:image/png;base64", "data:image/jpeg;base64"}
    assert "http" not in re.sub(r"base64,[^\"]*", "", page)
    for head in ("Other settings", "Classes", "Worst images", "Best images", "worst confusions", "how it was made"):
        assert head in page, head
    pictures = json.loads((tmp_path / "pictures.json").read_text())
    shown = [picture for picture in pictures if picture["kind"] != "confusion"]
    assert len({picture["title"] for picture in shown}) == len(shown) == 5, "no image is both best and worst"
    assert all((tmp_path / picture["file"]).stat().st_size > 1000 for picture in pictures)


def test_one_call_does_what_the_command_does(asked, tmp_path):
    listener = Listener()
    kept = evaluate(asked, tmp_path, seen=["sky"], progress=listener)
    assert (listener.started, listener.items) == ((5, 0), 5)
    assert (tmp_path / "report.html").is_file()
    nothing_kept = evaluate(asked, seen=["sky"])
    assert nothing_kept.scores.semantic == kept.scores.semantic
    assert nothing_kept.scores.seen == kept.scores.seen
    assert sorted(file.name for file in tmp_path.iterdir() if file.name.startswith((".", "images"))) == ["images.jsonl"]


def test_a_broken_image_is_counted_and_the_rest_scored(store, sample_data, tmp_path):
    shutil.copytree(sample_data / "val", tmp_path / "val")
    shutil.copy(sample_data / "classes.txt", tmp_path)
    (tmp_path / "val" / "images" / "val_001.png").write_bytes(b"no image")
    done = run(
        "evaluate", tmp_path / "val", "--store", store, "--images", "val_00[0-2]*", "--report", tmp_path / "o", code=3
    )
    assert "1 rejected" in done.stderr
    content = json.loads((tmp_path / "o" / "scores.json").read_text())
    assert (content["images"], content["run"]["images_not_read"]) == (2, 1)
    (line,) = (tmp_path / "o" / "rejected.jsonl").read_text().splitlines()
    assert "val_001.png" in json.loads(line)["reason"]
    # Mended, it is scored by the next run, and only it.
    shutil.copy(sample_data / "val" / "images" / "val_001.png", tmp_path / "val" / "images")
    run("evaluate", tmp_path / "val", "--store", store, "--images", "val_00[0-2]*", "--report", tmp_path / "o")
    assert json.loads((tmp_path / "o" / "scores.json").read_text())["images"] == 3
    assert not (tmp_path / "o" / "rejected.jsonl").exists()


@pytest.fixture(scope="module")
def objects(tmp_path_factory, sample_data):
    """The sample pictures as a COCO panoptic set: one segment a class of stuff, one a connected piece of a thing."""
    from knnclip.images import ids_as_rgb, write_png

    root = tmp_path_factory.mktemp("objects")
    val = open_dataset(sample_data / "val")
    annotations = []
    for sample in val.samples[:3]:
        labelled = val.load(sample)
        ids, category = labelled.label_map + 1, {c + 1: c for c in range(len(val.classes))}
        for number, item in enumerate(labelled.instances, start=100):
            c = val.class_names.index(item.class_name)
            if val.classes[c].is_thing:
                ids[item.mask.slices][item.mask.crop] = number
                category[number] = c
        segments = [
            {"id": i, "category_id": category[i], "iscrowd": 0, "area": int((ids == i).sum())}
            for i in np.unique(ids).tolist()
            if i
        ]
        name = sample.image_path.stem
        write_png(root / "panoptic_val" / f"{name}.png", ids_as_rgb(ids))
        (root / "images").mkdir(exist_ok=True)
        shutil.copy(sample.image_path, root / "images")
        annotations.append({"image_id": len(annotations), "file_name": f"{name}.png", "segments_info": segments})
    content = {
        "images": [{"id": a["image_id"], "file_name": a["file_name"]} for a in annotations],
        "annotations": annotations,
        "categories": [
            {"id": i, "name": label.name, "isthing": int(label.is_thing)} for i, label in enumerate(val.classes)
        ],
    }
    (root / "panoptic_val.json").write_text(json.dumps(content))
    return root


def test_panoptic_quality_and_ap_where_objects_are_told_apart(store, objects, tmp_path):
    run("evaluate", objects, "--store", store, "--report", tmp_path / "own")
    run("evaluate", objects, "--store", store, "--report", tmp_path / "oracle", "--masks", "oracle")
    own, oracle = (json.loads((tmp_path / name / "scores.json").read_text()) for name in ("own", "oracle"))
    assert 0.3 < own["panoptic"]["all"]["pq"] < oracle["panoptic"]["all"]["pq"] <= 1
    assert own["panoptic"]["things"]["pq"] > 0
    assert 0 < own["instances"]["ap"] < oracle["instances"]["ap"] <= 1
    assert {"pq", "sq", "rq", "ap"} <= own["classes"][0].keys()
    assert "PQ, things" in (tmp_path / "own" / "report.html").read_text()


def test_panoptic_quality_is_that_of_the_files_that_segment_writes(store, objects, tmp_path):
    """The same answers through another door: written as a COCO panoptic result and scored as files."""
    run("evaluate", objects, "--store", store, "--report", tmp_path / "o")
    mine = json.loads((tmp_path / "o" / "scores.json").read_text())["panoptic"]
    run("segment", objects / "images", "--store", store, "--out", tmp_path / "said")
    said, truth = (
        json.loads(file.read_text()) for file in (tmp_path / "said" / "panoptic.json", objects / "panoptic_val.json")
    )
    by_name = {category["name"]: category["id"] for category in truth["categories"]}
    to_truth = {category["id"]: by_name[category["name"]] for category in said["categories"]}
    image_of = {image["id"]: image["file_name"] for image in said["images"]}
    id_of = {image["file_name"]: image["id"] for image in truth["images"]}
    for annotation in said["annotations"]:
        annotation["image_id"] = id_of[Path(image_of[annotation["image_id"]]).name]
        for segment in annotation["segments_info"]:
            segment["category_id"] = to_truth[segment["category_id"]]
    (tmp_path / "said.json").write_text(json.dumps(said))
    pairs = ("--pred", tmp_path / "said.json", "--pred-dir", tmp_path / "said" / "panoptic")
    truths = ("--truth", objects / "panoptic_val.json", "--truth-dir", objects / "panoptic_val")
    run("score", "panoptic", *pairs, *truths, "--json", tmp_path / "pq.json")
    theirs = json.loads((tmp_path / "pq.json").read_text())
    for kind in ("all", "things", "stuff"):
        assert mine[kind]["pq"] == pytest.approx(theirs[kind]["pq"])


def test_the_batch_script(store, sample_data, tmp_path):
    shutil.copytree(sample_data / "val", tmp_path / "val")
    shutil.copy(sample_data / "classes.txt", tmp_path)
    (tmp_path / "val" / "images" / "val_001.png").write_bytes(b"no image")

    def script(*arguments, code=0):
        command = [sys.executable, SCRIPT, tmp_path / "val", "--store", store, "--report", tmp_path / "o", *arguments]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        return done

    script("--shard", "0/2")
    assert "4 of 8 images are not scored yet" in script("--merge", code=2).stderr
    script("--shard", "1/2")
    assert "mIoU" in script("--merge", code=3).stdout
    assert "val_001" in (tmp_path / "o" / "rejected.jsonl").read_text()
    run("evaluate", tmp_path / "val", "--store", store, "--report", tmp_path / "whole", code=3)
    batch, whole = (json.loads((tmp_path / name / "scores.json").read_text()) for name in ("o", "whole"))
    assert batch["scores"] == whole["scores"]
    assert (tmp_path / "o" / "report.html").is_file()
    assert "a shard is i/n" in script("--shard", "1", code=2).stderr
    assert "--report" in error_of("evaluate", sample_data / "val", "--store", store, "--shard", "0/2")


def test_labels_that_changed_are_not_scored_from_the_journal(store, sample_data, tmp_path):
    shutil.copytree(sample_data / "val", tmp_path / "val")
    shutil.copy(sample_data / "classes.txt", tmp_path)
    command = ("evaluate", tmp_path / "val", "--store", store, "--images", "val_00[0-1]*", "--report", tmp_path / "o")
    run(*command)
    label = tmp_path / "val" / "labels" / "val_001.png"
    values = np.asarray(Pil.open(label))
    Pil.fromarray(np.where(values == 1, 2, values)).save(label)
    assert "val_001.png or its labels changed since" in error_of(*command)
    before = json.loads((tmp_path / "o" / "scores.json").read_text())["scores"]["miou"]
    run(*command, "--restart")
    assert json.loads((tmp_path / "o" / "scores.json").read_text())["scores"]["miou"] < before


def test_when_nothing_can_be_read_it_says_so(store, sample_data, tmp_path):
    shutil.copytree(sample_data / "val", tmp_path / "val")
    shutil.copy(sample_data / "classes.txt", tmp_path)
    for file in (tmp_path / "val" / "images").iterdir():
        file.write_bytes(b"no image")
    assert "none of the 8 images could be read" in error_of("evaluate", tmp_path / "val", "--store", store)


def test_a_report_leaves_nothing_of_an_earlier_one(store, sample_data, tmp_path):
    command = ("evaluate", sample_data / "val", "--store", store, "--images", "val_000*", "--report", tmp_path)
    run(*command, "--compare", "retrieval")
    assert (tmp_path / "compared.csv").is_file()
    done = run(*command, "--restart")
    assert not (tmp_path / "compared.csv").exists()
    assert "one image has no interval" in (tmp_path / "report.html").read_text()
    assert "nan" not in done.stdout


def test_seen_classes_by_a_file_or_a_list(store, sample_data, tmp_path):
    (tmp_path / "names.txt").write_text("sky\nautomobile\n")
    done = run(
        "evaluate", sample_data / "val", "--store", store, "--images", "val_000*", "--seen", tmp_path / "names.txt"
    )
    assert "mIoU, seen classes" in done.stdout
    run("evaluate", sample_data / "val", "--store", store, "--images", "val_000*", "--seen", "coco-panoptic")
    (tmp_path / "others.txt").write_text("submarine\n")
    sea = ("--seen", tmp_path / "others.txt")
    assert "names no class of" in error_of("evaluate", sample_data / "val", "--store", store, *sea)
    assert "coco-panoptic" in error_of("evaluate", sample_data / "val", "--store", store, "--seen", "coco-panoptik")


def test_the_confusion_of_an_image_counts_its_pixels(asked, tmp_path):
    score_images(asked, tmp_path)
    first = next(iter(records(tmp_path, 7)))
    labelled = asked.dataset.load(asked.samples[0])
    names = asked.dataset.class_names
    ids = {info.class_id: names.index(info.name) for info in asked.segmenter.store.vocabulary()}
    semantic = asked.segmenter.segment(labelled.image).semantic
    answer = np.vectorize(lambda i: ids.get(i, -1), otypes=[np.int32])(semantic)
    np.testing.assert_array_equal(first.pixels.confusion, count_pixels(labelled.label_map, answer, 7).confusion)
