"""However the app is ended, nothing of it is left in the system's temporary folder."""

import shutil
import signal
import time

import pytest
from gradio_client import Client, handle_file
from gradio_client.utils import Status

from tests.demo.server import PATIENCE_S, started, starting

SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


def left(server):
    return sorted(str(path.relative_to(server.temporary)) for path in server.temporary.rglob("*"))


def end(server, number):
    server.process.send_signal(number)
    code = server.process.wait(timeout=PATIENCE_S)
    return code, server.log.read_text()


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_nothing_is_left_with_a_client_connected(tmp_path, number):
    with started(tmp_path, "--private") as server:
        client = Client(server.address, verbose=False)
        picture = tmp_path / "index_store/demo/data/val/images/val_000.png"
        segments = client.predict(handle_file(str(picture)), api_name="/segment")["segments"]
        client.predict("heaven", [segments[0]["segment_id"]], api_name="/teach")
        client.predict(api_name="/export")
        names = " ".join(left(server))
        for part in ("val_000.png", ".knnclip", "store.db", "downloads-"):
            assert part in names, "there is something to remove"
        code, log = end(server, number)
        assert left(server) == []
        assert code == 0
        assert "Traceback" not in log


@pytest.fixture
def long_data(sample_data, tmp_path):
    """A labelled data set that takes long to ingest."""
    root = shutil.copytree(sample_data / "train", tmp_path / "long")
    shutil.copy(sample_data / "classes.txt", root)
    for folder in ("images", "labels"):
        for file in sorted((root / folder).iterdir()):
            for number in range(20):
                shutil.copy(file, file.with_stem(f"{file.stem}_{number}"))
    return root


def test_nothing_is_left_when_long_work_is_under_way(tmp_path, long_data):
    with started(tmp_path, "--data", long_data.parent) as server:
        client = Client(server.address, verbose=False)
        job = client.submit(f"{tmp_path.name}/long", [], api_name="/ingest_folder")
        while job.status().code is not Status.PROCESSING:
            assert not job.done(), job.result()
            time.sleep(0.01)
        code, log = end(server, signal.SIGTERM)
        assert not job.done() or job.exception() or "Stopped with" in job.result()
        assert (left(server), code) == ([], 0)
        assert "Traceback" not in log


def test_nothing_is_left_when_it_is_ended_while_it_starts(tmp_path):
    with starting(tmp_path) as server:
        while not left(server):
            assert server.process.poll() is None, server.log.read_text()
            time.sleep(0.01)
        code, log = end(server, signal.SIGTERM)
        assert left(server) == []
        assert code != 0, "it has not done what it was started for"
        assert "Traceback" not in log


def test_nothing_is_left_when_it_cannot_start(tmp_path):
    with starting(tmp_path, "--store", "nowhere", "--read-only") as server:
        assert server.process.wait(timeout=PATIENCE_S) == 2
        assert left(server) == []
