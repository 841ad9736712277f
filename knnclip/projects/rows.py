"""Rows of a project's tables as pictures, and back."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnclip.errors import UsageError
from knnclip.projects.maps import KeptAnswer
from knnclip.projects.records import Correction, Maker, Picture, Summary
from knnclip.structures import Mask

GONE = "the file is gone; put it back, and what is known of it is here again"

_PICTURES = """
SELECT p.picture_id, p.path, c.height_px, c.width_px,
    CASE WHEN k.content_id IS NOT NULL THEN 'checked'
         WHEN EXISTS (SELECT 1 FROM corrections d WHERE d.content_id = p.content_id) THEN 'corrected'
         WHEN a.content_id IS NOT NULL THEN 'answered'
         ELSE 'untouched' END,
    p.rejected, p.is_gone, p.note, p.changed,
    a.generation, a.made_by, a.unknown, a.confidence, a.least_confidence, a.areas, a.differs
FROM pictures p
LEFT JOIN contents c ON c.content_id = p.content_id
LEFT JOIN answers a ON a.content_id = p.content_id
LEFT JOIN accepted k ON k.content_id = p.content_id
"""


@dataclass(frozen=True)
class AnswerRow:
    """An answer and what is known of it beside its summary."""

    answer: KeptAnswer
    made_by: Maker
    generation: int  # of the store, when it was made or last compared
    against: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Described:
    """What a picture shows, for the order of review."""

    vector: NDArray[np.float16]  # (D,) see ``review.descriptor``
    novelty: float  # see ``review.novelty``


def next_change(connection: sqlite3.Connection) -> int:
    """Counts an act, and returns the new value of the change counter."""
    (number,) = connection.execute("UPDATE project SET changes = changes + 1 RETURNING changes").fetchone()
    return int(number)


def mark_changed(connection: sqlite3.Connection, content_id: int) -> int:
    """Counts an act on a content, which changes all pictures that have it; returns the change counter."""
    number = next_change(connection)
    connection.execute("UPDATE pictures SET changed = ? WHERE content_id = ?", (number, content_id))
    return number


def read_pictures(connection: sqlite3.Connection, where: str = "1", *values: object) -> list[Picture]:
    """The pictures for which a condition over the table's columns holds, in no order."""
    return [_picture(row) for row in connection.execute(f"{_PICTURES} WHERE {where}", values)]


def read_picture(connection: sqlite3.Connection, picture_id: int) -> Picture:
    """One picture; ``UsageError`` if there is none of this id."""
    found = read_pictures(connection, "p.picture_id = ?", picture_id)
    if not found:
        raise UsageError(f"the project has no picture {picture_id}; ask it for its pictures")
    return found[0]


def _picture(row: Sequence[Any]) -> Picture:
    number, path, height, width, state, rejected, is_gone, note, changed, *answered = row
    summary = None
    if answered[0] is not None:
        generation, made_by, unknown, confidence, least, areas, differs = answered
        summary = Summary(generation, made_by, unknown, confidence, least, json.loads(areas), differs)
    size = None if height is None else (height, width)
    return Picture(number, os.fsdecode(path), size, state, GONE if is_gone else rejected, note, summary, changed)


def merge_listing(connection: sqlite3.Connection, found: Mapping[bytes, str]) -> list[int]:
    """Takes what lies in the folder into the tables; returns the ids of pictures that were read before and changed."""
    known = {
        path: (picture_id, signature, content_id is not None, bool(is_gone))
        for picture_id, path, signature, content_id, is_gone in connection.execute(
            "SELECT picture_id, path, signature, content_id, is_gone FROM pictures"
        )
    }
    new = [path for path in found if path not in known]
    back = [(path, known[path][0]) for path in found if path in known and known[path][3]]
    gone = [known[path][0] for path in known if path not in found and not known[path][3]]
    changed = [known[path][0] for path in found if path in known and known[path][1] != found[path]]
    read_before = [number for number, _, was_read, _ in known.values() if was_read]
    if not (new or back or gone or changed):
        return []
    number = next_change(connection)
    connection.executemany(
        "INSERT INTO pictures (path, signature, is_gone, changed) VALUES (?, ?, 0, ?)",
        [(path, found[path], number) for path in new],
    )
    for is_gone, ids in ((0, [picture_id for _, picture_id in back]), (1, gone)):
        connection.executemany(
            "UPDATE pictures SET is_gone = ?, changed = ? WHERE picture_id = ?",
            [(is_gone, number, picture_id) for picture_id in ids],
        )
    # What was refused may be whole by now.
    connection.executemany(
        "UPDATE pictures SET rejected = NULL, changed = ? WHERE picture_id = ? AND rejected IS NOT NULL",
        [(number, picture_id) for picture_id in changed],
    )
    return sorted(set(changed).intersection(read_before))


def read_answer(connection: sqlite3.Connection, content_id: int) -> AnswerRow | None:
    """The answer that is kept for a content."""
    row = connection.execute(
        "SELECT names, semantic, panoptic, segments, made_by, generation, against FROM answers WHERE content_id = ?",
        (content_id,),
    ).fetchone()
    return None if row is None else AnswerRow(KeptAnswer.decode(*row[:4]), row[4], row[5], json.loads(row[6]))


def write_answer(
    connection: sqlite3.Connection,
    content_id: int,
    answer: KeptAnswer,
    summary: Summary,
    gained: Mapping[str, float],
    number: int,
) -> None:
    """Keeps an answer in place of the one before; ``number`` is the change counter."""
    names, semantic, panoptic, segments = answer.encode()
    connection.execute(
        "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, '{}', ?, ?, ?, ?, ?, ?)",
        (content_id, summary.made_by, summary.generation, summary.unknown, summary.confidence,
         summary.least_confidence, json.dumps(dict(summary.areas)), summary.differs, json.dumps(dict(gained)), number,
         names, segments, semantic, panoptic),
    )  # fmt: skip


def write_summary(connection: sqlite3.Connection, content_id: int, summary: Summary) -> None:
    """Keeps the numbers of an answer whose corrections changed."""
    connection.execute(
        "UPDATE answers SET unknown = ?, confidence = ?, least_confidence = ?, areas = ? WHERE content_id = ?",
        (
            summary.unknown,
            summary.confidence,
            summary.least_confidence,
            json.dumps(dict(summary.areas)),
            content_id,
        ),
    )


def write_opinion(
    connection: sqlite3.Connection,
    content_id: int,
    generation: int,
    differs: float,
    against: Mapping[str, float],
    gained: Mapping[str, float],
    number: int,
) -> None:
    """Keeps what the store says of a content whose answer stands."""
    connection.execute(
        "UPDATE answers SET generation = ?, differs = ?, against = ?, gained = ?, gained_at = ? WHERE content_id = ?",
        (generation, differs, json.dumps(dict(against)), json.dumps(dict(gained)), number, content_id),
    )


def read_corrections(connection: sqlite3.Connection, content_id: int, size_px: tuple[int, int]) -> list[Correction]:
    """What was drawn over a content of a size, by rising id."""
    return [
        Correction(number, Mask.decode(rle, (x0, y0, x1, y1), size_px), name)
        for number, name, x0, y0, x1, y1, rle in connection.execute(
            "SELECT correction_id, class_name, x0, y0, x1, y1, rle FROM corrections WHERE content_id = ? "
            "ORDER BY correction_id",
            (content_id,),
        )
    ]


def read_descriptors(connection: sqlite3.Connection) -> dict[int, Described]:
    """What is known of what pictures show, by their ids."""
    rows = connection.execute(
        "SELECT p.picture_id, c.descriptor, c.novelty FROM pictures p JOIN contents c USING (content_id) "
        "WHERE c.descriptor IS NOT NULL"
    )
    return {number: Described(np.frombuffer(vector, dtype=np.float16), novelty) for number, vector, novelty in rows}


def read_gains(connection: sqlite3.Connection, since: int) -> list[tuple[int, dict[str, float], bool]]:
    """Picture id, what relabelling gave it by class, whether it is checked: of those relabelled since a change."""
    rows = connection.execute(
        "SELECT p.picture_id, a.gained, k.content_id IS NOT NULL FROM answers a "
        "JOIN pictures p USING (content_id) LEFT JOIN accepted k USING (content_id) "
        "WHERE a.gained_at > ? AND a.gained <> '{}' ORDER BY p.picture_id",
        (since,),
    )
    return [(number, json.loads(gained), bool(is_checked)) for number, gained, is_checked in rows]
