"""Undo and redo of what one person did to a store; the store itself has no undo, since forgetting is for good.

An undone act is kept in memory until it is redone, another act takes its place, or the history is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from knnclip.analysis import Analysis
from knnclip.errors import UsageError
from knnclip.segmenter import Segmenter
from knnclip.store import Store
from knnclip.structures import Bool, Box, LabelledInstance, Mask


@dataclass
class _Act:
    """Instances that were added, a whole source, or removed, a few of a source's."""

    description: str
    adds: bool
    source_id: int
    instances: dict[int, LabelledInstance] = field(default_factory=dict)  # by id; kept while not in the store


class History:
    """The acts of one person, newest last. Not for several threads at once."""

    def __init__(self, store: Store) -> None:
        """An empty history of what will be done to ``store``."""
        self._store = store
        self._done: list[_Act] = []
        self._undone: list[_Act] = []
        # Instances and sources that come back get new ids; acts know them by their first ones.
        self._instance_now: dict[int, int] = {}
        self._source_now: dict[int, int] = {}

    @property
    def next_undo(self) -> str | None:
        """What ``undo`` would take back."""
        return self._done[-1].description if self._done else None

    @property
    def next_redo(self) -> str | None:
        """What ``redo`` would do again."""
        return self._undone[-1].description if self._undone else None

    def teach(self, segmenter: Segmenter, analysis: Analysis, mask: Mask | Bool | Box, class_name: str) -> int:
        """``Segmenter.teach`` that can be undone; returns the source id."""
        source = segmenter.teach(analysis, mask, class_name)
        self._did(_Act(f"teach {class_name}", adds=True, source_id=source))
        return source

    def remove(self, instance_id: int) -> None:
        """Forgets one instance, to be had back by ``undo``; ``StoreError`` if the store does not have it."""
        stored = self._store.instance(instance_id)
        instances = self._store.labelled(instance_ids=[instance_id])
        self._store.forget(instance_ids=[instance_id], reason="marked as wrong")
        what = f"remove an instance of {stored.class_name}"
        self._did(_Act(what, adds=False, source_id=stored.source_id, instances=instances))

    def undo(self) -> str:
        """Takes back the newest act and returns what it was; ``UsageError`` if there is none."""
        if not self._done:
            raise UsageError("nothing to undo: this session has taught or removed nothing")
        act = self._done[-1]
        if act.adds:
            self._take_out(act)
        else:
            self._put_back(act)
        self._undone.append(self._done.pop())
        return act.description

    def redo(self) -> str:
        """Does the act undone last again and returns what it was; ``UsageError`` if there is none."""
        if not self._undone:
            raise UsageError("nothing to redo: nothing was undone since the last act")
        act = self._undone[-1]
        if act.adds:
            self._put_back(act)
        else:
            self._take_out(act)
        self._done.append(self._undone.pop())
        return act.description

    def _did(self, act: _Act) -> None:
        self._done.append(act)
        self._undone.clear()

    def _put_back(self, act: _Act) -> None:
        if not act.instances:  # somebody else had forgotten them all by then
            return
        source = _latest(self._source_now, act.source_id)
        if all(info.source_id != source for info in self._store.sources()):
            self._source_now[source] = self._store.begin_source("teach", act.description)
            source = self._source_now[source]
        ids = self._store.add(list(act.instances.values()), source)
        self._instance_now.update(zip(act.instances, ids, strict=True))

    def _take_out(self, act: _Act) -> None:
        # Somebody else may have forgotten some of them, or the source, since: what is left is what is taken out.
        source = _latest(self._source_now, act.source_id)
        if not act.adds:
            act.instances = self._store.labelled(
                instance_ids=[_latest(self._instance_now, old) for old in act.instances]
            )
            self._store.forget(instance_ids=list(act.instances), reason="done again")
        else:
            act.instances = self._store.labelled(source_id=source)
            if act.instances:
                self._store.forget(source_id=source, reason="undone")


def _latest(now: dict[int, int], old: int) -> int:
    while old in now:
        old = now[old]
    return old
