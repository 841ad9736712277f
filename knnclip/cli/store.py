"""``knnclip store``: look after a store as a whole."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from knnclip.cli.common import StoreArgument, printable
from knnclip.cli.tune import told

app = typer.Typer(no_args_is_help=True, help="Inspect, verify, compact, export and import a store.")


@app.command()
def info(store: StoreArgument) -> None:
    """What the store holds and where it came from."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from knnclip.store import Store

    with Store.open(store, read_only=True) as opened:
        facts, sources, leftovers = opened.info(), opened.sources(), opened.leftovers()
        tuning = opened.tunings.newest()
    console = Console()
    numbers = {
        "path": facts.path,
        "encoder": facts.fingerprint,
        "schema": facts.schema_version,
        "created": facts.created,
        "generation": facts.generation,
        "classes": facts.classes,
        "instances": facts.instances,
        "images": facts.images,
        "sources": facts.sources,
        "bytes": facts.size_bytes,
        **{f"setting {name}": value for name, value in _as_written(facts.settings).items() if name != "tuned"},
        "settings of its own": "none: those of the preset" if tuning is None else told(tuning),
    }
    for name, value in numbers.items():
        console.print(f"[bold]{escape(printable(name))}[/bold] {escape(printable(value))}")
    table = Table("source", "kind", "made", "what", "instances")
    for source in sources:
        table.add_row(
            str(source.source_id),
            source.kind,
            source.created,
            escape(printable(source.description)),
            f"{source.instances:,}",
        )
    console.print(table)
    for line in leftovers:
        console.print(f"[bold]left over[/bold] {escape(printable(line))}")


def _as_written(settings: Mapping[str, str]) -> dict[str, str]:
    """The settings of a store, its parts as a person writes them; those of a part that is not known here as kept."""
    from knnclip.catalogue import from_settings
    from knnclip.errors import KnnclipError

    try:
        preset = from_settings(settings.get)
    except KnnclipError:
        return dict(settings)
    parts = {name: str(getattr(preset, name)) for name in ("masks", "encoder", "classifier") if name in settings}
    return {**settings, **parts}


@app.command()
def verify(store: StoreArgument) -> None:
    """Check every row, and the index cache, against what was promised, and clear away what killed processes left."""
    from knnclip.errors import StoreError
    from knnclip.store import Store

    with Store.open(store, read_only=True) as opened:
        problems = opened.verify()
    if problems:
        raise StoreError(f"store {store} is not sound: {printable('; '.join(problems))}")
    with Store.open(store, read_only=not os.access(store, os.W_OK)) as opened:
        leftovers = opened.leftovers()
    typer.echo(f"store {store} is sound")
    for line in leftovers:
        typer.echo(f"left over: {printable(line)}")


@app.command()
def compact(store: StoreArgument) -> None:
    """Give unused space back to the disk and write the index cache anew."""
    from knnclip.store import Store

    with Store.open(store) as opened:
        opened.compact()
    typer.echo(f"store {store} is compact")


@app.command("export")
def export_store(
    store: StoreArgument, file: Annotated[Path, typer.Argument(help="File to make.", show_default=False)]
) -> None:
    """Write the whole store into one file."""
    from knnclip.store import Store

    with Store.open(store, read_only=True) as opened:
        opened.export(file)
    typer.echo(f"exported {store} to {file}")


@app.command("import")
def import_store(
    store: StoreArgument, file: Annotated[Path, typer.Argument(help="An exported store.", show_default=False)]
) -> None:
    """Add the instances of an exported store; a new store is made if there is none."""
    from knnclip.store import Store

    count = Store.import_file(store, file)
    typer.echo(f"imported {count:,} instances into {store}")
