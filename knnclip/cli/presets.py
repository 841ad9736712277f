"""``knnclip presets``: what can be had by name."""

from __future__ import annotations

import typer

app = typer.Typer(invoke_without_command=True, help="List the presets, or fetch the weights that one needs.")


@app.callback()
def presets(context: typer.Context) -> None:
    """List the presets: what they are made of, and which of their weights are on this disk."""
    if context.invoked_subcommand is not None:
        return
    from knnclip.needs import needed_weights
    from knnclip.presets import DEFAULT_PRESET, PRESETS

    for preset in PRESETS.values():
        typer.echo(f"{preset.name} (default)" if preset.name == DEFAULT_PRESET else preset.name)
        typer.echo(f"    {preset.description}")
        typer.echo(f"    masks       {preset.masks}, {preset.promptable}")
        typer.echo(f"    encoder     {preset.encoder}")
        typer.echo(f"    classifier  {preset.classifier or 'none'}")
        for need in needed_weights(preset):
            size = f", {need.size_mb:.0f} MB" if need.size_mb is not None else ""
            typer.echo(f"    weights     {need.name}: {'on this disk' if need.on_disk else f'to download{size}'}")


@app.command()
def fetch(name: str) -> None:
    """Download the weights that a preset needs, unless they are here."""
    from knnclip.catalogue import make_parts
    from knnclip.presets import preset_by_name

    parts = make_parts(preset_by_name(name), "cpu")
    typer.echo(f"preset {name} is ready: {parts.encoder.fingerprint}")
