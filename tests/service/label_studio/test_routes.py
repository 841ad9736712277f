"""The protocol, with what a real Label Studio sent."""

import copy
import json

import numpy as np
import pytest

from knnclip.images import read_image
from knnclip.service.label_studio import brush, routes
from knnclip.service.label_studio.images import TaskImages
from knnclip.service.label_studio.routes import router
from knnclip.structures import Mask
from tests.service.conftest import TOKEN
from tests.service.label_studio.conftest import KEY, RECORDED

TASK = RECORDED["predict"]["tasks"][0]
CONFIG = RECORDED["predict"]["label_config"]
SIZE = {"original_width": 320, "original_height": 240}
SMALL = {"original_width": 160, "original_height": 120}


@pytest.fixture
def backend(client_of, segmenter, studio):
    """The client that Label Studio is, and what it asks."""
    from knnclip.service.engine import Engine
    from knnclip.service.limits import Limits

    def made(**options):
        images = TaskImages(studio.address, KEY, others=(), folder=None, max_bytes=2**20)
        engine = Engine(segmenter, limits=Limits(per_minute=1e6), read_only=options.get("read_only"))
        return client_of(more_routes=(router(engine, images),), **options)

    return made


def told(action, **changes):
    """A recorded webhook, with some of its annotation changed."""
    sent = copy.deepcopy(RECORDED[action])
    if "annotation" in sent:
        sent["annotation"] |= changes
    return sent


def taught(segmenter):
    """What annotations have taught: description and classes of each source."""
    found = []
    for source in segmenter.store.sources():
        if source.kind == "teach":
            held = segmenter.store.labelled(source_id=source.source_id).values()
            found.append((source.description.partition(" in ")[0], sorted({one.class_name for one in held})))
    return found


def test_it_connects_as_label_studio_does(backend):
    client = backend()
    assert client.get("/health", headers={"Authorization": ""}).json() == {"status": "UP", "model_class": "knnclip"}
    answer = client.post("/setup", json=RECORDED["setup"])
    assert (answer.status_code, answer.json()["model_version"].startswith("knnclip-")) == (200, True)
    assert client.post("/setup", json=RECORDED["setup"], headers={"Authorization": ""}).status_code == 401


def test_predictions_are_the_answer_to_the_pixel_under_the_labels_of_the_project(backend, segmenter, picture):
    answer = backend().post("/predict", json=RECORDED["predict"])
    assert answer.status_code == 200, answer.text
    routes.Predictions.model_validate(answer.json())
    found = answer.json()["results"]
    assert len(found) == len(RECORDED["predict"]["tasks"])
    expected = segmenter.segment(read_image("x", content=picture))
    wanted = [one for one in expected.segments if one.class_name in ("car", "tree", "sky")]
    assert len(found[0]["result"]) == len(wanted) > 2
    for one, own in zip(found[0]["result"], wanted, strict=True):
        assert (one["type"], one["from_name"], one["to_name"]) == ("brushlabels", "b", "img")
        assert one["value"]["brushlabels"] == [{"car": "Car"}.get(own.class_name, own.class_name)]
        assert (one["original_height"], one["original_width"]) == expected.shape
        assert (brush.decode(one["value"]["rle"], expected.shape).to_dense() == own.mask.to_dense()).all()
        assert one["score"] == own.confidence
    assert 0 < found[0]["score"] <= 1
    assert found[0]["model_version"] == f"knnclip-{segmenter.store.generation}"
    assert len({one["id"] for one in found[0]["result"]}) == len(wanted)


def test_polygons_where_the_project_has_no_brush(backend, segmenter, picture):
    sent = RECORDED["predict"] | {"label_config": CONFIG.replace("BrushLabels", "PolygonLabels")}
    found = backend().post("/predict", json=sent).json()["results"][0]["result"]
    expected = segmenter.segment(read_image("x", content=picture))
    height, width = expected.shape
    from knnclip.datasets.polygons import mask_from_polygons

    for label, name in (("Car", "car"), ("tree", "tree"), ("sky", "sky")):
        rings = [
            (np.array(one["value"]["points"]) * [width / 100, height / 100]).round().ravel().tolist()
            for one in found
            if one["value"]["polygonlabels"] == [label]
        ]
        own = Mask.union([one.mask for one in expected.segments if one.class_name == name])
        drawn = mask_from_polygons(rings, expected.shape)
        assert (drawn.to_dense() == own.to_dense()).mean() > 0.999, "but for what a seam to a hole covers"


def test_an_annotation_is_one_teaching_however_often_it_is_told(backend, segmenter):
    client = backend()
    created = told("ANNOTATION_CREATED")
    for _ in range(3):
        answer = client.post("/webhook", json=created)
        assert (answer.status_code, answer.json()) == (201, {"status": "learnt", "regions": 1, "instances": 0})
        assert taught(segmenter) == [("annotation 3 of task 5", ["novelty"])]
        generation = segmenter.store.generation
        assert client.post("/webhook", json=created).status_code == 201
        assert segmenter.store.generation == generation, "told again, nothing is written"
    found = client.post("/predict", json=RECORDED["predict"]).json()["results"][0]["result"]
    assert "novelty" in {one["value"]["brushlabels"][0] for one in found}


def test_a_change_takes_the_place_of_what_was_and_a_deletion_takes_it_back_to_the_bit(backend, segmenter):
    client = backend()
    before = client.post("/predict", json=RECORDED["predict"]).json()["results"]
    client.post("/webhook", json=told("ANNOTATION_CREATED"))
    changed = told("ANNOTATION_UPDATED")
    changed["annotation"]["result"][0]["value"]["brushlabels"] = ["sky"]
    assert client.post("/webhook", json=changed).json()["regions"] == 1
    assert taught(segmenter) == [("annotation 3 of task 5", ["sky"])]
    client.post("/webhook", json=told("ANNOTATION_CREATED"))
    assert taught(segmenter) == [("annotation 3 of task 5", ["novelty"])], "and back"
    gone = client.post("/webhook", json=told("ANNOTATIONS_DELETED")).json()
    assert (gone["status"], gone["instances"] > 0) == ("forgotten", True)
    assert client.post("/webhook", json=told("ANNOTATIONS_DELETED")).json()["instances"] == 0
    assert taught(segmenter) == []
    after = client.post("/predict", json=RECORDED["predict"]).json()["results"]
    assert [one["result"] for one in after] == [one["result"] for one in before]


def test_an_annotation_that_holds_nothing_any_more_or_was_skipped_teaches_nothing(backend, segmenter):
    client = backend()
    for changes in ({"result": []}, {"was_cancelled": True}):
        client.post("/webhook", json=told("ANNOTATION_CREATED"))
        assert taught(segmenter)
        assert client.post("/webhook", json=told("ANNOTATION_UPDATED", **changes)).status_code == 201
        assert taught(segmenter) == []


def test_what_goes_with_its_task_is_forgotten(backend, segmenter):
    client = backend()
    client.post("/webhook", json=told("ANNOTATION_CREATED"))
    project = RECORDED["ANNOTATION_CREATED"]["project"]
    for tasks, left in (([{"id": 99}], 1), ([{"id": TASK["id"]}], 0)):
        client.post("/webhook", json={"action": "TASKS_DELETED", "tasks": tasks, "project": project})
        assert len(taught(segmenter)) == left
    client.post("/webhook", json=told("ANNOTATION_CREATED"))
    client.post("/webhook", json=told("ANNOTATIONS_DELETED") | {"project": {"id": 77}})
    assert len(taught(segmenter)) == 1, "another project's annotation of the same number"


def test_several_annotations_told_at_once(backend, segmenter):
    created = told("ANNOTATION_CREATED")
    other = copy.deepcopy(created["annotation"]) | {"id": 4}
    sent = created | {
        "action": "ANNOTATIONS_CREATED", "annotation": [created["annotation"], other], "task": [created["task"]],
    }  # fmt: skip
    assert backend().post("/webhook", json=sent).json()["regions"] == 2
    assert len(segmenter.store.sources()) >= 2


def test_training_learns_what_the_project_has_and_forgets_what_it_has_not(backend, segmenter, studio):
    client, created = backend(), told("ANNOTATION_CREATED")
    gone = copy.deepcopy(created)
    gone["annotation"] |= {"id": 8}
    elsewhere = {"points": [[60, 5], [90, 5], [90, 30]], "polygonlabels": ["sky"]}
    gone["annotation"]["result"] = [SIZE | {"type": "polygonlabels", "value": elsewhere}]
    client.post("/webhook", json=gone)
    assert taught(segmenter) == [("annotation 8 of task 5", ["sky"])]
    project = RECORDED["START_TRAINING"]["project"]["id"]
    exported = [created["task"] | {"annotations": [created["annotation"]]}, TASK | {"id": 6, "annotations": []}]
    studio.files[f"/api/projects/{project}/export?exportType=JSON"] = json.dumps(exported).encode()
    for _ in range(2):
        answer = client.post("/webhook", json=told("START_TRAINING"))
        assert (answer.status_code, answer.json()["regions"]) == (201, 1), answer.text
        assert taught(segmenter) == [("annotation 3 of task 5", ["novelty"])]


def test_what_is_drawn_in_other_ways(backend, segmenter):
    client, created = backend(), told("ANNOTATION_CREATED")
    size = {"original_width": 320, "original_height": 240, "image_rotation": 0}
    created["annotation"]["result"] = [
        size | {"type": "polygonlabels", "value": {"points": [[10, 10], [40, 10], [40, 40]], "polygonlabels": ["a"]}},
        size | {"type": "rectanglelabels",
                "value": {"x": 50, "y": 50, "width": 25, "height": 20, "rotation": 0, "rectanglelabels": ["b"]}},
        {"type": "choices", "value": {"choices": ["good"]}},
        size | {"type": "polygonlabels", "value": {"points": [[0, 0], [9, 0], [9, 9]]}},
    ]  # fmt: skip
    assert client.post("/webhook", json=created).json()["regions"] == 2
    assert taught(segmenter) == [("annotation 3 of task 5", ["a", "b"])]
    drawn = {
        one.class_name: one.mask
        for one in segmenter.store.instances()
        if one.class_name in "ab" and one.origin == "truth"
    }
    assert drawn["b"].box_xyxy == (160, 120, 240, 168)


WRONG = [
    ("/predict", {}, "label_config"),
    ("/predict", {"label_config": "<View/>", "tasks": []}, "BrushLabels or PolygonLabels"),
    ("/predict", {"label_config": "<View", "tasks": []}, "not XML"),
    ("/predict", {"label_config": "<!DOCTYPE x>", "tasks": []}, "document type"),
    ("/predict", {"label_config": "\ud800", "tasks": []}, "text"),
    ("/predict", {"label_config": CONFIG, "tasks": 5}, "a list"),
    ("/predict", {"label_config": CONFIG, "tasks": [5]}, "an object"),
    ("/predict", {"label_config": CONFIG, "tasks": [{}] * 101}, "at most 100"),
    ("/predict", {"label_config": CONFIG, "tasks": [{"data": {}}]}, "no picture"),
    ("/predict", {"label_config": CONFIG, "tasks": [{"data": {"image": "http://evil.example/x"}}]}, "--images-from"),
    ("/predict", {"label_config": CONFIG, "tasks": [{"data": {"image": "/data/upload/none.png"}}]}, "answered 404"),
    ("/webhook", {}, "action"),
    ("/webhook", {"action": "ANNOTATION_CREATED"}, "project"),
    ("/webhook", {"action": "ANNOTATIONS_DELETED", "project": {"id": 1}}, "annotations"),
    ("/webhook", [], "found a list"),
]


@pytest.mark.parametrize(("path", "sent", "said"), WRONG, ids=lambda value: str(value)[:40])
def test_what_is_wrong_is_told_in_a_line(backend, path, sent, said):
    answer = backend().post(path, content=json.dumps(sent), headers={"Content-Type": "application/json"})
    assert (answer.status_code, said in answer.json()["detail"]) == (422, True), answer.text
    assert len(answer.json()["detail"].splitlines()) == 1


TURNED = {"x": 5, "y": 5, "width": 9, "height": 9, "rotation": 30, "rectanglelabels": ["a"]}
REGIONS = [
    SIZE | {"type": "brushlabels", "value": {"rle": [1, 2], "brushlabels": ["a"]}},
    SIZE | {"type": "brushlabels", "value": {"rle": "x", "brushlabels": ["a"]}},
    SIZE | {"type": "brushlabels", "value": {"rle": [], "brushlabels": [5]}},
    SIZE | {"type": "brushlabels", "value": {"rle": [], "brushlabels": [" "]}},
    SMALL | {"type": "polygonlabels", "value": {"points": [[1, 1], [9, 1], [9, 9]], "polygonlabels": ["a"]}},
    {"type": "brushlabels"},
    SIZE | {"type": "polygonlabels", "value": {"points": [[1e9, 0], [9, 0], [9, 9]], "polygonlabels": ["a"]}},
    SIZE | {"type": "polygonlabels", "value": {"points": [[1, 2, 3]], "polygonlabels": ["a"]}},
    SIZE | {"type": "rectanglelabels", "value": TURNED},
    5,
]


@pytest.mark.parametrize("region", REGIONS, ids=lambda region: str(region)[:60])
def test_a_region_that_is_none_stores_nothing_of_its_annotation(backend, segmenter, region):
    created = told("ANNOTATION_CREATED")
    created["annotation"]["result"].append(region)
    generation = segmenter.store.generation
    assert backend().post("/webhook", json=created).status_code == 422
    assert segmenter.store.generation == generation


def test_of_several_tasks_one_that_cannot_be_read_has_no_prediction(backend, caplog):
    sent = copy.deepcopy(RECORDED["predict"])
    sent["tasks"][0]["data"]["image"] = "/data/upload/none.png"
    found = backend().post("/predict", json=sent).json()["results"]
    assert (found[0], len(found[1]["result"]) > 2) == ([], True)
    assert "answered 404" in caplog.text


def test_nothing_is_learnt_where_nothing_may_be_written_and_nothing_is_fetched_for_it(backend, segmenter, studio):
    client = backend(read_only="this server shows its store")
    for action in ("ANNOTATION_CREATED", "ANNOTATION_UPDATED"):
        assert client.post("/webhook", json=told(action)).status_code == 403
    assert studio.asked == []
    assert client.post("/predict", json=RECORDED["predict"]).status_code == 200


def test_other_actions_are_let_pass(backend):
    assert backend().post("/webhook", json={"action": "PROJECT_UPDATED"}).json()["status"] == "ignored"


def test_no_route_is_there_without_a_label_studio_and_all_ask_for_the_token(client_of, backend):
    for path in ("/predict", "/setup", "/webhook"):
        assert client_of().post(path, json={}).status_code == 404
        assert backend().post(path, json={}, headers={"Authorization": f"Bearer {TOKEN}x"}).status_code == 401
