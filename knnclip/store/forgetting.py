"""Taking instances out of the database for good, inside a caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from knnclip.errors import StoreError, UsageError
from knnclip.store.classes import load_vocabulary
from knnclip.store.events import log_event
from knnclip.store.sources import check_source, delete_source


def forget(
    connection: sqlite3.Connection,
    *,
    class_name: str | None,
    source_id: int | None,
    instance_ids: Sequence[int] | None,
    reason: str,
) -> int:
    """Removes the instances of exactly one selector, and what lives only through them; returns how many that were.

    A class or source that is named goes with its instances. So do images without any left, with their thumbnails, and
    classes that only came with instances. Raises ``UsageError`` for no or several selectors or an unknown class,
    ``StoreError`` for an unknown source or instance.
    """
    if sum(selector is not None for selector in (class_name, source_id, instance_ids)) != 1:
        raise UsageError("forget takes exactly one of: a class name, a source id, instance ids")
    if class_name is not None:
        info = load_vocabulary(connection).by_name(class_name)
        chosen = _chosen(connection, "SELECT instance_id FROM instances WHERE class_id = ?", info.class_id)
        count = _remove(connection, chosen, reason, class_name=info.name)
        connection.execute("DELETE FROM classes WHERE class_id = ?", (info.class_id,))
    elif source_id is not None:
        check_source(connection, source_id)
        chosen = _chosen(connection, "SELECT instance_id FROM instances WHERE source_id = ?", source_id)
        count = _remove(connection, chosen, reason, source_id=source_id)
        delete_source(connection, source_id)
    else:
        wanted = {int(value) for value in instance_ids or ()}
        chosen = _chosen(
            connection,
            "SELECT instance_id FROM instances WHERE instance_id IN (SELECT value FROM json_each(?))",
            json.dumps(sorted(wanted)),
        )
        missing = sorted(wanted.difference(chosen))
        if missing:
            raise StoreError(f"the store has no instance {missing[0]}; nothing was forgotten ({len(missing)} unknown)")
        count = _remove(connection, chosen, reason) if chosen else 0
    return count


def _chosen(connection: sqlite3.Connection, query: str, value: object) -> list[int]:
    return [instance_id for (instance_id,) in connection.execute(query, (value,))]


def _remove(connection: sqlite3.Connection, instance_ids: list[int], reason: str, **selector: object) -> int:
    remove_rows(
        connection,
        instance_ids,
        log_event(connection, "forget", **selector, instances=len(instance_ids), reason=reason),
    )
    return len(instance_ids)


def remove_rows(connection: sqlite3.Connection, instance_ids: list[int], generation: int) -> None:
    """Removes instances with the images and classes that live only through them, as part of a logged transaction."""
    ids = json.dumps(instance_ids)
    listed = "IN (SELECT value FROM json_each(?))"
    affected = connection.execute(
        f"SELECT json_group_array(DISTINCT image_id), json_group_array(DISTINCT class_id) FROM instances "
        f"WHERE instance_id {listed}",
        (ids,),
    )
    images, classes = affected.fetchone()
    connection.execute(f"INSERT INTO removed SELECT value, {generation} FROM json_each(?)", (ids,))
    connection.execute(f"DELETE FROM instances WHERE instance_id {listed}", (ids,))
    connection.execute(
        f"DELETE FROM images WHERE image_id {listed} "
        "AND NOT EXISTS (SELECT 1 FROM instances WHERE instances.image_id = images.image_id)",
        (images,),
    )
    connection.execute(
        f"DELETE FROM classes WHERE class_id {listed} AND NOT declared "
        "AND NOT EXISTS (SELECT 1 FROM instances WHERE instances.class_id = classes.class_id)",
        (classes,),
    )
