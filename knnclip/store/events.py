"""The event log: one event for each write transaction, whose number is the generation of the store."""

from __future__ import annotations

import json
import os
import sqlite3
from datetime import UTC, datetime

from knnclip.store.records import Event

TOKEN_BYTES = 8
"""Enough that two histories never share a token by chance: it only tells apart copies of one store."""


def now() -> str:
    """The time as events record it: ISO 8601, UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def log_event(connection: sqlite3.Connection, event: str, /, **detail: object) -> int:
    """Logs what this write transaction does and returns the new generation of the store."""
    generation = current_generation(connection) + 1
    connection.execute(
        "INSERT INTO events (generation, token, time, kind, detail) VALUES (?, ?, ?, ?, ?)",
        (generation, os.urandom(TOKEN_BYTES), now(), event, json.dumps(detail, ensure_ascii=False)),
    )
    return generation


def current_generation(connection: sqlite3.Connection) -> int:
    """The number of the last event; a higher one means that something changed."""
    return int(connection.execute("SELECT coalesce(max(generation), 0) FROM events").fetchone()[0])


def event_token(connection: sqlite3.Connection, generation: int) -> bytes | None:
    """What tells this store's event of that number from that of any other history; None if there is no such event."""
    row = connection.execute("SELECT token FROM events WHERE generation = ?", (generation,)).fetchone()
    return None if row is None else bytes(row[0])


def read_events(connection: sqlite3.Connection) -> list[Event]:
    """All events by rising generation."""
    found = connection.execute("SELECT generation, time, kind, detail FROM events ORDER BY generation")
    return [Event(generation, time, kind, json.loads(detail)) for generation, time, kind, detail in found]
