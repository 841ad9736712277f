"""Undo and redo of what one person did to a store, and to what lies beside it: of these they are told how.

The store itself has no undo, since forgetting is for good.

What an act took out is kept in memory until it is put back, another act takes its place, or the history is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from knnclip.analysis import Analysis
from knnclip.errors import UsageError
from knnclip.segmenter import Segmenter
from knnclip.store import NOTHING, Exchange, Store, Withdrawn
from knnclip.structures import Bool, Box, Mask


@dataclass(frozen=True)
class _Exchanged:
    """Instances that were put into the store, and those that were taken out; undone, the two have changed places."""

    put: tuple[int, ...]  # ids
    taken: Withdrawn


@dataclass(frozen=True)
class _Elsewhere:
    """What was done beside the store; undone, the two have changed places."""

    take_back: Callable[[], object]
    do_again: Callable[[], object]


@dataclass(frozen=True)
class _Act:
    description: str
    parts: tuple[_Exchanged | _Elsewhere, ...]  # in the order in which they were done


class History:
    """The acts of one person, newest last. Not for several threads at once."""

    def __init__(self, store: Store) -> None:
        """An empty history of what will be done to ``store``."""
        self._store = store
        self._done: list[_Act] = []
        self._undone: list[_Act] = []
        self._now: dict[int, int] = {}  # instances that come back get new ids; acts know them by their first ones

    @property
    def next_undo(self) -> str | None:
        """What ``undo`` would take back."""
        return self._done[-1].description if self._done else None

    @property
    def next_redo(self) -> str | None:
        """What ``redo`` would do again."""
        return self._undone[-1].description if self._undone else None

    def teach(self, segmenter: Segmenter, analysis: Analysis, mask: Mask | Bool | Box, class_name: str) -> int:
        """``Segmenter.teach`` that can be undone, with what gave way to it; returns the source id."""
        source, exchange = segmenter.teach_undoably(analysis, mask, class_name)
        self._did(f"teach {class_name}", exchange)
        return source

    def withdraw(self, instance_id: int) -> str:
        """Takes out what is wrong about a stored instance, and returns what that was.

        That is the whole teaching that it came with; of what was ingested or imported it is the instance alone.
        ``StoreError`` if the store does not have it.
        """
        stored = self._store.instance(instance_id)
        if self._store.source(stored.source_id).kind == "teach":
            return self.withdraw_teaching(stored.source_id)
        return self._withdraw(f"remove an instance of {stored.class_name}", [instance_id])

    def withdraw_teaching(self, source_id: int) -> str:
        """Takes out all that one teaching stored and returns what that was; ``StoreError`` if no source has this id."""
        self._store.source(source_id)
        held = self._store.labelled(source_id=source_id)
        names = sorted({instance.class_name for instance in held.values()})
        return self._withdraw(f"take back {', '.join(names)}", held)

    def did(self, description: str, take_back: Callable[[], object], do_again: Callable[[], object]) -> None:
        """Remembers an act that was done elsewhere, and how it is taken back and done again."""
        self._remember(description, _Elsewhere(take_back, do_again))

    def did_as_well(self, take_back: Callable[[], object], do_again: Callable[[], object]) -> None:
        """The same of what belongs to the newest act: the two are taken back as one."""
        newest = self._done.pop()
        self._done.append(replace(newest, parts=(*newest.parts, _Elsewhere(take_back, do_again))))

    def undo(self) -> str:
        """Takes back the newest act and returns what it was; ``UsageError`` if there is none."""
        if not self._done:
            raise UsageError("nothing to undo: this session has taught or removed nothing")
        self._undone.append(self._turned(self._done[-1], "undone"))
        return self._done.pop().description

    def redo(self) -> str:
        """Does the act undone last again and returns what it was; ``UsageError`` if there is none."""
        if not self._undone:
            raise UsageError("nothing to redo: nothing was undone since the last act")
        self._done.append(self._turned(self._undone[-1], "done again"))
        return self._undone.pop().description

    def _withdraw(self, description: str, instance_ids: Iterable[int]) -> str:
        self._did(description, self._store.exchange(list(instance_ids), NOTHING, "marked as wrong"))
        return description

    def _did(self, description: str, exchange: Exchange) -> None:
        self._remember(description, _Exchanged(tuple(exchange.put.values()), exchange.taken))

    def _remember(self, description: str, part: _Exchanged | _Elsewhere) -> None:
        self._done.append(_Act(description, (part,)))
        self._undone.clear()

    def _turned(self, act: _Act, reason: str) -> _Act:
        """The opposite of an act, done: the last part first."""
        return _Act(act.description, tuple(self._opposite(part, reason) for part in reversed(act.parts)))

    def _opposite(self, part: _Exchanged | _Elsewhere, reason: str) -> _Exchanged | _Elsewhere:
        """What others have forgotten since is neither taken nor brought back."""
        if isinstance(part, _Elsewhere):
            part.take_back()
            return _Elsewhere(part.do_again, part.take_back)
        exchange = self._store.exchange(self._latest(part.put), part.taken, reason)
        self._now.update(exchange.put)
        return _Exchanged(tuple(exchange.put.values()), exchange.taken)

    def _latest(self, ids: Sequence[int]) -> list[int]:
        latest = []
        for instance_id in ids:
            while instance_id in self._now:
                instance_id = self._now[instance_id]
            latest.append(instance_id)
        return latest
