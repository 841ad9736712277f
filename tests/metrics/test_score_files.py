"""Scoring files without a model, through the installed command."""

import json

import numpy as np
import pytest
from PIL import Image as Pil
from pycocotools import mask as coco

from knnclip.errors import DatasetError, InputError
from knnclip.metrics.instances import score_instances
from knnclip.metrics.panoptic import SegmentInfo, segment_counts
from knnclip.metrics.score_files import score_panoptic_files, score_semantic_files
from tests.end_to_end.command import run
from tests.fuzz import sets


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Pil.fromarray(array).save(path)


@pytest.fixture
def semantic(tmp_path):
    """Two images; in the prediction one class is half wrong and some pixels are no class."""
    truth = np.zeros((8, 10), np.uint8)
    truth[:, 5:] = 2
    truth[0] = 255
    said = truth.copy()
    said[4:, 5:] = 0
    said[7, :5] = 77
    for name in ("a.png", "b.png"):
        save(tmp_path / "truth" / name, truth)
        save(tmp_path / "said" / name, said)
    (tmp_path / "classes.txt").write_text("0 road\n2 car\n")
    return tmp_path


def test_semantic_scores_are_the_hand_counted_ones(semantic):
    run("score", "semantic", "--pred-dir", semantic / "said", "--truth-dir", semantic / "truth", "--classes",
        semantic / "classes.txt", "--ignore", "255", "--json", semantic / "s.json")  # fmt: skip
    scores = json.loads((semantic / "s.json").read_text())
    road, car = (row["iou"] for row in scores["classes"])
    assert road == pytest.approx(30 / (35 + 20))  # 35 true, 30 found, 20 cars called road
    assert car == pytest.approx(15 / 35)
    assert scores["coverage"] == pytest.approx(65 / 70)
    assert scores["miou"] == pytest.approx((road + car) / 2)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: (root / "said" / "b.png").unlink(), "b.png does not exist"),
        (lambda root: save(root / "said" / "b.png", np.zeros((3, 3), np.uint8)), r"has shape \(3, 3\)"),
        (lambda root: save(root / "truth" / "b.png", np.full((8, 10), 9, np.uint8)), "index 9 is neither"),
        (lambda root: [file.unlink() for file in (root / "truth").iterdir()], "holds no PNG files"),
    ],
)
def test_semantic_files_that_do_not_fit_are_errors(semantic, spoil, message):
    spoil(semantic)
    with pytest.raises(DatasetError, match=message):
        score_semantic_files(semantic / "said", semantic / "truth", {0: "road", 2: "car"}, {255})


@pytest.fixture
def panoptic(tmp_path):
    ids = np.zeros((10, 12), np.int64)
    ids[:5], ids[5:, :6] = 70_000, 300
    rgb = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=2).astype(np.uint8)
    save(tmp_path / "png" / "x.png", rgb)
    categories = [{"id": 7, "name": "sky", "isthing": 0}, {"id": 9, "name": "cat", "isthing": 1}]
    segments = [{"id": 70_000, "category_id": 7}, {"id": 300, "category_id": 9}]
    content = {
        "categories": categories,
        "annotations": [{"image_id": 1, "file_name": "x.png", "segments_info": segments}],
    }
    (tmp_path / "truth.json").write_text(json.dumps(content))
    return tmp_path, content


def score_panoptic(root, said, code=0):
    (root / "said.json").write_text(json.dumps(said))
    return run("score", "panoptic", "--pred", root / "said.json", "--pred-dir", root / "png", "--truth",
               root / "truth.json", "--truth-dir", root / "png", "--json", root / "s.json", code=code)  # fmt: skip


def test_panoptic_files(panoptic):
    root, content = panoptic
    score_panoptic(root, content)
    scores = json.loads((root / "s.json").read_text())
    assert (scores["all"]["pq"], scores["things"]["tp"], scores["stuff"]["tp"]) == (1, 1, 1)
    content["annotations"][0]["segments_info"][1]["category_id"] = 7
    score_panoptic(root, content)
    scores = json.loads((root / "s.json").read_text())
    assert scores["things"]["pq"] == 0
    assert scores["stuff"]["pq"] == pytest.approx(1 / 1.5)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda c: c["annotations"].clear(), "has no prediction for image 1"),
        (lambda c: c["annotations"][0]["segments_info"].pop(), "pixels of segment 300"),
        (lambda c: c["annotations"][0]["segments_info"][0].update(category_id=3), "category 3"),
        (lambda c: c["annotations"][0].update(file_name="none.png"), "none.png: cannot be opened"),
        (lambda c: c.pop("annotations"), "has no 'annotations'"),
    ],
)
def test_panoptic_files_that_do_not_fit_are_errors(panoptic, spoil, message):
    root, content = panoptic
    spoil(content)
    done = score_panoptic(root, content, code=2)
    assert message in done.stderr


def squares(boxes, size=(120, 150)):
    found = []
    for x, y, side in boxes:
        dense = np.zeros(size, np.uint8, order="F")
        dense[y : y + side, x : x + side] = 1
        encoded = coco.encode(dense)
        found.append({**encoded, "counts": encoded["counts"].decode()})
    return found


def truth_of(boxes):
    annotations = [
        {"id": i + 1, "image_id": 1, "category_id": 1 + i % 2, "segmentation": mask, "area": float(coco.area(mask)),
         "bbox": coco.toBbox(mask).tolist(), "iscrowd": 0}
        for i, mask in enumerate(squares(boxes))
    ]  # fmt: skip
    return {
        "images": [{"id": 1, "width": 150, "height": 120}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": annotations,
    }


def test_instances():
    boxes = [(2, 2, 20), (60, 2, 50), (2, 60, 20)]
    truth = truth_of(boxes)
    perfect = [
        {"image_id": 1, "category_id": 1 + i % 2, "segmentation": mask, "score": 0.9}
        for i, mask in enumerate(squares(boxes))
    ]
    scores = score_instances(truth, perfect)
    assert (scores.ap, scores.ap50, scores.ap_small, scores.ap_medium) == pytest.approx((1, 1, 1, 1))
    assert np.isnan(scores.ap_large)
    assert dict(scores.classes) == pytest.approx({"cat": 1, "dog": 1})
    # IoU 0.81: found at seven of the ten thresholds, 0.5 to 0.8.
    smaller = [perfect[0], {**perfect[1], "segmentation": squares([(60, 2, 45)])[0]}, perfect[2]]
    assert dict(score_instances(truth, smaller).classes)["dog"] == pytest.approx(0.7)
    assert score_instances(truth, []).ap == 0


@pytest.mark.parametrize(
    ("truth", "results", "message"),
    [
        ({}, [], "has no 'images'"),
        (truth_of([]), [], "no instance to be found"),
        (truth_of([(2, 2, 20)]), [{"image_id": 1}], "result 0: has no 'category_id'"),
        (truth_of([(2, 2, 20)]), [{"image_id": 9, "category_id": 1, "segmentation": {}, "score": 1}], "image 9"),
    ],
)
def test_instances_that_cannot_be_scored_are_errors(truth, results, message):
    with pytest.raises(InputError, match=message):
        score_instances(truth, results)


def test_results_may_be_of_any_form_of_coco():
    truth = truth_of([(2, 2, 20), (60, 2, 50)])
    packed = [{"image_id": 1, "category_id": 1 + i, "segmentation": item["segmentation"], "score": 0.9}
              for i, item in enumerate(truth["annotations"])]  # fmt: skip
    runs = []
    for item in packed:
        flat = coco.decode(item["segmentation"]).ravel(order="F")
        changes = [0, *(np.flatnonzero(np.diff(flat)) + 1).tolist(), flat.size]
        runs.append({**item, "segmentation": {"size": [120, 150], "counts": np.diff(changes).tolist()}})
    assert repr(score_instances(truth, runs)) == repr(score_instances(truth, packed))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, r: r[0].update(score=float("nan")), "'score' is nan"),
        (lambda t, r: r[0].update(image_id=[1]), "'image_id'"),
        (lambda t, r: r[0].update(bbox=[1, 2, None, 4]), "'bbox' is no box"),
        (lambda t, r: r[0]["segmentation"].update(counts="o" * 9 + "0"), "result 0: .*run length"),
        (lambda t, r: r[0]["segmentation"].update(counts=[10**12]), "result 0: .*run length"),
        (lambda t, r: t["images"][0].update(height=10**6, width=10**6), "more than 100,000,000 pixels"),
        (lambda t, r: t["images"].append(3), "image 1 of the truth: expected an object"),
        (lambda t, r: t["images"].append(t["images"][0]), "two images of the truth have the same id"),
        (lambda t, r: t["annotations"][0].update(category_id=77), "category 77 is not in categories"),
        (lambda t, r: t["annotations"][0].update(iscrowd="no"), "'iscrowd' is 'no'"),
        (lambda t, r: t.update(categories=None), "has no 'categories'"),
    ],
)
def test_what_is_no_instance_is_named(change, message):
    truth = truth_of([(2, 2, 20)])
    results = [
        {"image_id": 1, "category_id": 1, "segmentation": dict(truth["annotations"][0]["segmentation"]), "score": 1}
    ]
    change(truth, results)
    with pytest.raises(InputError, match=message):
        score_instances(truth, results)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(annotations=[3]), "annotations at 0: expected an object"),
        (lambda c: c["annotations"][0].update(image_id=[]), "'image_id'"),
        (lambda c: c["annotations"][0]["segments_info"].append(3), "segment at 2: expected an object"),
        (lambda c: c["annotations"][0]["segments_info"][0].update(id="\ud800"), "'id'"),
        (lambda c: c["annotations"][0].update(file_name=None), "has no 'file_name'"),
        (lambda c: c["categories"].append(c["categories"][0]), "two categories have the same id"),
    ],
)
def test_what_is_no_panoptic_result_is_named(tmp_path, change, message):
    sets.results(tmp_path)
    file = tmp_path / "panoptic" / "panoptic_val.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    answer = tmp_path / "answer" / "panoptic_val.json"
    with pytest.raises(InputError, match=message):
        score_panoptic_files(answer, answer.with_suffix(""), file, file.with_suffix(""))


def test_segments_without_end_are_refused_before_they_are_compared():
    many = [SegmentInfo(i, 0) for i in range(1, 6001)]
    with pytest.raises(DatasetError, match="pairs of segments"):
        segment_counts(np.zeros((2, 2), int), many, np.zeros((2, 2), int), many, 1)
