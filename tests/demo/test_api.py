"""The endpoints, driven as a script drives them."""

import json
import shutil
import urllib.error
import urllib.request

import numpy as np
import pytest
from gradio_client import Client, handle_file

from demo.api import ENDPOINTS
from knnclip.datasets import open_dataset
from knnclip.store import Store
from knnclip.structures import Mask
from tests.demo.server import served


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """The app on its sample store, and the folder that it runs in."""
    folder = tmp_path_factory.mktemp("api")
    with served(folder, "--private") as address:
        yield address, folder


@pytest.fixture
def client(app):
    return Client(app[0], verbose=False)


@pytest.fixture
def picture(app):
    return handle_file(str(app[1] / "index_store" / "demo" / "data" / "val" / "images" / "val_000.png"))


def names(segmentation):
    return {segment["class"] for segment in segmentation["segments"]}


def test_teach_undo_redo(client, picture):
    before = client.predict(picture, api_name="/segment")
    assert (before["width_px"], before["height_px"]) == (320, 240)
    assert "car" in names(before)
    segment = max((s for s in before["segments"] if s["class"] == "sky"), key=lambda s: s["area_px"])
    taught = client.predict("heaven", [segment["segment_id"]], api_name="/teach")
    assert "heaven" in names(taught)
    found = next(s for s in taught["segments"] if s["class"] == "heaven")
    why = client.predict(found["segment_id"], api_name="/explain")
    assert why["scores"][0]["class"] == "heaven"
    assert why["evidence"][0]["similarity"] == pytest.approx(1, abs=0.01)
    assert client.predict(api_name="/undo") == "teach heaven"
    assert "heaven" not in {info["name"] for info in client.predict(api_name="/classes")}
    assert client.predict(api_name="/redo") == "teach heaven"
    assert "heaven" in {info["name"] for info in client.predict(api_name="/classes")}
    assert client.predict(picture, api_name="/segment") == {key: taught[key] for key in before}


def test_a_drawn_box_and_a_scribble(client, picture, sample_data):
    val = open_dataset(sample_data / "val")
    cones = [i.mask for i in val.load(val.samples[0]).instances if i.class_name == "traffic cone"]
    x0, y0, x1, y1 = max(cones, key=lambda mask: mask.crop.mean()).box_xyxy
    client.predict(picture, api_name="/segment")
    drawn = client.predict(x0 - 3, y0 - 3, x1 + 3, y1 + 3, api_name="/draw_box")
    assert drawn["area_px"] > 100
    assert "traffic cone" in names(client.predict("traffic cone", [], api_name="/teach"))
    middle = (x0 + x1) / 2
    whole = {"box": [x0, y0, x1, y1], "counts": Mask.from_dense(np.ones((y1 - y0, x1 - x0))).encode().decode()}
    assert client.predict(whole, api_name="/draw_mask")["area_px"] == (y1 - y0) * (x1 - x0)
    drawn = client.predict([[[middle, y0 + 6], [middle, y1 - 4]]], 4, api_name="/draw_strokes")
    assert drawn["area_px"] > 50
    with pytest.raises(Exception, match="scribble"):
        client.predict([[[1, float("1e9")]]], 4, api_name="/draw_strokes")


def test_a_point_takes_a_region_and_again_a_larger_one(client, picture):
    client.predict(picture, api_name="/segment")
    areas = [client.predict(60, 110, api_name="/draw_point")["area_px"] for _ in range(2)]
    assert areas[0] < areas[1]
    assert client.predict(20, 230, api_name="/draw_point")["box_xyxy"][3] > 200
    with pytest.raises(Exception, match="no region lies here"):
        client.predict(-5, 20, api_name="/draw_point")


def test_removing_an_instance(client, picture):
    segments = client.predict(picture, api_name="/segment")["segments"]
    why = client.predict(segments[0]["segment_id"], api_name="/explain")
    instance = why["evidence"][0]["instance_id"]
    total = sum(info["instances"] for info in client.predict(api_name="/classes"))
    client.predict(instance, api_name="/withdraw")
    assert sum(info["instances"] for info in client.predict(api_name="/classes")) == total - 1
    client.predict(api_name="/undo")
    assert sum(info["instances"] for info in client.predict(api_name="/classes")) == total


def test_rename_merge_forget(client):
    def counts():
        return {info["name"]: info["instances"] for info in client.predict(api_name="/classes")}

    before = counts()
    client.predict("tree", "plant", api_name="/rename")
    assert counts()["plant"] == before["tree"]
    assert client.predict("plant", "grass", api_name="/merge") == before["tree"]
    assert counts()["grass"] == before["tree"] + before["grass"]
    assert client.predict("grass", api_name="/forget") == before["tree"] + before["grass"]
    assert set(counts()) == set(before) - {"tree", "grass"}
    with pytest.raises(Exception, match="unknown class 'grass'"):
        client.predict("grass", api_name="/forget")


def test_export_and_import(client, app, tmp_path):
    exported = client.predict(api_name="/export")
    file = exported if isinstance(exported, str) else exported["path"]
    moved = shutil.copy(file, tmp_path / "moved.knnclip")
    Store.import_file(tmp_path / "store", moved)
    with Store.open(tmp_path / "store") as store:
        assert {info.name for info in store.vocabulary()} == {i["name"] for i in client.predict(api_name="/classes")}
        assert store.verify() == []
    other = Client(app[0], verbose=False)
    other.predict("car", api_name="/forget")
    cars = next(i for i in client.predict(api_name="/classes") if i["name"] == "car")["instances"]
    assert other.predict(handle_file(moved), api_name="/import") == cars
    (tmp_path / "bad.knnclip").write_bytes(b"nothing")
    with pytest.raises(Exception, match=r"^bad.knnclip is not a knnclip store"):
        other.predict(handle_file(str(tmp_path / "bad.knnclip")), api_name="/import")


def test_ingest_and_evaluate(client, app, tmp_path):
    before = client.predict("data/val", api_name="/evaluate_folder")
    assert before["iou_percent"]["traffic cone"] == 0
    assert "of 24 images" in client.predict("data/train", ["traffic cone"], api_name="/ingest_folder")
    after = client.predict("data/val", api_name="/evaluate_folder")
    assert after["iou_percent"]["traffic cone"] > 50
    assert after["miou"] > before["miou"]
    root = shutil.copytree(app[1] / "index_store/demo/data/val", tmp_path / "val")
    shutil.copy(app[1] / "index_store/demo/data/classes.txt", root)
    file = shutil.make_archive(str(tmp_path / "val"), "zip", root)
    assert "of 8 images" in client.predict(handle_file(file), [], api_name="/ingest_zip")
    assert "8 images had been stored before" in client.predict(handle_file(file), [], api_name="/ingest_zip")


def test_sessions_with_private_stores_do_not_meet(client, app, picture):
    segment = client.predict(picture, api_name="/segment")["segments"][0]
    client.predict("mine alone", [segment["segment_id"]], api_name="/teach")
    other = Client(app[0], verbose=False)
    assert "mine alone" not in {info["name"] for info in other.predict(api_name="/classes")}
    with pytest.raises(Exception, match="nothing to undo"):
        other.predict(api_name="/undo")


def test_every_act_is_a_named_endpoint_with_types(client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(endpoints) == {f"/{name}" for name in ENDPOINTS}
    types = {p["parameter_name"]: p["python_type"]["type"] for p in endpoints["/teach"]["parameters"]}
    assert types == {"name": "str", "segments": "list[int]"}
    assert json.dumps(endpoints)


@pytest.mark.parametrize("private", [[], ["--private"]], ids=["shared", "private"])
def test_a_read_only_demo_refuses_every_endpoint_that_writes(app, tmp_path, picture, private):
    store = app[1] / "index_store" / "demo" / "store"
    arguments = {
        "teach": ("x", [1]), "undo": (), "redo": (), "withdraw": (1,), "rename": ("car", "auto"),
        "merge": ("car", "sky"), "forget": ("car",), "import": (picture,),
        "ingest_folder": ("data/val", []), "ingest_zip": (picture, []),
        "accept": (), "reopen": (), "not_an_object": ([1],),
    }  # fmt: skip
    assert set(arguments) == {name for name, endpoint in ENDPOINTS.items() if endpoint.writes}
    with served(tmp_path, "--store", str(store), "--read-only", *private) as address:
        client = Client(address, verbose=False)
        before = client.predict(api_name="/classes")
        for name, given in arguments.items():
            with pytest.raises(Exception, match="start it without --read-only"):
                client.predict(*given, api_name=f"/{name}")
        assert client.predict(picture, api_name="/segment")["segments"]
        assert client.predict(api_name="/classes") == before


@pytest.mark.parametrize("path", ["/etc/passwd", "app.log", "index_store/demo/store/store.db"])
def test_no_path_of_a_client_is_opened(app, path):
    file = {"path": path, "orig_name": "x.png", "meta": {"_type": "gradio.FileData"}}
    call = urllib.request.Request(
        f"{app[0]}/gradio_api/call/segment",
        json.dumps({"data": [file]}).encode(),
        {"Content-Type": "application/json"},
    )
    event = json.load(urllib.request.urlopen(call))["event_id"]
    answer = urllib.request.urlopen(f"{app[0]}/gradio_api/call/segment/{event}").read().decode()
    assert "event: error" in answer
    assert "segments" not in answer


@pytest.mark.parametrize("path", ["app.log", "/etc/passwd", "index_store/demo/store/store.db", "../x"])
def test_no_file_of_the_server_is_handed_out(app, path):
    for where in (path, str(app[1] / path)):
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(f"{app[0]}/gradio_api/file={where}")
        assert error.value.code in (403, 404)


def test_only_folders_that_are_offered_are_read(app):
    with pytest.raises(Exception, match="no data set under an allowed root"):
        Client(app[0], verbose=False).predict("../../etc", [], api_name="/ingest_folder")


def test_a_tampered_request_is_a_message(client, picture):
    with pytest.raises(Exception, match="no picture is open"):
        client.predict("x", [1], api_name="/teach")
    client.predict(picture, api_name="/segment")
    with pytest.raises(Exception, match="no segment 98765"):
        client.predict(98765, api_name="/explain")
    with pytest.raises(Exception, match="nothing is selected"):
        client.predict("x", [], api_name="/teach")
    assert len(client.predict(api_name="/classes")) == 6
