"""What a store is to the path from image to answer; looking after one as a whole is each store's own business."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from knnclip.store.records import SourceKind
from knnclip.structures import Census, Evidence, Fingerprint, Float32, Int64, LabelledInstance, Levels, Neighbors
from knnclip.vocabulary import ClassInfo, Color, Vocabulary


class InstanceStore(Protocol):
    """The durable, growing set of labelled instances. Its answers depend on the rows, never on their order."""

    def check_fingerprint(self, fingerprint: Fingerprint) -> None:
        """``StoreError`` unless the store belongs to this encoder."""

    def get_setting(self, name: str) -> str | None:
        """A setting that belongs to the store; None if it was never set."""

    def set_setting(self, name: str, value: str) -> None:
        """Keeps a setting in the store."""

    def vocabulary(self) -> Vocabulary:
        """The classes of the store."""

    def add_class(
        self, name: str, is_thing: bool = True, synonyms: Sequence[str] = (), color: Color | None = None
    ) -> ClassInfo:
        """Makes a class that stays when it has no instance."""

    def rename(self, old: str, new: str) -> None:
        """Gives a class another name and keeps the old one as a synonym."""

    def merge(self, names: Sequence[str], into: str) -> int:
        """Makes classes part of another one; returns how many instances moved."""

    def begin_source(self, kind: SourceKind, description: str, key: str | None = None) -> int:
        """Begins an act of adding, or continues the one of the same ``key``, and returns its id."""

    def add(
        self, instances: Sequence[LabelledInstance], source_id: int, *, finished_images: Sequence[str] = ()
    ) -> list[int]:
        """Stores instances and notes images as finished, all or nothing; returns the instances' ids."""

    def finished_images(self, source_id: int) -> set[str]:
        """The images that a source is done with."""

    def search(self, queries: Float32, k: int) -> Neighbors:
        """The k nearest of everything that is committed, for each of ``(N, D)`` unit queries."""

    def census(self, vocabulary: Vocabulary) -> Census:
        """How many instances, of how many images, the classes of a vocabulary have."""

    def levels(self, vocabulary: Vocabulary) -> Levels:
        """How similar rows of each class are to each other across images."""

    def held_out(self, k: int) -> tuple[Neighbors, Int64]:
        """For a sample of rows the k nearest rows of other images, and the true class ids ``(Q,)`` of the sample.

        The sample is a function of the rows, not of the order in which they came.
        """

    def evidence(self, instance_ids: Iterable[int]) -> dict[int, Evidence]:
        """What is known of instances, by id, with similarity 0; unknown ids are left out."""

    def thumbnails(self, refs: Iterable[str]) -> dict[str, bytes]:
        """The JPEG thumbnails of images, by reference; unknown images are left out."""

    def forget(
        self,
        *,
        class_name: str | None = None,
        source_id: int | None = None,
        instance_ids: Sequence[int] | None = None,
        reason: str = "",
    ) -> int:
        """Removes a class, a source or single instances for good; returns how many instances that were."""

    def close(self) -> None:
        """Gives back what the store holds open."""
