"""The package's service beside the page: the same routes, behind the app's own password and in its modes."""

import json

import pytest

from tests.demo.server import ask, started


def picture_of(server):
    """A picture that the sample came with, as bytes."""
    return next((server.log.parent / "index_store/demo/data/val/images").iterdir()).read_bytes()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    with started(tmp_path_factory.mktemp("service"), "--auth", "ann:secret") as server:
        yield server


def test_programs_segment_and_teach_beside_the_page(guarded):
    brought = {"Authorization": "Bearer secret"}
    status, text = ask(guarded.address, "POST", "/v1/segment", picture_of(guarded), **brought)
    answer = json.loads(text)
    assert (status, "car" in {segment["class"] for segment in answer["segments"]}) == (200, True)
    sent = {"picture_id": answer["picture_id"], "name": "novelty", "mask": answer["segments"][0]["mask"]}
    assert ask(guarded.address, "POST", "/v1/teach", sent, **brought)[0] == 201
    assert "novelty" in ask(guarded.address, "GET", "/v1/classes", **brought)[1]
    assert ask(guarded.address, "POST", "/v1/undo", b"", **brought)[0] == 200


def test_programs_bring_the_password_and_pages_of_others_get_nothing(guarded):
    for path in ("/v1", "/v1/classes", "/v1/docs", "/v1/openapi.json", "/v1/nothing"):
        assert ask(guarded.address, "GET", path)[0] == 401, path
    assert ask(guarded.address, "GET", "/v1", Host="evil.example", Authorization="Bearer secret")[0] == 403
    assert ask(guarded.address, "GET", "/v1x", Authorization="Bearer secret")[0] == 404


@pytest.mark.parametrize("option", ["--private", "--read-only"])
def test_modes_hold_for_programs(tmp_path, option):
    with started(tmp_path, option) as server:
        answer = json.loads(ask(server.address, "POST", "/v1/segment", picture_of(server))[1])
        sent = {"picture_id": answer["picture_id"], "name": "novelty", "mask": answer["segments"][0]["mask"]}
        status, text = ask(server.address, "POST", "/v1/teach", sent)
        assert (status, option in text) == (403, True)
        assert ask(server.address, "POST", "/v1/forget", {"name": "car"})[0] == 403
        assert json.loads(ask(server.address, "GET", "/v1")[1])["read_only"]
