"""What a store tells about its contents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from knnclip.structures import Fingerprint, LabelledInstance, Mask, Origin
from knnclip.vocabulary import ClassInfo, Color

SourceKind = Literal["ingest", "teach", "import"]


@dataclass(frozen=True, eq=False)
class StoredInstance:
    """One instance as the store has it."""

    instance_id: int  # never reused
    class_id: int
    class_name: str
    image_id: int
    image_ref: str
    mask: Mask
    purity: float  # in (0, 1]
    origin: Origin
    source_id: int


@dataclass(frozen=True)
class SourceInfo:
    """One act of adding: the unit of undo."""

    source_id: int  # never reused
    kind: SourceKind
    description: str
    key: str | None  # what makes two acts the same, so that the second continues the first
    created: str  # ISO 8601, UTC
    instances: int  # that are in the store now
    finished_images: int


KeptClass = tuple[ClassInfo, Color | None, bool]
"""A class as the database has it: with the colour that it was given, if any, and whether it stays without instances."""


@dataclass(frozen=True, eq=False)
class Withdrawn:
    """Instances that were taken out together, with what is needed to put them back."""

    instances: dict[int, LabelledInstance]  # by the ids that they had
    source_of: dict[int, int]  # instance id -> source id
    sources: tuple[SourceInfo, ...]  # of these instances
    classes: tuple[KeptClass, ...]  # of these instances


NOTHING = Withdrawn({}, {}, (), ())


@dataclass(frozen=True)
class Exchange:
    """What one act changed: with both parts it can be taken back."""

    put: dict[int, int]  # the id that each instance had before, if any -> the one it has
    taken: Withdrawn


@dataclass(frozen=True)
class Event:
    """One write transaction; the log only ever grows."""

    generation: int  # 1, 2, 3, ... without gaps
    time: str  # ISO 8601, UTC
    kind: str
    detail: Mapping[str, object]  # what JSON can hold


@dataclass(frozen=True)
class StoreInfo:
    """A store in numbers, for people to read."""

    path: Path
    fingerprint: Fingerprint  # of the encoder that its embeddings came from
    schema_version: int
    created: str  # ISO 8601, UTC
    generation: int  # write transactions so far
    classes: int
    instances: int
    images: int  # with at least one instance
    sources: int
    size_bytes: int  # of the database; the index cache comes beside it
    settings: Mapping[str, str]  # by rising name
