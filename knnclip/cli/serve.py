"""``knnclip serve``: a store for other programs, over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from knnclip.cli.common import DeviceOption, StoreArgument, WeightsOption, read_names, repeatable, tell_time


def serve(
    store: StoreArgument,
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8000,
    token: Annotated[
        str | None, typer.Option(envvar="KNNCLIP_TOKEN", help="What every request must bring.", show_default=False)
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Answer, but do not change the store.")] = False,
    insecure: Annotated[bool, typer.Option("--insecure", help="Listen beyond this machine without a token.")] = False,
    allowed_host: Annotated[list[str], repeatable("Name by which the server is asked.", "--allowed-host")],
    rate: Annotated[float, typer.Option(min=0.1, help="Requests of one address a minute, at most.")] = 120.0,
    max_pixels: Annotated[int, typer.Option(min=1, help="Largest picture that is taken, in pixels.")] = 2**24,
    at_once: Annotated[int, typer.Option(min=1, max=64, help="Pictures under work at once.")] = 2,
    label_studio: Annotated[
        str | None, typer.Option(metavar="URL", help="Also be the ML back end of the Label Studio at this address.")
    ] = None,
    label_studio_key: Annotated[
        str | None,
        typer.Option(
            envvar="LABEL_STUDIO_API_KEY", help="Token of an account there, to read pictures.", show_default=False
        ),
    ] = None,
    images_from: Annotated[
        list[str], repeatable("Address that pictures of Label Studio's tasks may also be read from.", "--images-from")
    ],
    local_files: Annotated[
        Path | None, typer.Option(help="The folder that Label Studio serves as local files, as it is seen here.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Preset of a new store; an existing one knows its own.")] = None,
    weights: WeightsOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Answer other programs: segment, teach and forget as JSON over HTTP, described at /v1/docs."""
    from fastapi import APIRouter

    from knnclip.errors import UsageError
    from knnclip.segmenter import Segmenter
    from knnclip.service.app import build
    from knnclip.service.engine import Engine
    from knnclip.service.hosts import Hosts
    from knnclip.service.label_studio.images import TaskImages
    from knnclip.service.label_studio.routes import router
    from knnclip.service.limits import Limits
    from knnclip.service.listening import check_address, check_guarded
    from knnclip.service.server import serve as run

    if token == "":
        raise UsageError("the token is empty; give --token or KNNCLIP_TOKEN some random letters, or leave it out")
    check_guarded(host, token is not None or insecure, "--token")
    check_address(host, port)
    limits = Limits(picture_px=max_pixels, per_minute=rate, at_once=at_once)
    why = "this server shows its store and does not change it; start it without --read-only to teach it"
    images = None
    if label_studio is not None:
        images = TaskImages(
            label_studio, label_studio_key, others=images_from, folder=local_files, max_bytes=limits.picture_bytes
        )
    with Segmenter.open(store, preset, weights=weights, device=device, read_only=read_only) as segmenter:
        tell_time(segmenter.preset, device)
        read_names(segmenter)
        engine = Engine(segmenter, limits=limits, read_only=why if read_only else None)
        more: tuple[APIRouter, ...] = () if images is None else (router(engine, images),)
        app = build(engine, hosts=Hosts.serving(host, allowed_host), token=token, more_routes=more)
        try:
            run(app, host, port, lambda address: typer.echo(f"knnclip is at {address}/v1/docs (stop it with Ctrl-C)"))
        finally:
            engine.close()
