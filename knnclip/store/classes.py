"""The vocabulary in the database: classes are found, made, renamed and merged inside a caller's transaction.

Every name of a class stays its own: renaming and merging keep the old names as synonyms, so that instances which come
later under an old name go where the earlier ones went. A name that is given to a class on purpose is taken from the
synonyms of the others.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence

from knnclip.errors import UsageError
from knnclip.store.records import KeptClass
from knnclip.vocabulary import ClassInfo, Color, Vocabulary, check_name, default_color


def load_vocabulary(connection: sqlite3.Connection) -> Vocabulary:
    """All classes of the store."""
    rows = connection.execute("SELECT class_id, name, is_thing, color, synonyms FROM classes").fetchall()
    return Vocabulary.of(
        ClassInfo(
            class_id=class_id,
            name=name,
            is_thing=bool(is_thing),
            color=default_color(name) if color is None else _unpacked(color),
            synonyms=tuple(json.loads(synonyms)),
        )
        for class_id, name, is_thing, color, synonyms in rows
    )


def add_class(
    connection: sqlite3.Connection, name: str, *, is_thing: bool, synonyms: Sequence[str], color: Color | None
) -> int:
    """Makes a class that stays when it has no instance, and returns its id; ``UsageError`` if a name is taken."""
    vocabulary = load_vocabulary(connection)
    for given in (name, *synonyms):
        check_name(given)
        owner = vocabulary.find(given)
        if owner is not None and (owner.name == given or given != name):
            raise UsageError(f"class name {given!r} is already in use by class {owner.name!r}; choose another")
    if color is not None and not (len(color) == 3 and all(0 <= channel <= 255 for channel in color)):
        raise UsageError(f"the color of class {name!r} is three numbers in 0..255, found {color}")
    _take_synonym(connection, vocabulary, name)
    others = tuple(dict.fromkeys(synonym for synonym in synonyms if synonym != name))
    return _insert(connection, name, is_thing=is_thing, synonyms=others, color=color, declared=True)


def resolve_or_make(connection: sqlite3.Connection, vocabulary: Vocabulary, names: Iterable[str]) -> dict[str, int]:
    """The class id of each name or synonym; a class is made for what is new, to leave with its last instance."""
    ids: dict[str, int] = {}
    for name in names:
        if name not in ids:
            known = vocabulary.find(name)
            ids[name] = _insert(connection, name) if known is None else known.class_id
    return ids


def drop_unused(connection: sqlite3.Connection, class_ids: Iterable[int]) -> None:
    """Takes back those classes that were made for instances and have none: their content was there already."""
    connection.executemany(
        "DELETE FROM classes WHERE class_id = ? AND NOT declared "
        "AND NOT EXISTS (SELECT 1 FROM instances WHERE instances.class_id = classes.class_id)",
        [(class_id,) for class_id in class_ids],
    )


def as_kept(connection: sqlite3.Connection) -> list[KeptClass]:
    """All classes, each with its own colour and whether it stays without instances: what ``adopt`` takes."""
    kept = connection.execute("SELECT class_id, color IS NOT NULL, declared FROM classes")
    marks = {class_id: (bool(colored), bool(declared)) for class_id, colored, declared in kept}
    return [
        (info, info.color if marks[info.class_id][0] else None, marks[info.class_id][1])
        for info in load_vocabulary(connection)
    ]


def adopt(connection: sqlite3.Connection, foreign: Iterable[KeptClass]) -> dict[int, int]:
    """Finds or makes the classes of another store (with own colour and ``declared``): foreign class id -> class id."""
    ids: dict[int, int] = {}
    for info, color, declared in foreign:
        vocabulary = load_vocabulary(connection)
        known = vocabulary.find(info.name)
        if known is None:
            free = [synonym for synonym in info.synonyms if vocabulary.find(synonym) is None]
            ids[info.class_id] = _insert(
                connection, info.name, is_thing=info.is_thing, synonyms=free, color=color, declared=declared
            )
        else:
            ids[info.class_id] = known.class_id
    return ids


def rename(connection: sqlite3.Connection, old: str, new: str) -> None:
    """Gives a class another name; ``UsageError`` if there is no such class or the new name is another class's."""
    vocabulary = load_vocabulary(connection)
    info = vocabulary.by_name(old)
    check_name(new)
    owner = vocabulary.find(new)
    if owner is not None and owner.name == new and owner.class_id != info.class_id:
        raise UsageError(f"class {new!r} exists already; use merge to make {info.name!r} part of it")
    _take_synonym(connection, vocabulary, new)
    synonyms = [synonym for synonym in (*info.synonyms, info.name) if synonym != new]
    connection.execute(
        "UPDATE classes SET name = ?, synonyms = ? WHERE class_id = ?", (new, _packed_names(synonyms), info.class_id)
    )


def merge(connection: sqlite3.Connection, names: Sequence[str], into: str, generation: int) -> int:
    """Makes classes part of another and returns how many instances moved; ``UsageError`` if one does not exist."""
    vocabulary = load_vocabulary(connection)
    target = vocabulary.by_name(into)
    parts = {info.class_id: info for info in map(vocabulary.by_name, names)}
    if not parts or target.class_id in parts:
        raise UsageError(f"merge needs at least one class besides {target.name!r}, found {list(names)}")
    synonyms = list(target.synonyms)
    moved = 0
    for info in parts.values():
        moved += connection.execute(
            "UPDATE instances SET class_id = ? WHERE class_id = ?", (target.class_id, info.class_id)
        ).rowcount
        connection.execute(
            "UPDATE classes SET declared = max(declared, (SELECT declared FROM classes WHERE class_id = ?)) "
            "WHERE class_id = ?",
            (info.class_id, target.class_id),
        )
        connection.execute("DELETE FROM classes WHERE class_id = ?", (info.class_id,))
        connection.execute("INSERT INTO merged VALUES (?, ?, ?)", (info.class_id, target.class_id, generation))
        synonyms += [info.name, *info.synonyms]
    connection.execute("UPDATE classes SET synonyms = ? WHERE class_id = ?", (_packed_names(synonyms), target.class_id))
    return moved


def _insert(
    connection: sqlite3.Connection,
    name: str,
    *,
    is_thing: bool = True,
    synonyms: Sequence[str] = (),
    color: Color | None = None,
    declared: bool = False,
) -> int:
    cursor = connection.execute(
        "INSERT INTO classes (name, is_thing, color, synonyms, declared) VALUES (?, ?, ?, ?, ?)",
        (name, is_thing, None if color is None else _packed(color), _packed_names(synonyms), declared),
    )
    return int(cursor.lastrowid or 0)


def _take_synonym(connection: sqlite3.Connection, vocabulary: Vocabulary, name: str) -> None:
    owner = vocabulary.find(name)
    if owner is not None and name in owner.synonyms:
        rest = [synonym for synonym in owner.synonyms if synonym != name]
        connection.execute("UPDATE classes SET synonyms = ? WHERE class_id = ?", (_packed_names(rest), owner.class_id))


def _packed_names(names: Iterable[str]) -> str:
    return json.dumps(list(dict.fromkeys(names)), ensure_ascii=False)


def _packed(color: Color) -> int:
    red, green, blue = color
    return red << 16 | green << 8 | blue


def _unpacked(color: int) -> Color:
    return color >> 16, color >> 8 & 255, color & 255
