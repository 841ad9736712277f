"""``knnclip presets``: what can be had by name."""

from __future__ import annotations

import typer

app = typer.Typer(invoke_without_command=True, help="List presets and parts, or fetch the weights of a preset.")


@app.callback()
def presets(context: typer.Context) -> None:
    """List the presets: what they are made of, and which of their weights are on this disk."""
    if context.invoked_subcommand is not None:
        return
    from knnclip.catalogue import needed_weights
    from knnclip.presets import DEFAULT_PRESET, PRESETS

    for preset in PRESETS.values():
        typer.echo(f"{preset.name} (default)" if preset.name == DEFAULT_PRESET else preset.name)
        typer.echo(f"    {preset.description}")
        typer.echo(f"    masks       {preset.masks}, {preset.promptable}")
        typer.echo(f"    encoder     {preset.encoder}")
        typer.echo(f"    classifier  {preset.classifier or 'none'}")
        for need in needed_weights(preset):
            size = f", {need.size_mb:.0f} MB" if need.size_mb is not None else ""
            typer.echo(f"    weights     {need.name}: {'on this disk' if need.on_disk else f'not on this disk{size}'}")


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
def fetch(name: str) -> None:
    """Download the weights that a preset needs, unless they are here."""
    from knnclip.catalogue import make_parts
    from knnclip.presets import preset_by_name

    made = make_parts(preset_by_name(name), "cpu")
    typer.echo(f"preset {name} is ready: {made.encoder.fingerprint}")
