"""Instances out of the database and others into it, inside a caller's transaction: one act, which can be taken back."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from knnclip.store import classes, forgetting, rows, sources
from knnclip.store.content import prepare
from knnclip.store.records import Withdrawn


def put_back(connection: sqlite3.Connection, withdrawn: Withdrawn, dim: int) -> dict[int, int]:
    """Stores what was taken out, with the classes and sources that it needs: the id that each had -> the one it has."""
    class_ids = classes.adopt(connection, withdrawn.classes)
    vocabulary = classes.load_vocabulary(connection)
    source_now = {info.source_id: sources.restore_source(connection, info) for info in withdrawn.sources}
    now: dict[int, int] = {}
    for first_source, source_id in source_now.items():
        olds = [old for old, source in withdrawn.source_of.items() if source == first_source]
        prepared = prepare([withdrawn.instances[old] for old in olds], dim)
        names = (row.instance.class_name for row in prepared)
        ids, _ = rows.insert_rows(
            connection, prepared, classes.resolve_or_make(connection, vocabulary, names), source_id
        )
        now.update(zip(olds, ids, strict=True))
    classes.drop_unused(connection, class_ids.values())
    return now


def take_out(connection: sqlite3.Connection, instance_ids: Sequence[int], generation: int) -> Withdrawn:
    """Removes those instances that are there still, and returns all that ``put_back`` needs.

    A teaching that is left without instances goes with them.
    """
    instances = rows.read_labelled(connection, None, instance_ids)
    source_of = rows.read_sources_of(connection, instances)
    names = {instance.class_name for instance in instances.values()}
    withdrawn = Withdrawn(
        instances,
        source_of,
        tuple(info for info in sources.read_sources(connection) if info.source_id in set(source_of.values())),
        tuple(kept for kept in classes.as_kept(connection) if kept[0].name in names),
    )
    forgetting.remove_rows(connection, list(instances), generation)
    for source_id in set(source_of.values()):
        sources.delete_empty_teaching(connection, source_id)
    return withdrawn
