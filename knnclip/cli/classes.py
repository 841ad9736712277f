"""``knnclip classes``: the vocabulary of a store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from knnclip.cli.common import StoreArgument, printable, repeatable

if TYPE_CHECKING:
    from knnclip.store import Store


class _ListByDefault(TyperGroup):
    """``knnclip classes STORE`` is short for ``knnclip classes list STORE``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - a type that typer does not export
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["list", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_ListByDefault, no_args_is_help=True, help="List, add, rename, merge and forget classes.")

ClassName = Annotated[str, typer.Argument(help="Name of a class.", show_default=False)]


@app.command("list")
def list_classes(store: StoreArgument) -> None:
    """The classes with their instances and images (the default: `knnclip classes STORE`)."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from knnclip.store import Store

    with Store.open(store, read_only=True) as opened, opened.view() as view:
        vocabulary, census = view.vocabulary, view.census
    table = Table("id", "class", "kind", "instances", "images")
    for info, instances, images in zip(vocabulary, census.instances, census.images, strict=True):
        name = Text(printable(info.name)) + Text(
            "".join(f" = {printable(synonym)}" for synonym in info.synonyms), style="dim"
        )
        table.add_row(str(info.class_id), name, "thing" if info.is_thing else "stuff", f"{instances:,}", f"{images:,}")
    Console().print(table)


@app.command()
def add(
    store: StoreArgument,
    name: ClassName,
    *,
    stuff: Annotated[bool, typer.Option("--stuff", help="An amorphous region rather than countable objects.")] = False,
    synonym: Annotated[list[str], repeatable("Another name; may be repeated.")],
) -> None:
    """Add a class without instances."""
    from knnclip.store import Store

    with Store.open(store) as opened:
        info = opened.add_class(name, is_thing=not stuff, synonyms=tuple(synonym))
    typer.echo(f"added class {info.class_id}: {printable(info.name)}")


@app.command()
def rename(store: StoreArgument, old: ClassName, new: ClassName) -> None:
    """Give a class another name."""
    from knnclip.store import Store

    with Store.open(store) as opened:
        opened.rename(old, new)
    typer.echo(f"renamed {printable(old)} to {printable(new)}")


@app.command()
def merge(
    store: StoreArgument,
    names: Annotated[list[str], typer.Argument(help="Classes that become part of another.", show_default=False)],
    into: Annotated[str, typer.Option("--into", help="The class that they become part of.", show_default=False)],
) -> None:
    """Make several classes one."""
    from knnclip.store import Store

    with Store.open(store) as opened:
        moved = opened.merge(names, into)
    typer.echo(f"merged {printable(', '.join(names))} into {printable(into)}: {moved:,} instances moved")


@app.command()
def forget(
    store: StoreArgument,
    name: Annotated[str | None, typer.Argument(help="The class to forget.", show_default=False)] = None,
    *,
    source: Annotated[int | None, typer.Option(help="Forget one act of adding; `store info` lists them.")] = None,
    instance: Annotated[list[int], repeatable("Forget one instance by its id; may be repeated.")],
    reason: Annotated[str, typer.Option(help="Kept in the store's event log.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask no question.")] = False,
) -> None:
    """Forget a class, a source or single instances, after a question. It cannot be undone."""
    from knnclip.store import Store

    with Store.open(store) as opened:
        if not yes:
            what = _counted(opened, name, source, instance)
            typer.confirm(printable(f"forget {what} for good?"), abort=True, err=True)
        count = opened.forget(class_name=name, source_id=source, instance_ids=instance or None, reason=reason)
    typer.echo(f"forgot {count:,} instances")


def _counted(store: Store, name: str | None, source: int | None, instances: Sequence[int]) -> str:
    """What would be forgotten, with how much that is; an error of the store if it has it not."""
    if name is not None:
        info = store.vocabulary().by_name(name)
        with store.view() as view:
            counts = dict(zip(view.vocabulary.class_ids.tolist(), view.census.instances.tolist(), strict=True))
        return f"class {info.name} with {counts[info.class_id]:,} instances"
    if source is not None:
        added = store.source(source)
        return f"source {source} ({added.description}) with {added.instances:,} instances"
    return f"{len(instances):,} instances"
