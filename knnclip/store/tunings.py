"""Settings that were found out of the store's own instances, kept as long as all of these instances are.

A tuning tells something about the instances that it was found from, so nothing of it may outlast them: forgetting one
drops, in the same transaction, all tunings that were found when it was there. Those from before it came hold again, as
they held then: what is added and then forgotten leaves the settings, too, as they were.

Instance ids only grow. An instance was there when a tuning was found if its id is not above the newest one's of then.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from knnclip.errors import StoreError
from knnclip.store.database import Database
from knnclip.store.events import log_event
from knnclip.store.facts import read_settings, write_settings

NAME = "tuned"
"""The setting that holds all tunings as JSON, the newest last."""

UNTUNED = "untuned"
"""The setting that says that a store is not to be tuned by itself."""


@dataclass(frozen=True)
class Tuning:
    """What was found, and out of what."""

    generation: int  # of the store, whose instances these were
    newest_instance: int  # the largest id among them
    instances: int  # how many there were
    aim: str  # what for
    gain: float  # in points of the aim, on instances that were left out
    error: float  # its standard error
    values: Mapping[str, float]  # of each setting, by its name


class Tunings:
    """The tunings of a store."""

    def __init__(self, database: Database) -> None:
        """Use ``Store.tunings``."""
        self._database = database

    def newest(self) -> Tuning | None:
        """The one that holds; None if there is none."""
        with self._database.read() as connection:
            return newest(connection)

    def by_itself(self) -> bool:
        """Whether the store may be tuned without being asked to."""
        with self._database.read() as connection:
            return UNTUNED not in read_settings(connection)

    def keep(self, tuning: Tuning) -> bool:
        """Keeps one in place of those from the same instances; False if some of these were forgotten meanwhile.

        The event log has that it was found, but nothing of what.
        """
        with self._database.write() as connection:
            forgotten = "SELECT 1 FROM events WHERE kind = 'forget' AND generation > ?"
            if connection.execute(forgotten, (tuning.generation,)).fetchone():
                return False
            earlier = [each for each in _read(connection) if each.newest_instance < tuning.newest_instance]
            _write(connection, [*earlier, tuning])
            connection.execute("DELETE FROM settings WHERE name = ?", (UNTUNED,))
            log_event(connection, "tune", aim=tuning.aim)
            return True

    def drop(self) -> None:
        """Drops all of them, and lets the store not be tuned by itself again until it is tuned on purpose."""
        with self._database.write() as connection:
            _write(connection, [])
            write_settings(connection, {UNTUNED: "yes"})
            log_event(connection, "untune")


def newest(connection: sqlite3.Connection) -> Tuning | None:
    """The tuning that holds."""
    return next(reversed(_read(connection)), None)


def drop_those_of(connection: sqlite3.Connection, instance_ids: Sequence[int]) -> None:
    """Drops what was found out of any of these instances."""
    if instance_ids and (known := _read(connection)):
        kept = [tuning for tuning in known if tuning.newest_instance < min(instance_ids)]
        if len(kept) < len(known):
            _write(connection, kept)


def _read(connection: sqlite3.Connection) -> list[Tuning]:
    row = connection.execute("SELECT value FROM settings WHERE name = ?", (NAME,)).fetchone()
    if row is None:
        return []
    try:
        return [Tuning(**found) for found in json.loads(row[0])]
    except (TypeError, ValueError) as error:
        raise StoreError(
            f"the store remembers what it was tuned to as {row[0]!r}, which is not understood ({error}); another "
            "version of knnclip made it: make a new store of the data"
        ) from error


def _write(connection: sqlite3.Connection, tunings: Sequence[Tuning]) -> None:
    if tunings:
        write_settings(connection, {NAME: json.dumps([asdict(tuning) for tuning in tunings])})
    else:
        connection.execute("DELETE FROM settings WHERE name = ?", (NAME,))
