"""Somebody who listens to how far long work is."""

from collections.abc import Callable


class Listener:
    """Remembers what it was told, and does something of its own after each item."""

    def __init__(self, act: Callable[[], object] = lambda: None) -> None:
        self.act, self.started, self.items = act, None, 0

    def start(self, total, done=0):
        self.started = (total, done)

    def advance(self):
        self.items += 1
        self.act()
