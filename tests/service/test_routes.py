"""The acts over HTTP: what is answered, what is stored, and which status says what."""

import json

import numpy as np
import pytest
from pycocotools import mask as coco

from knnclip.images import read_image
from knnclip.service import wire
from knnclip.store import Store
from knnclip.structures import UNKNOWN
from tests.service.conftest import png


def segmented(client, picture, **query):
    """The answer for a picture."""
    answer = client.post("/v1/segment", content=picture, params={"name": "street.png"} | query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def names(answer):
    return {segment["class"] for segment in answer["segments"]}


def pixels(mask, shape):
    """The dense mask of what an answer holds, by COCO's own reader."""
    if "rle" in mask:
        return coco.decode(mask["rle"]).astype(bool)
    dense = np.zeros(shape, dtype=bool)
    for rings in mask["polygons"]:
        dense |= np.logical_xor.reduce([coco.decode(coco.frPyObjects([ring], *shape))[..., 0] for ring in rings]) > 0
    return dense


@pytest.mark.parametrize("masks", ["rle", "polygons"])
def test_the_answer_is_that_of_the_package_to_the_pixel(client, segmenter, picture, masks):
    answer = segmented(client, picture, masks=masks, explained=True)
    expected = segmenter.segment(read_image("street.png", content=picture))
    wire.Answer.model_validate(answer)
    assert (answer["height_px"], answer["width_px"]) == expected.shape
    assert len(names(answer)) > 2
    for segment, own in zip(answer["segments"], expected.segments, strict=True):
        assert (segment["class"], segment["confidence"]) == (own.class_name, own.confidence)
        assert len(segment["evidence"]) == len(own.evidence)
        assert (pixels(segment["mask"], expected.shape) == own.mask.to_dense()).all()
    covered = sum(segment["area_px"] for segment in answer["segments"] if segment["class"] is None)
    assert covered == np.count_nonzero(expected.semantic == UNKNOWN)


def test_without_masks_and_reasons_an_answer_is_small(client, picture):
    answer = segmented(client, picture, masks="none")
    assert {segment["mask"] for segment in answer["segments"]} == {None}
    assert all("evidence" not in segment for segment in answer["segments"])
    assert len(json.dumps(answer)) < 20_000


@pytest.mark.parametrize("masks", ["rle", "polygons"])
def test_a_mask_of_an_answer_is_taught_as_it_is_and_taken_back_to_the_bit(client, picture, masks):
    before = segmented(client, picture, masks=masks)
    segment = max(before["segments"], key=lambda segment: segment["area_px"])
    sent = {"picture_id": before["picture_id"], "name": "novelty", "mask": segment["mask"]}
    taught = client.post("/v1/teach", json=sent)
    assert taught.status_code == 201, taught.text
    again = client.get(f"/v1/segment/{before['picture_id']}", params={"masks": masks}).json()
    assert "novelty" in names(again)
    assert again["generation"] > before["generation"]
    assert "novelty" in names(segmented(client, picture)), "for a client who knows of nothing, too"
    assert client.post("/v1/undo").json() == {"act": "teach novelty"}
    undone = segmented(client, picture, masks=masks)
    assert undone["segments"] == before["segments"]
    assert client.post("/v1/redo").json() == {"act": "teach novelty"}
    assert segmented(client, picture, masks=masks)["segments"] == again["segments"]
    last = client.get("/v1/sources").json()[-1]
    assert (last["kind"], last["description"].partition("#")[0]) == ("teach", "novelty in street.png")
    assert client.post("/v1/forget", json={"source_id": last["source_id"]}).json() == {"instances": last["instances"]}
    assert segmented(client, picture, masks=masks)["segments"] == before["segments"]


def test_a_box_around_an_object_is_taught(client, picture):
    before = segmented(client, picture)
    thing = next(segment for segment in before["segments"] if segment["class"] == "car")
    sent = {"picture_id": before["picture_id"], "name": "vehicle", "box_xyxy": thing["box_xyxy"]}
    assert client.post("/v1/teach", json=sent).status_code == 201
    assert "vehicle" in names(segmented(client, picture))


def test_classes_are_made_renamed_merged_and_forgotten(client, segmenter):
    made = client.post("/v1/classes", json={"name": "puddle", "kind": "stuff", "synonyms": ["pool"]})
    assert (made.status_code, made.json()["synonyms"]) == (201, ["pool"])
    assert client.post("/v1/classes/rename", json={"name": "puddle", "new_name": "water"}).status_code == 204
    listed = {info["name"]: info for info in client.get("/v1/classes").json()}
    assert (listed["water"]["kind"], sorted(listed["water"]["synonyms"])) == ("stuff", ["pool", "puddle"])
    cars = listed["car"]["instances"]
    assert cars > 0
    assert client.post("/v1/classes/merge", json={"names": ["car"], "into": "water"}).json() == {"instances": cars}
    assert client.post("/v1/forget", json={"name": "pool", "reason": "dry"}).json() == {"instances": cars}
    assert "water" not in {info["name"] for info in client.get("/v1/classes").json()}
    assert segmenter.store.events()[-1].detail["reason"] == "dry"


def test_instances_are_forgotten_all_or_none(client, segmenter):
    first = next(segmenter.store.instances()).instance_id
    missing = client.post("/v1/forget", json={"instance_ids": [first, 10**9]})
    assert (missing.status_code, "1000000000" in missing.json()["detail"]) == (404, True)
    assert client.post("/v1/forget", json={"instance_ids": [first]}).json() == {"instances": 1}


def test_the_store_is_had_as_one_file(client, segmenter, tmp_path):
    exported = tmp_path / "had.knnclip"
    exported.write_bytes(client.get("/v1/store").content)
    assert Store.import_file(tmp_path / "copy", exported) == len(segmenter.store)


WRONG = [
    ("POST", "/v1/teach", {"picture_id": "x", "name": "a"}, 404, "send it to /v1/segment again"),
    ("GET", "/v1/segment/nothing", None, 404, "send it to /v1/segment again"),
    ("POST", "/v1/forget", {}, 422, "exactly one of"),
    ("POST", "/v1/forget", {"name": "car", "source_id": 1}, 422, "exactly one of"),
    ("POST", "/v1/forget", {"name": "no such"}, 404, "unknown class"),
    ("POST", "/v1/forget", {"source_id": 999}, 404, "no source 999"),
    ("POST", "/v1/forget", {"source_id": "1"}, 422, "source_id"),
    ("POST", "/v1/forget", {"source_id": 10**30}, 422, "source_id"),
    ("POST", "/v1/forget", {"nmae": "car"}, 422, "nmae"),
    ("POST", "/v1/classes", {"name": "car"}, 409, "already"),
    ("POST", "/v1/classes", {"name": "   "}, 422, "empty"),
    ("POST", "/v1/classes", {"name": "x" * 2000}, 422, "1000"),
    ("POST", "/v1/classes", {"name": "a\ud800b"}, 422, "name"),
    ("POST", "/v1/classes/rename", {"name": "car", "new_name": "tree"}, 409, "exists already"),
    ("POST", "/v1/classes/rename", {"name": "no such", "new_name": "tree"}, 404, "unknown class"),
    ("POST", "/v1/classes/merge", {"names": ["no such"], "into": "car"}, 404, "unknown class"),
    ("POST", "/v1/classes/merge", {"names": ["car"], "into": "car"}, 422, "besides"),
    ("POST", "/v1/undo", None, 409, "nothing to undo"),
    ("POST", "/v1/classes", [1, 2], 422, "found a list of 2"),
    ("GET", "/v1/classes/car", None, 404, "openapi.json"),
    ("DELETE", "/v1/classes", None, 405, "DELETE is not taken here"),
]


@pytest.mark.parametrize(("method", "path", "sent", "status", "said"), WRONG, ids=lambda value: str(value)[:40])
def test_what_is_wrong_is_told_in_a_line_with_the_status_that_fits(client, method, path, sent, status, said):
    content = None if sent is None else json.dumps(sent).encode()
    answer = client.request(method, path, content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    told = wire.Problem.model_validate(answer.json())
    assert (told.status, said in told.detail, len(told.detail.splitlines())) == (status, True, 1), told.detail


MASKS = [
    ({"rle": {"size": [240, 320], "counts": "0"}}, "add up"),
    ({"rle": {"size": [10, 10], "counts": "0d"}}, "the image has"),
    ({"rle": {"size": [240, 320], "counts": [0, 240 * 320 + 5]}}, "no number of pixels"),
    ({"rle": {"size": [240, 320], "counts": [240 * 320]}}, "empty"),
    ({"polygons": [[[0, 0, 1, 1]]]}, "three points"),
    ({"polygons": [[[0, 0, 1e6, 0, 1e6, 1e6]]]}, "outside"),
    ({"polygons": [[[500, 500, 510, 500, 510, 510]]]}, "no pixel"),
    ({"polygons": [[[0, 0, 10, 0, 10, 10]]], "rle": {"size": [240, 320], "counts": "0"}}, "exactly one"),
    ({"polygons": []}, "no polygon"),
    ({"polygons": [[]]}, "polygons.0"),
    ({}, "exactly one"),
    ({"rle": {"size": [240, 320], "counts": {"a": 1}}}, "counts"),
]


@pytest.mark.parametrize(("mask", "said"), MASKS, ids=lambda value: str(value)[:40])
def test_a_mask_that_is_none_stores_nothing(client, picture, mask, said):
    found = segmented(client, picture, masks="none")
    before = client.get("/v1").json()["generation"]
    answer = client.post("/v1/teach", json={"picture_id": found["picture_id"], "name": "a", "mask": mask})
    assert (answer.status_code, said in answer.json()["detail"]) == (422, True), answer.text
    assert client.get("/v1").json()["generation"] == before


BODIES = [b"", b"{", b"[" * 100_000, b"9" * 5000, b"\xff", b'{"name": NaN}', b'{"name": ' + b"9" * 5000 + b"}", b"null"]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:10]))
def test_a_body_that_is_no_json_is_a_line(client, body):
    answer = client.post("/v1/classes", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert len(wire.Problem.model_validate(answer.json()).detail) < 500


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not an image"), (b"no picture", "not an image"), (png(5000, 4000), "exceed the limit"),
        (b"\x89PNG\r\n\x1a\n", "image"),
    ],
    ids=["empty", "text", "too many pixels", "cut off"],
)  # fmt: skip
def test_what_is_no_picture_is_told_by_its_name_before_it_is_decoded(client, content, said):
    answer = client.post("/v1/segment", content=content, params={"name": "mine.png"})
    assert (answer.status_code, said in answer.json()["detail"]) == (422, True), answer.text
    assert answer.json()["detail"].startswith("mine.png")


def test_nothing_is_written_where_nothing_may_be(client_of, picture):
    client = client_of(read_only="this server shows its store")
    found = segmented(client, picture)
    before = client.get("/v1").json()
    assert before["read_only"] == "this server shows its store"
    mask = found["segments"][0]["mask"]
    for path, sent in (
        ("teach", {"picture_id": found["picture_id"], "name": "a", "mask": mask}),
        ("undo", None), ("redo", None), ("forget", {"name": "car"}), ("classes", {"name": "a"}),
        ("classes/rename", {"name": "car", "new_name": "a"}), ("classes/merge", {"names": ["car"], "into": "tree"}),
    ):  # fmt: skip
        answer = client.post(f"/v1/{path}", json=sent)
        assert (answer.status_code, answer.json()["detail"]) == (403, "this server shows its store"), path
    assert client.get("/v1").json() == before


def test_every_route_that_writes_is_refused_where_nothing_may_be_written(client_of):
    """Whatever route comes later: a POST that is not listed as reading must be refused."""
    client = client_of(read_only="this server shows its store")
    reading = {"/v1/segment"}
    paths = client.get("/v1/openapi.json").json()["paths"]
    writing = {path for path, methods in paths.items() if set(methods) - {"get"}} - reading
    assert writing == {
        "/v1/teach", "/v1/undo", "/v1/redo", "/v1/forget", "/v1/classes", "/v1/classes/rename", "/v1/classes/merge",
        *(f"/v1/projects/{{project_id}}/{act}" for act in ("apply", "stop")),
        *(f"/v1/projects/{{project_id}}/pictures/{{picture_id}}/{act}" for act in ("accept", "unaccept")),
    }  # fmt: skip


def test_a_picture_that_is_not_kept_any_more_is_sent_again(client, picture, monkeypatch):
    monkeypatch.setattr("knnclip.service.pictures.KEPT_PICTURES", 2)
    ids = [segmented(client, png(40, 40, color), masks="none")["picture_id"] for color in (0, 90, 200)]
    assert [client.get(f"/v1/segment/{one}").status_code for one in ids] == [404, 200, 200]
    assert segmented(client, png(40, 40, 0), masks="none")["picture_id"] == ids[0]


def test_a_failure_of_the_server_is_told_as_such_and_logged(client, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("the reason")

    monkeypatch.setattr("knnclip.service.engine.Engine.sources", broken)
    answer = client.get("/v1/sources")
    assert (answer.status_code, answer.json()["detail"]) == (500, "the server failed at this; its log says why")
    assert "the reason" in caplog.text


def test_the_description_names_every_route_and_is_read_without_another_machine(client):
    described = client.get("/v1/openapi.json").json()
    assert described["openapi"].startswith("3.")
    html = client.get("/v1/docs").text
    for path, methods in described["paths"].items():
        for method in methods:
            assert f"{method.upper()} {path}" in html
    assert "http://" not in html
    assert "https://" not in html
    assert "<script" not in html
