"""``knnclip tune``: the settings that a store answers best by, found out of its own instances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from knnclip.cli.common import Bar, StoreArgument

if TYPE_CHECKING:
    from knnclip.store.tunings import Tuning


def tune(
    store: StoreArgument,
    aim: Annotated[
        str,
        typer.Option(help="What for: classes (mean IoU over the classes), pixels or masks (the share that is right)."),
    ] = "classes",
    untuned: Annotated[
        bool, typer.Option("--untuned", help="Go back to the preset's own settings, and let them be.")
    ] = False,
) -> None:
    """Let a store choose its settings: its own instances are asked for, with parts of its images left out."""
    from knnclip.decision.tuning import aim_by_name
    from knnclip.store import Store
    from knnclip.tuning import tune_store

    with Store.open(store) as opened:
        if untuned:
            opened.tunings.drop()
            typer.echo(f"store {store} answers by the settings of its preset; `knnclip tune {store}` tunes it again")
            return
        with Bar("tune", "steps") as bar:
            found = tune_store(opened, aim_by_name(aim), bar)
    typer.echo(told(found))


def told(tuning: Tuning) -> str:
    """What was found, on one line."""
    values = ", ".join(f"{name} {value:g}" for name, value in tuning.values.items())
    return (
        f"tuned for {tuning.aim} by {tuning.instances:,} instances of generation {tuning.generation}: {values}; "
        f"{tuning.gain:+.1f} points (standard error {tuning.error:.1f}) on instances that were left out"
    )
