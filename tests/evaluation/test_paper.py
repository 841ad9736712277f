"""Every command of docs/paper.md on a tree of its set's layout, with a tiny checkpoint in the published one's place."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pil
from typer.testing import CliRunner

from knnclip.cli import app
from knnclip.networks.texts import TextVectors
from tests.datasets.test_published import blocks, put_wide
from tests.datasets.test_readers import put_image, put_labels
from tests.networks.fcclip import tiny

PAGE = (Path(__file__).parents[2] / "docs" / "paper.md").read_text()
COMMANDS = re.findall(r"^    (knnclip .*)$", PAGE, flags=re.MULTILINE)
ALONE = [command for command in COMMANDS if "--zero-shot" in command]
WITH_STORES = [command for command in COMMANDS if "--zero-shot" not in command]
LISTS = {
    "ade150": "ade20k-150", "ade847": "ade20k-847", "pc459": "context-459", "pc59": "context-59", "voc21": "voc-21",
    "voc20": "voc-21", "cityscapes": "cityscapes", "mapillary": "mapillary-1.2", "coco": "coco-panoptic",
}  # fmt: skip


def put_sets(root):
    """Each set with an image of four stripes, one of them void; where the page asks for it, a training split too."""
    for split in ("training", "validation"):
        put_image(root / "ADEChallengeData2016" / "images" / split / "a.jpg")
        put_labels(root / "ADEChallengeData2016" / "annotations" / split / "a.png", blocks(0, 1, 2, 150))
        full = root / "ADE20K_2021_17_01"
        put_image(full / "images_detectron2" / split / "a.jpg")
        put_wide(full / "annotations_detectron2" / split / "a.tif", blocks(65535, 0, 255, 846))
        context = root / "pascal_ctx_d2"
        put_image(context / "images" / split / "a.jpg")
        put_wide(context / "annotations_ctx459" / split / "a.tif", blocks(65535, 0, 283, 458))
        put_labels(context / "annotations_ctx59" / split / "a.png", blocks(255, 0, 1, 58))
    put_image(root / "pascal_voc_d2" / "images" / "validation" / "a.jpg")
    put_labels(root / "pascal_voc_d2" / "annotations_pascal21" / "validation" / "a.png", blocks(255, 0, 8, 20))
    put_image(root / "cityscapes" / "leftImg8bit" / "val" / "bonn" / "bonn_1_leftImg8bit.png")
    put_labels(root / "cityscapes" / "gtFine" / "val" / "bonn" / "bonn_1_gtFine_labelTrainIds.png", blocks(255, 0, 13))
    put_image(root / "mapillary_vistas" / "validation" / "images" / "a.jpg")
    put_labels(root / "mapillary_vistas" / "validation" / "labels" / "a.png", blocks(65, 0, 1, 64))
    put_coco(root / "coco")


def put_coco(root):
    put_image(root / "val2017" / "9.jpg")
    ids = blocks(0, 1, 2, 3)
    file = root / "annotations" / "panoptic_val2017" / "9.png"
    file.parent.mkdir(parents=True)
    Pil.fromarray(np.stack([ids, 0 * ids, 0 * ids], axis=2).astype(np.uint8)).save(file)
    segments = [{"id": number, "category_id": kind} for number, kind in ((1, 1), (2, 17), (3, 200))]
    categories = [(1, "person", 1), (17, "cat", 1), (200, "rug-merged", 0)]
    content = {
        "images": [{"id": 9, "file_name": "9.jpg"}],
        "annotations": [{"image_id": 9, "file_name": "9.png", "segments_info": segments}],
        "categories": [{"id": number, "name": name, "isthing": thing} for number, name, thing in categories],
    }
    (root / "annotations" / "panoptic_val2017.json").write_text(json.dumps(content))


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """Runs a command of the page beside the sets.

    What takes seconds with hundreds of classes and has tests of its own is left out: texts are vectors by chance, an
    ingest makes the classes that it has instances of, and reports have no pictures.
    """
    folder = tmp_path_factory.mktemp("paper")
    put_sets(folder)
    file, clip = tiny.write(folder, "convnext")

    def by_chance(self, name, path):
        vector = np.random.default_rng(list(name.encode())).normal(size=tiny.LAYOUT.embed)
        return (vector / np.linalg.norm(vector)).astype(np.float32)

    def run(command):
        words = shlex.split(command)[1:]
        words = [word.replace("fcclip:fcclip_cocopan.pth", f"fcclip:{file},clip={clip},min_area=1") for word in words]
        if words[0] == "ingest":  # DINOv2 has to be fetched; the tiny network has features too
            words += ["--encoder", words[words.index("--masks") + 1]]
        done = CliRunner().invoke(app, [*words, "--device", "cpu"])
        assert done.exit_code == 0, (command, done.output, done.exception)
        return done

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("KNNCLIP_CACHE", str(folder / "cache"))
        patch.setattr(TextVectors, "_made", by_chance)
        patch.setattr("knnclip.ingest.add_classes", lambda *_: ())
        patch.setattr("knnclip.evaluation.runs.illustrate", lambda *_: None)
        yield run


def report_of(command):
    words = shlex.split(command)
    folder = words[words.index("--report") + 1]
    return folder, json.loads((Path(folder) / "scores.json").read_text())


def test_the_page_has_a_command_for_each_row():
    assert {shlex.split(command)[-1] for command in ALONE} == set(LISTS)
    rows = re.findall(r"^\| .* \| \[[a-i]\]\(#(.*)\) \|$", PAGE, flags=re.MULTILINE)
    titles = re.findall(r"^#### (.*)$", PAGE, flags=re.MULTILINE)
    assert rows == [title.lower().replace(" ", "-") for title in titles]
    assert len(rows) == len(ALONE) == len(LISTS)


@pytest.mark.parametrize("command", ALONE, ids=[shlex.split(command)[-1] for command in ALONE])
def test_a_row_of_fcclip_alone(walked, command):
    walked(command)
    folder, content = report_of(command)
    protocol = content["protocol"]
    assert protocol["names"].startswith(f"fcclip, {LISTS[folder]} (")
    assert protocol["preset"] == "zero-shot"
    large = folder in ("cityscapes", "mapillary")
    assert ("short_px=1024,long_px=2560" in protocol["classifier"]) is large
    assert content["scores"]["miou"] >= 0


@pytest.mark.parametrize("number", range(0, 6, 2), ids=["ade150", "ade847", "pc459"])
def test_a_row_of_knn_clip(walked, number):
    for command in WITH_STORES[number : number + 2]:
        walked(command)
    folder, content = report_of(WITH_STORES[number + 1])
    assert content["protocol"]["names"].startswith(f"fcclip, {LISTS[folder.removesuffix('-knn')]} (")
    assert content["protocol"]["preset"] == "paper"
    assert [row["name"] for row in content["compared"]] == ["base"]
