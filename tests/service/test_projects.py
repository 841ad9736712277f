"""Projects over HTTP: what is there, applying, accepting, exporting."""

import io
import json
import time
import zipfile

import pytest

from knnclip.projects import Project

PATIENCE_S = 120


@pytest.fixture
def project(segmenter, tmp_path, sample_data):
    """The id of a project of three pictures, the last of which is none."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for file in sorted((sample_data / "val" / "images").iterdir())[:2]:
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "x.png").write_bytes(b"no picture")
    with Project.open(segmenter, folder) as opened:
        return opened.file.parent.name


def applied(client, project):
    """How the project stands when all its pictures are answered."""
    assert client.post(f"/v1/projects/{project}/apply").status_code == 202
    deadline_s = time.monotonic() + PATIENCE_S
    while (found := client.get(f"/v1/projects/{project}").json())["is_running"]:
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    return found


def test_a_project_is_applied_checked_and_exported(client, segmenter, project):
    assert [one["project_id"] for one in client.get("/v1/projects").json()] == [project]
    listed = client.get(f"/v1/projects/{project}/pictures").json()
    assert {one["state"] for one in listed} == {"untouched"}
    first = listed[0]["picture_id"]
    assert client.get(f"/v1/projects/{project}/pictures/{first}").status_code == 404
    standing = applied(client, project)
    assert (standing["pictures"], standing["counts"]["answered"], standing["rejected"]) == (2, 2, 1)
    listed = client.get(f"/v1/projects/{project}/pictures", params={"order": "review"}).json()
    assert [one["path"] for one in listed if one["rejected"]] == ["x.png"]
    answer = client.get(f"/v1/projects/{project}/pictures/{first}").json()
    assert "car" in {segment["class"] for segment in answer["segments"]}
    assert answer["segments"][0]["mask"]["rle"]["size"] == [answer["height_px"], answer["width_px"]]

    before = len(segmenter.store)
    accepted = client.post(f"/v1/projects/{project}/pictures/{first}/accept")
    assert (accepted.status_code, len(segmenter.store) > before) == (201, True)
    assert accepted.json()["source_id"] == client.get("/v1/sources").json()[-1]["source_id"]
    checked = client.get(f"/v1/projects/{project}/pictures", params={"state": ["checked"]}).json()
    assert [one["picture_id"] for one in checked] == [first]

    got = client.get(f"/v1/projects/{project}/export", params={"write": "coco,csv"})
    names = zipfile.ZipFile(io.BytesIO(got.content)).namelist()
    assert {"coco/annotations/instances_default.json", f"coco/images/default/{checked[0]['path']}"} <= set(names)
    coco = json.loads(zipfile.ZipFile(io.BytesIO(got.content)).read("coco/annotations/instances_default.json"))
    assert (len(coco["images"]), bool(coco["annotations"])) == (1, True)

    assert client.post(f"/v1/projects/{project}/pictures/{first}/unaccept").status_code == 204
    assert len(segmenter.store) == before
    assert client.post(f"/v1/projects/{project}/stop").status_code == 204


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "nothing", 404, "no such project"), ("GET", "..%2f..%2fstore", 404, ""),
        ("POST", "nothing/apply", 404, "no such project"), ("GET", "{}/pictures/99", 404, ""),
        ("POST", "{}/pictures/99/accept", 404, ""), ("GET", "{}/pictures?order=no", 422, "order"),
        ("GET", "{}/pictures?state=no", 422, "state"), ("GET", "{}/export?write=no", 422, "export format"),
        ("GET", "{}/export?write=", 422, "expected names"), ("GET", "{}/export?least_confidence=2", 422, "least"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_a_line(client, project, method, path, status, said):
    answer = client.request(method, f"/v1/projects/{path.format(project)}")
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text


def test_nothing_is_written_where_nothing_may_be(client, client_of, project):
    applied(client, project)
    first = client.get(f"/v1/projects/{project}/pictures").json()[0]["picture_id"]
    shown = client_of(read_only="this server shows its store")
    for path in ("apply", "stop", f"pictures/{first}/accept", f"pictures/{first}/unaccept"):
        assert shown.post(f"/v1/projects/{project}/{path}").status_code == 403
    assert shown.get(f"/v1/projects/{project}/pictures/{first}").status_code == 200
    assert shown.get(f"/v1/projects/{project}/export", params={"write": "csv"}).status_code == 200
