"""The image's recipe: what it must be, by reading it; by a linter where one is installed."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import typer.main

from knnclip.cli import app

ROOT = Path(__file__).parents[1]
RECIPE = (ROOT / "Dockerfile").read_text()
LINES = [line for line in re.sub(r"\\\n", " ", RECIPE).splitlines() if line and not line.startswith("#")]


def last(instruction):
    """What stands after the last instruction of a kind."""
    return [line.partition(" ")[2] for line in LINES if line.split()[0] == instruction][-1]


def test_it_runs_without_root_with_a_health_check_and_a_volume_that_is_its_own():
    assert last("USER") == "1000"
    assert "--uid 1000" in RECIPE
    assert last("VOLUME") == "/stores"
    assert "install -d -o knnclip -g knnclip /stores" in RECIPE
    assert "/v1/health" in last("HEALTHCHECK")
    assert LINES.index("USER 1000") < next(i for i, line in enumerate(LINES) if line.startswith("ENTRYPOINT"))


def test_what_is_copied_is_there_and_not_ignored():
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for line in LINES:
        if line.startswith("COPY") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), source
                assert source in let_in, source


def test_its_command_is_one_that_there_is():
    command = json.loads(last("CMD"))
    serve = typer.main.get_command(app).commands[command[0]]
    context = serve.make_context("serve", command[1:], resilient_parsing=False)
    assert (context.params["host"], context.params["port"]) == ("0.0.0.0", int(last("EXPOSE")))
    assert str(context.params["store"]).startswith(last("VOLUME"))


def test_what_it_installs_is_what_the_package_needs_but_for_the_gpu():
    needed = subprocess.run(
        ["python", ROOT / "docker" / "requirements.py", ROOT / "pyproject.toml"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    assert any(line.startswith("faiss-cpu") for line in needed)
    assert not any("gpu" in line or ";" in line for line in needed)
    assert {"torch", "gradio", "fastapi"} <= {re.split(r"[><=]", line)[0] for line in needed}


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml", "docker/requirements.py"])
def test_no_address_of_a_package_index_is_in_it(name):
    assert not re.search(r"https?://(?!127\.0\.0\.1)", (ROOT / name).read_text())


def test_the_linter_has_nothing_to_say():
    if shutil.which("hadolint") is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run(["hadolint", ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_steps_are_shell_that_can_be_read():
    for line in LINES:
        if line.startswith("RUN"):
            done = subprocess.run(["sh", "-n", "-c", line.removeprefix("RUN")], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            assert shlex.split(line)
