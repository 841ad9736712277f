"""``knnclip presets``: what can be had by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from knnclip.cli.common import Bar

if TYPE_CHECKING:
    from knnclip.parts.weights import Need

EXIT_INCOMPLETE = 2
"""Of a fetch that leaves something to be got by hand: whoever waits for the preset has to do something."""

app = typer.Typer(invoke_without_command=True, help="List presets and parts, or fetch the weights of a preset.")


@app.callback()
def presets(context: typer.Context) -> None:
    """List the presets: what they are made of, what they take, and which of their weights are on this disk.

    Seconds are of one picture of 640 x 480.
    """
    if context.invoked_subcommand is not None:
        return
    from knnclip.catalogue import needed_weights
    from knnclip.presets import DEFAULT_PRESET, PRESETS, gpu_time

    for preset in PRESETS.values():
        typer.echo(f"{preset.name} (default)" if preset.name == DEFAULT_PRESET else preset.name)
        typer.echo(f"    {preset.description}")
        typer.echo(f"    masks       {', '.join(dict.fromkeys((str(preset.masks), str(preset.promptable))))}")
        typer.echo(f"    encoder     {preset.encoder}")
        typer.echo(f"    classifier  {preset.classifier or 'none'}")
        for need in needed_weights(preset):
            typer.echo(f"    weights     {need.name}: {_place(need)}")
        cost = preset.cost
        typer.echo(f"    licences    {cost.licences}")
        typer.echo(f"    memory      {cost.memory_mb} MB")
        typer.echo(f"    a picture   {cost.cpu_s:g} s on two cores; on a GPU: {gpu_time(cost)}")


@app.command()
def parts() -> None:
    """List the parts: how each is written, what it plays, what it can be told, under which licence it is.

    A part is NAME:MODEL,OPTION=VALUE,... with + between the items of a list; an encoder may be several with & between
    them. A value with , & or + of its own goes in double quotes, a double quote inside them is written twice:
    --encoder 'timm:MODEL,weights="/data/R & D/a,b.pt"'.
    """
    from knnclip.catalogue import CARDS
    from knnclip.parts.card import ROLES

    for card in CARDS:
        typer.echo(card.form)
        typer.echo(f"    {card.summary}")
        typer.echo(f"    plays       {', '.join(ROLES[role] for role in card.roles)}")
        typer.echo(f"    licence     {card.licence}")
        for option in card.options:
            typer.echo(f"    {option.name + '=':<15} {option.help}")


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="The preset.", show_default=False)],
    file: Annotated[
        Path | None, typer.Option(help="A file of the preset that was downloaded by hand: checked, and kept.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="Folder where --file is kept, in place of knnclip's cache.", show_default=False)
    ] = None,
) -> None:
    """Download the weights that a preset needs, unless they are here, and tell what has to be got by hand.

    A file that was got by hand is handed over with --file; it is then found from every folder, and `--preset NAME`
    needs nothing else. It is copied, unless it lies in the folder --to already.
    """
    from knnclip.errors import UsageError
    from knnclip.fetching import by_hand, keep, where_to_get
    from knnclip.fetching import fetch as fetch_all
    from knnclip.presets import preset_by_name

    preset = preset_by_name(name)
    if to is not None and file is None:
        raise UsageError("--to says where --file is kept; give both")
    if file is not None:
        with Bar("checksum", "chunks") as bar:
            kept = keep(preset, file, to, bar)
        told = "has the known checksum" if kept.as_published else "has another checksum than is known"
        typer.echo(f"{file.name} holds the network that it should and {told}; it is kept as {kept.path}")
    missing = by_hand(preset)
    for need in missing:
        if need.command:
            typer.echo(f"{need.name}{_size(need)}, comes with pip; run: {need.command}")
            continue
        about = where_to_get(need.published) if need.published else need.name
        typer.echo(f"to be got by hand: {about}\n    then: knnclip presets fetch {name} --file PATH")
    fetch_all(preset, lambda need: typer.echo(f"fetching {need.name}{_size(need)}"))
    if missing:
        raise typer.Exit(EXIT_INCOMPLETE)
    typer.echo(f"preset {name} is ready; `knnclip doctor {name}` compares its parts with the libraries they come from")


def _size(need: Need) -> str:
    return f", {need.size_mb:.0f} MB" if need.size_mb is not None else ""


def _place(need: Need) -> str:
    if need.on_disk:
        return "on this disk"
    if need.command:
        return f"not on this disk{_size(need)}; run: {need.command}"
    if need.by_hand:
        return f"not on this disk, to be got by hand: {need.published.page if need.published else 'a file of yours'}"
    return f"not on this disk{_size(need)}"
