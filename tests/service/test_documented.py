"""The examples of docs/api.md, as they stand there, against a server as people start it."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

DOC = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
PATIENCE_S = 300
TOKEN = "documented"
DESCRIPTIONS = {"/v1/docs", "/v1/openapi.json"}


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", DOC, re.S)


@pytest.fixture(scope="module")
def served(tmp_path_factory, taught_store, sample_data):
    """A server in a folder with a picture, and what the examples find in their environment."""
    folder = tmp_path_factory.mktemp("documented")
    shutil.copytree(taught_store, folder / "my-store")
    shutil.copy(min((sample_data / "val" / "images").iterdir()), folder / "street.png")
    variables = os.environ | {"KNNCLIP_TOKEN": TOKEN}
    command = [sys.executable, "-u", "-c", "from knnclip.cli import main; main()", "serve", "my-store", "--port", "0"]
    log = folder / "log"
    with log.open("w") as sink:
        process = subprocess.Popen(command, cwd=folder, env=variables, stdout=sink, stderr=subprocess.STDOUT)
    try:
        deadline_s = time.monotonic() + PATIENCE_S
        while not (found := re.search(r"knnclip is at (http://\S+)/v1/docs", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline_s, log.read_text()
            time.sleep(0.1)
        yield folder, variables | {"KNNCLIP_URL": found[1]}
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
    assert "Traceback" not in log.read_text()


def run(command, served, **more):
    folder, variables = served
    done = subprocess.run(command, cwd=folder, env=variables | more, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_commands_of_curl(served):
    segment, teach = blocks("sh")
    answer = json.loads(run(["sh", "-ec", segment], served))
    (shown,) = (json.loads(block.replace("0c4f...", answer["picture_id"])) for block in blocks("json"))
    assert set(shown) == set(answer)
    assert set(shown["segments"][0]) == set(answer["segments"][0])
    said = run(["sh", "-ec", teach], served, PICTURE=answer["picture_id"])
    taught, again, undone = (json.loads(part) for part in re.split(r"(?<=\})(?=\{)", said))
    assert taught["source_id"] > 0
    assert "novelty" in {one["class"] for one in again["segments"]}
    assert undone == {"act": "teach novelty"}


def test_the_script(served):
    (script,) = blocks("python")
    said = run([sys.executable, "-c", script], served)
    assert "sky" in said
    assert "'novelty'" in said.splitlines()[-1]


def test_every_route_is_in_the_table(client):
    described = client.get("/v1/openapi.json").json()["paths"]
    rows = re.findall(r"`(GET|POST) (/v1[^?`]*)", DOC)
    meant = {"/ID": "/{picture_id}", "/PROJECT": "/{project_id}", "/PICTURE": "/{picture_id}"}
    named = {(method.lower(), re.sub(r"/[A-Z]+", lambda found: meant[found[0]], path)) for method, path in rows}
    there = {(method, path) for path, methods in described.items() for method in methods}
    assert {one for one in named if one[1] not in DESCRIPTIONS} == there
