"""How long work tells how far it is, whoever listens: a bar in a terminal, a page, nobody."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Is told how far a piece of work has come, item by item. Its maker knows what the items are: images, steps."""

    def start(self, total: int, done: int = 0) -> None:
        """Before the first item: how many there are, and how many of these an earlier run has finished."""

    def advance(self) -> None:
        """After each item."""


class Silent:
    """Nobody listens."""

    def start(self, total: int, done: int = 0) -> None:
        """Tells nobody."""

    def advance(self) -> None:
        """Tells nobody."""


SILENT: Progress = Silent()
