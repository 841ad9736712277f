"""What every format of export is made of: the pictures that it gets, the classes, and the format itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from knnclip.files import path_text
from knnclip.output.exports.draft import DraftFolder
from knnclip.structures import Segment
from knnclip.vocabulary import ClassInfo, Vocabulary

Json = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture on its way into an export, and what is to be said of it."""

    number: int  # of this export, from 1
    file_name: str  # of its copy, unlike that of any other picture
    stem: str  # the same without suffix
    source: str  # where it was, as text
    shape: tuple[int, int]  # (H, W) upright, as it is seen
    objects: tuple[Segment, ...]  # those with a class, their masks of this shape


class ClassTable:
    """All classes that an export has met, in an order that never changes: that of their numbers in the file."""

    def __init__(self) -> None:
        """No class is known yet."""
        self._places: dict[int, int] = {}
        self._infos: dict[int, ClassInfo] = {}

    def learn(self, vocabulary: Vocabulary) -> None:
        """Adds the classes that are new, by rising id, and what others are called by now."""
        for info in sorted(vocabulary, key=lambda info: info.class_id):
            self._places.setdefault(info.class_id, len(self._places))
            self._infos[info.class_id] = info

    def place(self, class_id: int) -> int:
        """The place of a class, from 0."""
        return self._places[class_id]

    def __iter__(self) -> Iterator[ClassInfo]:
        return iter(self._infos.values())


class Writer(ABC):
    """One export under work: gets its pictures one after the other and keeps none of them."""

    def __init__(self, folder: DraftFolder, classes: ClassTable) -> None:
        """``folder`` takes the files; ``classes`` has those of a picture before it is added, and grows meanwhile."""
        self.folder = folder
        self.classes = classes

    @abstractmethod
    def add(self, picture: Picture) -> None:
        """Writes what is said of one picture; its pixels are none of a writer's business."""

    def finish(self) -> None:  # noqa: B027 - most formats have nothing to add
        """Writes what is known only after the last picture."""


@dataclass(frozen=True)
class ExportFormat:
    """One format of export."""

    name: str  # as --write takes it, and the name of its folder
    open: Callable[[DraftFolder, ClassTable], Writer]
    files: str  # what the folder holds, for people
    keeps: str  # what of an answer the format holds, for people
    pictures: str | None  # folder of the pictures in it; None if they do not belong to it


def provenance(segment: Segment) -> Json:
    """Why an object is called so: its probability in [0, 1], what decided, and the nearest stored instance if any."""
    said: Json = {"score": segment.confidence, "decision": segment.decision, "segment_id": segment.segment_id}
    if segment.evidence:
        nearest = segment.evidence[0]
        said["nearest"] = {
            "instance_id": nearest.instance_id,
            "similarity": nearest.similarity,
            "class": nearest.class_name,
            "image": path_text(nearest.image_ref),
        }
    return said
