"""Who works on a project and where, and the keys that classes are bound to."""

from __future__ import annotations

import time

from knnclip.errors import UsageError
from knnclip.store import Store
from knnclip.store.database import Database
from knnclip.store.events import now
from knnclip.vocabulary import check_name

PRESENT_S = 30.0
"""So long after the last word from somebody they are taken to be there: a page says so every 10 s, of which two may be
lost; longer shows people who have closed their laptops."""

DIGITS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 0)
"""In the order of the keyboard."""


class People:
    """Where people are, and their keys. Several threads may use it."""

    def __init__(self, database: Database, store: Store) -> None:
        """Of a project's database; the classes are those of the store."""
        self._database = database
        self._store = store

    def visit(self, picture_id: int, person: str) -> tuple[str, ...]:
        """See ``Project.visit``."""
        with self._database.write() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO people VALUES (?, ?, ?, 1)", (check_name(person), picture_id, time.time())
            )
        return tuple(sorted(other for other, at in self.present().items() if at == picture_id and other != person))

    def leave(self, person: str) -> None:
        """See ``Project.leave``."""
        with self._database.write() as connection:
            connection.execute("UPDATE people SET is_here = 0 WHERE person = ?", (person,))

    def present(self) -> dict[str, int]:
        """See ``Project.present``."""
        with self._database.read() as connection:
            return dict(
                connection.execute(
                    "SELECT person, picture_id FROM people WHERE is_here AND seen_s > ? ORDER BY person",
                    (time.time() - PRESENT_S,),
                ).fetchall()
            )

    def last_visited(self, person: str | None) -> int | None:
        """The id of the picture where somebody was last, or anybody."""
        with self._database.read() as connection:
            found = connection.execute(
                "SELECT picture_id FROM people WHERE ? IS NULL OR person = ? ORDER BY seen_s DESC LIMIT 1",
                (person, person),
            ).fetchone()
        return None if found is None else int(found[0])

    def keys(self) -> dict[int, str]:
        """See ``Project.keys``."""
        vocabulary = self._store.vocabulary()
        with self._database.read() as connection:
            rows = connection.execute("SELECT digit, class_name FROM keys").fetchall()
        bound = {digit: info.name for digit, name in rows if (info := vocabulary.find(name)) is not None}
        rest = (info.name for info in vocabulary if info.name not in bound.values())
        free = (digit for digit in DIGITS if digit not in bound)
        bound |= dict(zip(free, rest, strict=False))
        return {digit: bound[digit] for digit in DIGITS if digit in bound}

    def bind(self, digit: int, class_name: str | None) -> None:
        """See ``Project.bind``."""
        if digit not in DIGITS:
            raise UsageError(f"classes are bound to the digits 0 to 9, found {digit}")
        name = None if class_name is None else self._store.vocabulary().by_name(class_name).name
        with self._database.write() as connection:
            connection.execute("DELETE FROM keys WHERE digit = ? OR class_name = ?", (digit, name))
            if name is not None:
                connection.execute("INSERT INTO keys VALUES (?, ?)", (digit, name))

    def note_use(self) -> None:
        """Notes that the project is opened now."""
        with self._database.write() as connection:
            connection.execute("UPDATE project SET used = ?", (now(),))
