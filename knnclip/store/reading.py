"""What a store is asked about itself: each method answers by the newest state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from knnclip.store import classes, facts, rows, sources
from knnclip.store.database import Database
from knnclip.store.events import current_generation, read_events
from knnclip.store.records import Event, SourceInfo, StoredInstance, StoreInfo
from knnclip.structures import Evidence, LabelledInstance, Mask
from knnclip.vocabulary import Vocabulary

PAGE_INSTANCES = 256
"""Instances that are read at a time while all are gone through; more keep other threads waiting for longer."""


class Reading:
    """The questions that a store answers without its index. What has to fit together is asked of one ``Store.view``."""

    path: Path
    _database: Database

    @property
    def generation(self) -> int:
        """How many write transactions there were, by any process: it grows whenever something changes."""
        with self._database.read() as connection:
            return current_generation(connection)

    def __len__(self) -> int:
        """How many instances there are."""
        with self._database.read() as connection:
            return rows.count_instances(connection)

    def __bool__(self) -> bool:
        """A store is there, however many instances it has."""
        return True

    def get_setting(self, name: str) -> str | None:
        """A setting that belongs to the store, such as the name of its preset; None if it was never set."""
        with self._database.read() as connection:
            return facts.read_settings(connection).get(name)

    def vocabulary(self) -> Vocabulary:
        """The classes of the store."""
        with self._database.read() as connection:
            return classes.load_vocabulary(connection)

    def finished_images(self, source_id: int) -> set[str]:
        """The images that a source is done with."""
        with self._database.read() as connection:
            return sources.read_finished(connection, source_id)

    def evidence(self, instance_ids: Iterable[int]) -> dict[int, Evidence]:
        """What is known of instances, by id, with similarity 0; ids that the store does not have are left out."""
        with self._database.read() as connection:
            return rows.read_evidence(connection, instance_ids)

    def instance(self, instance_id: int) -> StoredInstance:
        """One instance with its mask; ``StoreError`` if the store does not have it."""
        with self._database.read() as connection:
            return rows.read_instance(connection, instance_id)

    def examples(self) -> dict[int, int]:
        """Class id -> the id of an instance to show for it, for classes that have any: the largest annotated one."""
        with self._database.read() as connection:
            return rows.read_examples(connection)

    def instances(self, class_name: str | None = None) -> Iterator[StoredInstance]:
        """All instances of a class, or of all, by rising id; what changes meanwhile may or may not be among them."""
        class_id = None if class_name is None else self.vocabulary().by_name(class_name).class_id
        after_id = 0
        while True:
            with self._database.read() as connection:
                page = rows.read_page(connection, after_id, PAGE_INSTANCES, class_id)
            yield from page
            if len(page) < PAGE_INSTANCES:
                return
            after_id = page[-1].instance_id

    def labelled(
        self, *, source_id: int | None = None, instance_ids: Sequence[int] = ()
    ) -> dict[int, LabelledInstance]:
        """The instances of a source, or of ids, by id, ready for ``add``: to be kept by who may want them back."""
        with self._database.read() as connection:
            return rows.read_labelled(connection, source_id, instance_ids)

    def covered(self, ref: str, mask: Mask, least_share: float) -> list[int]:
        """The ids of an image's instances of which at least ``least_share`` of the pixels lie in ``mask``."""
        with self._database.read() as connection:
            masks = rows.read_masks(connection, ref)
        inside = mask.to_dense()
        return [
            instance_id
            for instance_id, stored in masks.items()
            if stored.shape == mask.shape and stored.select(inside).mean() >= least_share
        ]

    def thumbnails(self, refs: Iterable[str]) -> dict[str, bytes]:
        """The JPEG thumbnails of images, by reference; images that the store does not have are left out."""
        with self._database.read() as connection:
            return rows.read_thumbnails(connection, refs)

    def sources(self) -> list[SourceInfo]:
        """The acts of adding, by rising id."""
        with self._database.read() as connection:
            return sources.read_sources(connection)

    def source(self, source_id: int) -> SourceInfo:
        """One act of adding; ``StoreError`` if the store does not have it."""
        with self._database.read() as connection:
            sources.check_source(connection, source_id)
            return next(info for info in sources.read_sources(connection) if info.source_id == source_id)

    def events(self) -> list[Event]:
        """Everything that was ever written, by rising generation."""
        with self._database.read() as connection:
            return read_events(connection)

    def info(self) -> StoreInfo:
        """The store in numbers, for people to read."""
        with self._database.read() as connection:
            return facts.read_info(connection, self.path)
