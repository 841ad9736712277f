"""Instances and their images on their way into the database and out of it, inside a caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from knnclip.errors import StoreError
from knnclip.store.content import Row
from knnclip.store.records import StoredInstance
from knnclip.structures import Evidence, ImageReference, LabelledInstance, Mask

NOT_COMPARED = 0.0
"""The similarity of evidence that was looked up by its id alone."""

_INSTANCES = """
    SELECT instance_id, class_id, classes.name, image_id, images.ref, width_px, height_px, x0, y0, x1, y1, rle,
           purity, origin, source_id
    FROM instances JOIN classes USING (class_id) JOIN images USING (image_id)
"""


def insert_rows(
    connection: sqlite3.Connection, rows: Sequence[Row], class_ids: dict[str, int], source_id: int
) -> tuple[list[int], int]:
    """Writes instances of one source, returns their ids and how many were new; one it has already keeps its id."""
    images: dict[str, int] = {}
    ids: list[int] = []
    new = 0
    for index, row in enumerate(rows):
        reference = row.instance.image
        if reference.ref not in images:
            images[reference.ref] = insert_image(connection, reference, where=f"new instance {index}")
        values = (
            source_id,
            class_ids[row.instance.class_name],
            images[reference.ref],
            row.key,
            0,
            row.instance.class_name,
            *row.instance.mask.box_xyxy,
            row.area_px,
            row.rle,
            float(row.instance.purity),
            row.instance.origin,
        )
        written = insert_instance(connection, values, row.vector)
        new += written is not None
        ids.append(_known_id(connection, row.key, source_id) if written is None else written)
    return ids, new


def insert_instance(connection: sqlite3.Connection, values: Sequence[object], vector: bytes) -> int | None:
    """Writes one instance, ``values`` in the order of the table's columns; None if its source has it already."""
    cursor = connection.execute(
        "INSERT INTO instances "
        "(source_id, class_id, image_id, key, copy, given_name, x0, y0, x1, y1, area_px, rle, purity, origin) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key, source_id, copy) DO NOTHING",
        values,
    )
    if cursor.rowcount == 0:
        return None
    connection.execute("INSERT INTO embeddings (instance_id, vector) VALUES (?, ?)", (cursor.lastrowid, vector))
    return cursor.lastrowid


def insert_image(connection: sqlite3.Connection, reference: ImageReference, *, where: str) -> int:
    """The id of an image, written if it is new; ``StoreError`` if it was stored with another size."""
    connection.execute(
        "INSERT INTO images (ref, width_px, height_px, thumbnail) VALUES (?, ?, ?, ?) ON CONFLICT (ref) DO NOTHING",
        (reference.ref, reference.width_px, reference.height_px, reference.thumbnail),
    )
    image_id, width, height = connection.execute(
        "SELECT image_id, width_px, height_px FROM images WHERE ref = ?", (reference.ref,)
    ).fetchone()
    if (width, height) != (reference.width_px, reference.height_px):
        raise StoreError(
            f"{where}: image {reference.ref!r} is stored with {width}x{height} px and now has "
            f"{reference.width_px}x{reference.height_px}; forget its instances first, or rename the new image"
        )
    return int(image_id)


def _known_id(connection: sqlite3.Connection, key: bytes, source_id: int) -> int:
    found = connection.execute(
        "SELECT instance_id FROM instances WHERE key = ? AND source_id = ? ORDER BY copy", (key, source_id)
    )
    return int(found.fetchone()[0])


def count_instances(connection: sqlite3.Connection) -> int:
    """How many instances there are."""
    return int(connection.execute("SELECT count(*) FROM instances").fetchone()[0])


def read_evidence(connection: sqlite3.Connection, instance_ids: Iterable[int]) -> dict[int, Evidence]:
    """What is known of instances, by id; ids that the store does not have are left out."""
    found = connection.execute(
        "SELECT instance_id, class_id, classes.name, ref, width_px, height_px, x0, y0, x1, y1, source_id "
        "FROM instances JOIN classes USING (class_id) JOIN images USING (image_id) "
        "WHERE instance_id IN (SELECT value FROM json_each(?))",
        (json.dumps([int(value) for value in instance_ids]),),
    )
    return {
        instance_id: Evidence(
            instance_id=instance_id,
            similarity=NOT_COMPARED,
            class_id=class_id,
            class_name=name,
            image_ref=ref,
            image_width_px=width,
            image_height_px=height,
            box_xyxy=(x0, y0, x1, y1),
            source_id=source_id,
        )
        for instance_id, class_id, name, ref, width, height, x0, y0, x1, y1, source_id in found
    }


def read_instance(connection: sqlite3.Connection, instance_id: int) -> StoredInstance:
    """One instance with its mask; ``StoreError`` if there is none of this id."""
    row = connection.execute(f"{_INSTANCES} WHERE instance_id = ?", (instance_id,)).fetchone()
    if row is None:
        raise StoreError(f"the store has no instance {instance_id}; it was never stored, or it was forgotten")
    return _stored(row)


def read_labelled(
    connection: sqlite3.Connection, source_id: int | None, instance_ids: Sequence[int]
) -> dict[int, LabelledInstance]:
    """The instances of a source, or of ids, by rising id, as they would be added again."""
    found = connection.execute(
        "SELECT instance_id, vector, classes.name, ref, width_px, height_px, thumbnail, "
        "x0, y0, x1, y1, rle, purity, origin "
        "FROM instances JOIN embeddings USING (instance_id) JOIN classes USING (class_id) JOIN images USING (image_id) "
        "WHERE source_id = ? OR instance_id IN (SELECT value FROM json_each(?)) ORDER BY instance_id",
        (source_id, json.dumps([int(value) for value in instance_ids])),
    )
    return {
        instance_id: LabelledInstance(
            embedding=np.frombuffer(vector, dtype="<f2").astype(np.float32),
            class_name=name,
            image=ImageReference(ref, width, height, thumbnail),
            mask=Mask.decode(rle, (x0, y0, x1, y1), (height, width)),
            purity=purity,
            origin=origin,
        )
        for (
            instance_id, vector, name, ref, width, height, thumbnail, x0, y0, x1, y1, rle, purity, origin,
        ) in found
    }  # fmt: skip


def read_sources_of(connection: sqlite3.Connection, instance_ids: Iterable[int]) -> dict[int, int]:
    """Instance id -> source id; ids that the store does not have are left out."""
    query = "SELECT instance_id, source_id FROM instances WHERE instance_id IN (SELECT value FROM json_each(?))"
    return dict(connection.execute(query, (json.dumps(list(instance_ids)),)).fetchall())


def read_masks(connection: sqlite3.Connection, ref: str) -> dict[int, Mask]:
    """The masks of an image's instances, by id."""
    found = connection.execute(
        "SELECT instance_id, rle, x0, y0, x1, y1, height_px, width_px FROM instances JOIN images USING (image_id) "
        "WHERE ref = ?",
        (ref,),
    )
    return {
        instance_id: Mask.decode(rle, (x0, y0, x1, y1), (height, width))
        for instance_id, rle, x0, y0, x1, y1, height, width in found
    }


def read_thumbnails(connection: sqlite3.Connection, refs: Iterable[str]) -> dict[str, bytes]:
    """The JPEG thumbnails of images, by reference; images that the store does not have are left out."""
    query = "SELECT ref, thumbnail FROM images WHERE ref IN (SELECT value FROM json_each(?))"
    return dict(connection.execute(query, (json.dumps(list(refs)),)).fetchall())


def read_examples(connection: sqlite3.Connection) -> dict[int, int]:
    """Class id -> the instance that shows the class best: drawn by an annotator if there is one, and the largest."""
    return dict(
        connection.execute(
            "SELECT class_id, instance_id FROM (SELECT class_id, instance_id, row_number() OVER "
            "(PARTITION BY class_id ORDER BY origin = 'truth' DESC, area_px DESC, instance_id) AS place FROM instances)"
            " WHERE place = 1"
        )
    )


def read_page(
    connection: sqlite3.Connection, after_id: int, count: int, class_id: int | None = None
) -> list[StoredInstance]:
    """At most ``count`` instances of one class, or of all, by rising id above ``after_id``."""
    chosen = "" if class_id is None else "AND class_id = :class_id"
    found = connection.execute(
        f"{_INSTANCES} WHERE instance_id > :after_id {chosen} ORDER BY instance_id LIMIT :count",
        {"after_id": after_id, "class_id": class_id, "count": count},
    )
    return [_stored(row) for row in found]


def _stored(row: Sequence[Any]) -> StoredInstance:
    instance_id, class_id, class_name, image_id, ref, width_px, height_px, x0, y0, x1, y1, rle, *rest = row
    mask = Mask.decode(rle, (x0, y0, x1, y1), (height_px, width_px))
    return StoredInstance(instance_id, class_id, class_name, image_id, ref, mask, *rest)
