"""The acts on the classes of a store, and what is told of them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from demo import pictures
from demo.acts import act
from demo.evidence import crops, file_name
from demo.session import Session
from demo.trial import try_to_read
from demo.uploads import errors_naming
from knnclip.errors import UsageError
from knnclip.output.colors import with_distinct_colors
from knnclip.store import Store
from knnclip.vocabulary import ClassInfo

BY_NAME, MOST, FEWEST, NEWEST = "name", "most instances", "fewest instances", "newest"
ORDERS = (BY_NAME, MOST, FEWEST, NEWEST)

THING, STUFF = "thing", "stuff"
KINDS = (THING, STUFF)

INSTANCES_SHOWN = 24
"""Instances of a page: three lines of eight, which fit on a screen."""

SWATCH_PX = 96
"""Side of the square that stands for a class or an instance without a picture, in the size of a crop."""

BLANK_COLOR = (128, 128, 128)


class ClassCount(NamedTuple):
    """What a store holds of one class."""

    instances: int
    images: int  # distinct ones with at least one of these


def counts(store: Store) -> Mapping[int, ClassCount]:
    """For each class id how much the store holds of it; nothing of a class that it has not, or not any more."""
    with store.view() as view:
        columns = (view.vocabulary.class_ids, view.census.instances, view.census.images)
    found = {
        class_id: ClassCount(instances, images)
        for class_id, instances, images in zip(*(column.tolist() for column in columns), strict=True)
    }
    return defaultdict(lambda: ClassCount(0, 0), found)


@act(writes=True)
def rename(session: Session, old: str, new: str) -> None:
    """Gives a class another name; its old one stays a synonym. ``UsageError`` if there is a class of that name."""
    session.segmenter.store.rename(old, new)


@act(writes=True)
def set_look(session: Session, name: str, kind: str, color: str) -> None:
    """Makes a class a ``thing`` or ``stuff``, drawn in a colour, ``#rrggbb``; ``UsageError`` if they are not these."""
    found = re.fullmatch(r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})", color)
    if found is None or kind not in KINDS:
        raise UsageError(f"a class is {' or '.join(KINDS)} in a colour #rrggbb, found {kind!r} in {color!r}")
    red, green, blue = (int(channel, 16) for channel in found.groups())
    session.segmenter.store.set_look(name, is_thing=kind == THING, color=(red, green, blue))


def shown_color(session: Session, info: ClassInfo) -> str:
    """The colour that a class is drawn in, ``#rrggbb``."""
    shown = with_distinct_colors(session.segmenter.store.vocabulary()).by_id(info.class_id)
    return "#" + bytes(shown.color).hex()


@act(writes=True)
def merge(session: Session, name: str, into: str) -> int:
    """Makes a class part of another and returns how many instances moved."""
    return session.segmenter.store.merge([name], into)


@act(writes=True)
def forget(session: Session, name: str, reason: str) -> int:
    """Removes a class for good and returns how many instances that were; ``reason`` goes into the store's log."""
    return session.segmenter.store.forget(class_name=name, reason=reason)


@act(writes=True)
def import_store(session: Session, file: Path, name: str) -> int:
    """Adds the instances of an exported store and returns how many were new; ``name`` is the client's for the file."""
    with errors_naming(file, name):
        try_to_read("store", file, session.ended.is_set)
        return Store.import_file(session.segmenter.store.path, file, name)


@act()
def export_store(session: Session) -> Path:
    """The store as one new file, which the session may download."""
    store = session.segmenter.store
    folder = session.downloads / f"generation-{store.generation}"
    file = folder / f"{store.path.name}.knnclip"
    if not file.exists():
        folder.mkdir(exist_ok=True)
        store.export(file)
    return file


def chosen_class(session: Session) -> ClassInfo:
    """The class that is shown whole; ``UsageError`` if there is none, or if it is gone."""
    if session.vocabulary.chosen is None:
        raise UsageError("no class is chosen; choose one first")
    return session.segmenter.store.vocabulary().by_name(session.vocabulary.chosen)


def listed(session: Session, name_filter: str, order: str) -> list[ClassInfo]:
    """The classes whose name or a synonym contains ``name_filter``, in any case, in one of ``ORDERS``."""
    store = session.segmenter.store
    held = counts(store)
    found = [
        info
        for info in store.vocabulary()
        if any(name_filter.casefold() in name.casefold() for name in (info.name, *info.synonyms))
    ]
    keys: dict[str, Callable[[ClassInfo], tuple[int, str]]] = {
        BY_NAME: lambda info: (0, info.name.casefold()),
        MOST: lambda info: (-held[info.class_id].instances, ""),
        FEWEST: lambda info: (held[info.class_id].instances, ""),
        NEWEST: lambda info: (-info.class_id, ""),
    }
    return sorted(found, key=keys[order])


def class_title(session: Session, info: ClassInfo) -> str:
    """A class in a line."""
    held = counts(session.segmenter.store)[info.class_id]
    first = session.vocabulary.page * INSTANCES_SHOWN
    kind = "thing" if info.is_thing else "stuff"
    also = f"; also called {', '.join(info.synonyms)}" if info.synonyms else ""
    last = min(held.instances, first + INSTANCES_SHOWN)
    shown = f"; {first + 1:,} to {last:,} are shown" if held.instances > INSTANCES_SHOWN else ""
    return f"{info.name}: {kind}, {held.instances:,} instances of {held.images:,} images{also}{shown}"


def class_pictures(session: Session, classes: list[ClassInfo]) -> list[tuple[str, str]]:
    """A picture file of each class, of its own colour where no instance has one, and its name and count."""
    store = session.segmenter.store
    colors = {info.class_id: info.color for info in with_distinct_colors(store.vocabulary())}
    held, examples = counts(store), store.examples()
    evidence = store.evidence([examples[info.class_id] for info in classes if info.class_id in examples])
    by_instance = crops(store, evidence.values())
    shown = []
    for info in classes:
        crop = by_instance.get(examples.get(info.class_id, 0))
        picture = swatch(colors.get(info.class_id, info.color)) if crop is None else pictures.photograph(crop)
        shown.append((picture, f"{info.name} · {held[info.class_id].instances:,}"))
    return shown


def instance_pictures(session: Session, name: str) -> list[tuple[str, str]]:
    """One page of a class's instances as picture files, each with the image and the source that it is from."""
    store, first = session.segmenter.store, session.vocabulary.page * INSTANCES_SHOWN
    page = islice(store.instances(name), first, first + INSTANCES_SHOWN)
    evidence = store.evidence([item.instance_id for item in page])
    found = crops(store, evidence.values())
    return [
        (
            pictures.photograph(found[item.instance_id]) if item.instance_id in found else swatch(BLANK_COLOR),
            f"{file_name(item.image_ref)} · source {item.source_id}",
        )
        for item in evidence.values()
    ]


def swatch(color: tuple[int, int, int]) -> str:
    """The picture file of one colour."""
    return pictures.drawing(np.full((SWATCH_PX, SWATCH_PX, 3), color, dtype=np.uint8))
