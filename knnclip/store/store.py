"""The growing database: what was labelled, found again by similarity."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from knnclip.errors import StoreError
from knnclip.files import path_text
from knnclip.store import classes, facts, forgetting, rows, sources, transfer
from knnclip.store.content import check_text, prepare
from knnclip.store.database import BUSY_TIMEOUT_S, Database
from knnclip.store.events import current_generation, log_event
from knnclip.store.exchange import put_back, take_out
from knnclip.store.folder import existing_database, make_copy, make_empty, unpacked
from knnclip.store.leftovers import clear, find_leftovers
from knnclip.store.mirror import WORTH_WRITING, Mirror, erase_cache
from knnclip.store.reading import Reading
from knnclip.store.records import NOTHING, Exchange, SourceKind, Withdrawn
from knnclip.store.statistics import LevelCache
from knnclip.store.verification import cache_problems, check_after_crash, find_problems, index_problems
from knnclip.store.view import State, View
from knnclip.structures import Fingerprint, Float32, LabelledInstance, Neighbors
from knnclip.vocabulary import ClassInfo, Color

NO_SETTINGS: Mapping[str, str] = MappingProxyType({})

MOST_PROBLEMS = 100
"""``verify`` stops here: a store that is damaged throughout need not be listed instance by instance."""


class Store(Reading):
    """A folder with an SQLite database, which is the truth, and an index cache, which only saves time.

    One ``Store`` may be used by several threads; several processes may open the same folder at once. Every change is
    one transaction: on disk when the method returns, or not there at all. ``StoreError`` says what could not be done.
    What is asked for with several questions comes from one ``view``; each method here answers by the newest state.

    >>> from knnclip import Store
    >>> from knnclip.structures import Fingerprint
    >>> with Store.create("my-new-store", Fingerprint("my encoder", "v1", "none", dim=8)) as store:
    ...     sky = store.add_class("sky", is_thing=False, synonyms=["heaven"])
    ...     print(len(store), [info.name for info in store.vocabulary()], store.verify())
    0 ['sky'] []
    """

    def __init__(self, path: Path, database: Database) -> None:
        """Use ``Store.open`` or ``Store.create``."""
        self.path = path
        self._database = database
        with database.read() as connection:
            self.fingerprint = facts.read_fingerprint(connection)
        self._mirror: Mirror | None = None
        self._state: State | None = None  # of the newest generation that was asked for
        self._levels = LevelCache()
        self._added = 0

    @classmethod
    def create(cls, path: str | Path, fingerprint: Fingerprint, *, settings: Mapping[str, str] = NO_SETTINGS) -> Store:
        """Makes and opens an empty store for the embeddings of one encoder.

        ``path`` is the folder to be made, with those above it; at most an empty folder may be there, else it is a
        ``StoreError``. ``settings`` are in the store as soon as the store is there: see ``get_setting``.
        """
        make_empty(Path(path), fingerprint, settings)
        return cls.open(path)

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        fingerprint: Fingerprint | None = None,
        read_only: bool = False,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> Store:
        """Opens an existing store; ``StoreError`` if there is none, or if it belongs to another ``fingerprint``.

        ``read_only`` changes nothing in the store and works on a read-only file system. A writer that finds another one
        at work waits for at most ``busy_timeout_s``.

        Where a write-ahead log was left, by a process that was killed or is still at work, a writer first compares all
        rows with their digests (see ``knnclip.store.verification``); ``StoreError`` if one is not as it was written.
        """
        path = Path(path).absolute()
        database = Database(existing_database(path), read_only=read_only, busy_timeout_s=busy_timeout_s)
        try:
            store = cls(path, database)
            check_after_crash(database)
            if fingerprint is not None:
                store.check_fingerprint(fingerprint)
        except BaseException:
            database.close()
            raise
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the files, first writing the index cache where the next opening would miss it."""
        with self._database.lock:
            # The cache only saves time: that it cannot be written is no reason for closing to fail.
            with suppress(StoreError, OSError):
                self._write_missed_cache()
            self._mirror = self._state = None
            self._database.close()

    def check_fingerprint(self, fingerprint: Fingerprint) -> None:
        """``StoreError`` unless the store belongs to this encoder."""
        if fingerprint != self.fingerprint:
            raise StoreError(
                f"store {self.path} holds embeddings of {self.fingerprint}, they cannot be compared with those of "
                f"{fingerprint}; use the preset that the store was made with, or make a new store with --store"
            )

    @contextmanager
    def view(self) -> Iterator[View]:
        """One state of the store, for questions whose answers have to fit together.

        Others may write meanwhile and do not change what the view answers; the space of what they forget is given back
        when the block ends, so keep it as short as an answer.
        """
        with ExitStack() as stack:
            with self._database.lock:  # the index must not be caught up beyond what the connection sees
                connection = stack.enter_context(self._database.snapshot())
                view = View(self._current_state(connection), connection)
            stack.callback(view.end)
            yield view

    def set_setting(self, name: str, value: str) -> None:
        """Keeps a setting in the store."""
        with self._database.write() as connection:
            facts.write_settings(connection, {name: value})
            log_event(connection, "setting", name=name, value=value)

    def add_class(
        self, name: str, is_thing: bool = True, synonyms: Sequence[str] = (), color: Color | None = None
    ) -> ClassInfo:
        """Makes a class that stays when it has no instance; ``UsageError`` if the name or a synonym is in use."""
        with self._database.write() as connection:
            class_id = classes.add_class(connection, name, is_thing=is_thing, synonyms=synonyms, color=color)
            log_event(connection, "class", name=name)
            return classes.load_vocabulary(connection).by_id(class_id)

    def rename(self, old: str, new: str) -> None:
        """Gives a class another name and keeps the old one as a synonym; ``UsageError`` if another class has it."""
        with self._database.write() as connection:
            classes.rename(connection, old, new)
            log_event(connection, "rename", old=old, new=new)

    def merge(self, names: Sequence[str], into: str) -> int:
        """Makes classes part of another, existing one, their names its synonyms; returns how many instances moved."""
        with self._database.write() as connection:
            generation = log_event(connection, "merge", classes=list(names), into=into)
            return classes.merge(connection, names, into, generation)

    def begin_source(self, kind: SourceKind, description: str, key: str | None = None) -> int:
        """Begins an act of adding, the unit of undo, and returns its id.

        Where the store has a source of the same ``key`` already, this continues it: the id is that one's.
        """
        check_text(description, "the description of a source")
        with self._database.write() as connection:
            if (known := sources.find_source(connection, key)) is not None:
                return known
            source_id = sources.insert_source(connection, kind, description, key)
            log_event(connection, "source", source_id=source_id, kind=kind, description=description)
            return source_id

    def add(
        self, instances: Sequence[LabelledInstance], source_id: int, *, finished_images: Sequence[str] = ()
    ) -> list[int]:
        """Stores instances in one transaction and returns their ids, in the same order.

        New classes are made. Content that the source has already is not stored twice: its id is returned again.
        ``finished_images`` are noted as done, for ``finished_images()`` to tell. Raises ``StoreError`` that names the
        first instance that cannot be stored; then nothing is.
        """
        prepared = prepare(instances, self.fingerprint.dim)
        finished = [check_text(ref, "a finished image") for ref in finished_images]
        with self._database.write() as connection:
            sources.check_source(connection, source_id)
            before = connection.total_changes
            vocabulary = classes.load_vocabulary(connection)
            class_ids = classes.resolve_or_make(connection, vocabulary, (item.class_name for item in instances))
            ids, new = rows.insert_rows(connection, prepared, class_ids, source_id)
            classes.drop_unused(connection, class_ids.values())
            sources.mark_finished(connection, source_id, finished)
            if connection.total_changes > before:
                log_event(connection, "add", source_id=source_id, instances=new, finished_images=len(finished))
        self._added += new
        return ids

    def teach(
        self, instances: Sequence[LabelledInstance], description: str, *, in_place_of: Sequence[int] = ()
    ) -> tuple[int, Exchange]:
        """Stores instances as a new source, and takes those out that they replace, in one transaction.

        ``in_place_of`` are ids; those that somebody has forgotten meanwhile are gone anyway. Returns the id of the
        source, and what was changed, for ``exchange`` to take it back. Raises ``StoreError`` as ``add`` does.
        """
        check_text(description, "the description of a source")
        prepared = prepare(instances, self.fingerprint.dim)
        with self._database.write() as connection:
            source_id = sources.insert_source(connection, "teach", description, None)
            names = (item.class_name for item in instances)
            class_ids = classes.resolve_or_make(connection, classes.load_vocabulary(connection), names)
            ids, new = rows.insert_rows(connection, prepared, class_ids, source_id)
            generation = log_event(
                connection, "teach", source_id=source_id, description=description, instances=new,
                in_place_of=len(in_place_of),
            )  # fmt: skip
            taken = take_out(connection, in_place_of, generation)
            self._erase(taken)
        self._after(new, taken)
        return source_id, Exchange(dict(zip(ids, ids, strict=True)), taken)

    def exchange(self, take: Sequence[int], put: Withdrawn, reason: str) -> Exchange:
        """Takes instances out and puts back what was taken out before, in one transaction, for undo and redo.

        Of ``take`` those that somebody has forgotten meanwhile are gone anyway. What is put back belongs to its source
        and its class again, and answers are as they were, to the bit; its ids are new. Where nothing is left to take
        or to put, nothing happens. ``reason`` goes into the event log.
        """
        with self._database.write() as connection:
            now = put_back(connection, put, self.fingerprint.dim)
            there = rows.read_sources_of(connection, take)
            if not now and not there:
                return Exchange({}, NOTHING)
            generation = log_event(connection, "exchange", taken=len(there), put=len(now), reason=reason)
            taken = take_out(connection, list(there), generation)
            self._erase(taken)
        self._after(len(now), taken)
        return Exchange(now, taken)

    def _erase(self, taken: Withdrawn) -> None:
        if taken.instances:
            erase_cache(self.path)

    def _after(self, added: int, taken: Withdrawn) -> None:
        self._added += added
        if taken.instances:
            self._database.truncate_log()

    def search(self, queries: Float32, k: int) -> Neighbors:
        """The ``k`` nearest instances of each of ``(N, D)`` unit queries: ``View.search`` in a view of its own."""
        with self.view() as view:
            return view.search(queries, k)

    def forget(
        self,
        *,
        class_name: str | None = None,
        source_id: int | None = None,
        instance_ids: Sequence[int] | None = None,
        reason: str = "",
    ) -> int:
        """Removes a class, a source or single instances for good, and returns how many instances that were.

        What lives only through them goes with them, the class or source itself included. Their bytes are overwritten
        with zeros in the database and in the index cache, and the write-ahead log, which has copies, is emptied: at
        once, or as soon as no view is open and no other process reads; ``leftovers`` tells of what is still there.
        Out of reach are journals and copies of a file system, spare blocks of an SSD, what the log and temporary files
        gave back to the file system, exports and backups. Names and reasons stay in the event log.
        """
        with self._database.write() as connection:
            count = forgetting.forget(
                connection, class_name=class_name, source_id=source_id, instance_ids=instance_ids, reason=reason
            )
            erase_cache(self.path)
        self._database.truncate_log()
        return count

    def verify(self) -> list[str]:
        """Reads everything and returns one line for each thing that is wrong: none for a sound store.

        Rows are compared with their digests, content keys computed anew, masks, thumbnails, names and references
        checked, and the index is compared with the database. There are at most ``MOST_PROBLEMS`` lines.
        """
        with self._database.read() as connection:
            problems = list(islice(find_problems(connection), MOST_PROBLEMS))
            if not problems:
                problems = list(islice(index_problems(connection, self._caught_up(connection).index), MOST_PROBLEMS))
            return problems + list(cache_problems(self.path, self.fingerprint.dim))

    def leftovers(self) -> list[str]:
        """One line for each thing that killed processes, or readers that held on, left in the store or beside it.

        Drafts, and forgotten bytes in the write-ahead log. What can be is cleared away, unless the store is read only.
        """
        clear(self._database)
        return find_leftovers(self._database, self.path)

    def compact(self) -> None:
        """Gives unused space back to the disk, drops what only served to catch up, and writes the index cache anew."""
        with self._database.lock:
            self._newest_mirror()
            with self._database.write() as connection:
                facts.drop_changes(connection, before=log_event(connection, "compact"))
                erase_cache(self.path)
            self._database.vacuum()
            self._database.truncate_log()
            self._newest_mirror().write_cache(self._database)

    def export(self, file: str | Path) -> None:
        """Writes the whole store as one file that ``import_file`` reads; nothing may be there yet."""
        transfer.export_file(self._database, Path(file))

    @classmethod
    def import_file(cls, path: str | Path, file: str | Path, name: str | None = None) -> int:
        """Adds what an exported file holds to the store at ``path``, and returns how many instances were new.

        Where nothing is there, a store is made that equals the exported one. Otherwise the instances become one source,
        of kind "import"; content that the store has already is not stored twice. The store keeps ``name``, or else the
        path, for where it came from. ``StoreError`` if the file is damaged or from another encoder, and for all that
        ``verify`` would report; then nothing is imported.
        """
        path, file = Path(path), Path(file)
        name = check_text(path_text(file) if name is None else name, "the name of what is imported")
        if not path.exists():
            return make_copy(path, file, name)
        with (
            unpacked(file, path.absolute().parent) as foreign,
            foreign.read() as other,
            cls.open(path, fingerprint=facts.read_fingerprint(other)) as store,
        ):
            with store._database.write() as connection:
                count = transfer.merge_store(connection, other, name)
            store._added += count
            return count

    def _current_state(self, connection: sqlite3.Connection) -> State:
        generation = current_generation(connection)
        if self._state is None or self._state.generation != generation:
            index = self._caught_up(connection).index.snapshot()
            self._state = State(generation, classes.load_vocabulary(connection), index, self._levels)
        return self._state

    def _caught_up(self, connection: sqlite3.Connection) -> Mirror:
        mirror, self._mirror = self._mirror or Mirror(self.path, connection), None
        self._state = None  # the index must not keep what it changes for a state that no view has any more
        mirror.catch_up(connection)
        # Only now: a mirror that was interrupted half-way is not used again.
        self._mirror = mirror
        return mirror

    def _newest_mirror(self) -> Mirror:
        with self._database.read() as connection:
            return self._caught_up(connection)

    def _write_missed_cache(self) -> None:
        if not self._database.read_only and (self._mirror is not None or self._added > WORTH_WRITING):
            mirror = self._newest_mirror()
            if mirror.worth_writing:
                mirror.write_cache(self._database)
