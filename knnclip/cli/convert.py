"""``knnclip convert``: checkpoints into the safetensors format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Write a checkpoint as safetensors, after it was seen to fit its network.", no_args_is_help=True)


@app.callback()
def convert() -> None:
    """Write a checkpoint as safetensors, after it was seen to fit its network."""


@app.command()
def fcclip(
    checkpoint: Annotated[Path, typer.Argument(help="A published checkpoint of FC-CLIP (.pth).", show_default=False)],
    out: Annotated[Path, typer.Argument(help="The file to write (.safetensors).", show_default=False)],
    clip: Annotated[str, typer.Option(help="open_clip's model, where the shapes do not tell it.")] = "",
) -> None:
    """A published checkpoint of FC-CLIP, without what only training uses."""
    from knnclip.networks.fcclip.checkpoint import convert as run

    typer.echo(f"wrote {run(checkpoint, out, clip)} tensors to {out}")
