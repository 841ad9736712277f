"""What the app is started with, and what it refuses to be started with."""

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from gradio_client import Client

from tests.demo.server import APP, PATIENCE_S, served


def refused(folder, *options):
    done = subprocess.run(
        [sys.executable, APP, *options], cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org"])
def test_a_host_that_others_can_reach_needs_a_password(tmp_path, host):
    message = refused(tmp_path, "--host", host)
    assert "--auth USER:PASS" in message
    assert "--insecure" in message
    assert not list(tmp_path.iterdir()), "nothing was made"


@pytest.mark.parametrize("auth", ["name", "name:", ":word", ""])
def test_a_password_has_two_parts(tmp_path, auth):
    assert "USER:PASS" in refused(tmp_path, "--auth", auth)


def test_a_store_that_cannot_be_opened_is_one_line(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("hello")
    assert "notes" in refused(tmp_path, "--store", "notes")
    assert "unknown preset" in refused(tmp_path, "--store", "new", "--preset", "nothing")
    assert "nowhere" in refused(tmp_path, "--store", "nowhere", "--read-only")
    assert "too long" in refused(tmp_path, "--store", "n" * 300)


@pytest.mark.parametrize(
    ("option", "wrong", "told"),
    [
        ("--masks", "regoins", "unknown mask generator 'regoins'; did you mean 'regions'"),
        ("--encoder", "descriptor,x=1", "unknown option of descriptor 'x'"),
        ("--classifier", "timm:x", "unknown classifier 'timm'"),
        ("--weights", "w.pt", "has no part"),
    ],
)
def test_parts_are_named_as_on_the_command_line(tmp_path, option, wrong, told):
    assert told in refused(tmp_path, "--store", "new", "--preset", "builtin", option, wrong)


def test_a_port_in_use_is_one_line_that_names_the_option(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        message = refused(tmp_path, "--port", str(taken.getsockname()[1]))
    assert "--port" in message
    assert "in use" in message
    assert not list(tmp_path.iterdir()), "nothing was made"


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.name.invalid"])
def test_an_address_that_is_not_this_machines_is_one_line(tmp_path, host):
    assert "--host" in refused(tmp_path, "--insecure", "--host", host)


def test_with_a_password_nothing_is_told_without_it(tmp_path):
    with served(tmp_path, "--store", "s", "--host", "0.0.0.0", "--auth", "ann:secret") as address:
        here = address.replace("0.0.0.0", "127.0.0.1")
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(f"{here}/gradio_api/info")
        assert error.value.code == 401
        assert Client(here, auth=("ann", "secret"), verbose=False).predict(api_name="/classes") == []


def test_help_answers_at_once():
    before = os.times()
    done = subprocess.run([sys.executable, APP, "--help"], capture_output=True, text=True, check=True)
    after = os.times()
    for option in (
        "preset",
        "masks",
        "encoder",
        "classifier",
        "weights",
        "min-area",
        "max-masks",
        "device",
        "store",
        "host",
        "port",
        "allowed-host",
        "auth",
        "private",
        "read-only",
        "insecure",
        "data",
    ):
        assert f"--{option}" in done.stdout
    # Time of the processor, which does not grow when the machine does other things as well.
    spent_s = after.children_user - before.children_user + after.children_system - before.children_system
    assert spent_s < 5
