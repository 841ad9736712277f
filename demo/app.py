"""Starts the web demo: ``python demo/app.py --help``."""

from __future__ import annotations

import os
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # run as a file, not as a module
    sys.path.insert(0, str(ROOT))

from knnclip.cli.common import (  # noqa: E402
    ClassifierOption,
    DeviceOption,
    EncoderOption,
    MasksOption,
    MaxMasksOption,
    MinAreaOption,
    WeightsOption,
    read_names,
    tell_time,
)

if TYPE_CHECKING:
    from demo.session import Parts

SAMPLE = Path("index_store/demo")
LISTENERS_AT_ONCE = 8
"""Requests of one kind that are worked on at once: a slow picture must not block another session's clicks."""

MAX_WAITING = 500
"""Requests of one kind that wait; more are refused at once, for they would be answered long after anybody cares."""


def main(
    preset: Annotated[str | None, typer.Option(help="Preset of a new store; an existing one knows its own.")] = None,
    masks: MasksOption = None,
    encoder: EncoderOption = None,
    classifier: ClassifierOption = None,
    weights: WeightsOption = None,
    min_area: MinAreaOption = None,
    max_masks: MaxMasksOption = None,
    device: DeviceOption = "auto",
    store: Annotated[Path | None, typer.Option(help=f"Folder of the store; without it a sample in {SAMPLE}.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 7860,
    allowed_host: Annotated[list[str], typer.Option(help="Name by which a proxy in front is asked for the app.")] = [],  # noqa: B006
    auth: Annotated[str | None, typer.Option(metavar="USER:PASS", help="Ask for this name and password.")] = None,
    data: Annotated[list[Path], typer.Option(help="Folder whose labelled data sets may be ingested.")] = [],  # noqa: B006
    private: Annotated[bool, typer.Option(help="A scratch copy of the store for each browser session.")] = False,
    read_only: Annotated[bool, typer.Option(help="Show, but do not change the store.")] = False,
    insecure: Annotated[bool, typer.Option(help="Listen beyond this machine without a password.")] = False,
) -> None:
    """Open the web demo: click a region, name it, and every picture knows it."""
    from knnclip.errors import KnnclipError

    try:
        user = _checked(host, auth, insecure)
        _check_address(host, port)
        parts: Parts = {
            "masks": masks,
            "encoder": encoder,
            "classifier": classifier,
            "weights": weights,
            "min_area": min_area,
            "max_masks": max_masks,
            "device": device,
        }
        _serve(preset, parts, store, host, port, user, tuple(data), tuple(allowed_host), private, read_only)
    except (KnnclipError, OSError) as error:  # a folder that may not be entered, a path that no system takes
        typer.echo(f"error: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(2) from None


def _checked(host: str, auth: str | None, insecure: bool) -> tuple[str, str] | None:
    """The name and password to ask for; ``UsageError`` if strangers could come in without."""
    from demo.hosts import is_loopback
    from knnclip.errors import UsageError

    user = None
    if auth is not None:
        name, colon, password = auth.partition(":")
        if not (name and colon and password):
            raise UsageError("--auth takes USER:PASS, both not empty")
        user = (name, password)
    if user is None and not insecure and not is_loopback(host):
        raise UsageError(
            f"--host {host} can be reached from other machines: give --auth USER:PASS, "
            "or --insecure if everybody may teach and forget"
        )
    return user


def _check_address(host: str, port: int) -> None:
    """``UsageError`` if nothing can listen there, before anything is made: Gradio finds out last."""
    from knnclip.errors import UsageError

    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot listen on {host} port {port} ({reason}); give another --port or --host") from None


def _serve(
    preset: str | None,
    parts: Parts,
    store: Path | None,
    host: str,
    port: int,
    user: tuple[str, str] | None,
    data: tuple[Path, ...],
    allowed: tuple[str, ...],
    private: bool,
    read_only: bool,
) -> None:
    from demo.scratch import process_folder

    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    with process_folder() as scratch:
        # Gradio takes its folder from the environment when it is imported, by these modules.
        from demo.hosts import Hosts
        from demo.page import build, launch_settings
        from demo.sample import make_sample
        from demo.session import Options
        from demo.sessions import Sessions

        examples: tuple[Path, ...] = ()
        if store is None:
            typer.echo(f"sample store in {SAMPLE}; its first making takes a minute or two")
            sample = make_sample(SAMPLE, preset, parts)
            store, examples, data = sample.store, sample.examples, (*data, SAMPLE / "data")
        sessions = Sessions(Options(store, preset, parts, private, read_only, examples, data), scratch)
        try:
            if not examples:  # what the sample takes was told when it was made
                tell_time(sessions.shared.preset, parts.get("device", "auto"))
            read_names(sessions.shared)  # now and with a bar, rather than at somebody's first picture
            page = build(sessions)
            page.queue(default_concurrency_limit=LISTENERS_AT_ONCE, max_size=MAX_WAITING)
            _, url, _ = page.launch(
                server_name=host, server_port=port, auth=user, **launch_settings(sessions, Hosts.serving(host, allowed))
            )
            typer.echo(f"knnclip is at {url} (stop it with Ctrl-C)")
            _wait_for_the_end()
            sessions.stop_work()  # whose requests the page would wait for
            page.close(verbose=False)
        finally:
            sessions.close()


def _wait_for_the_end() -> None:
    """Returns when somebody asks the process to end."""
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        typer.echo("closing")


if __name__ == "__main__":
    typer.run(main)
