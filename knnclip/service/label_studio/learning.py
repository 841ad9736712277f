"""Annotations as teachings: each is one source of the store, however often Label Studio tells of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from knnclip.fields import Ident
from knnclip.service.engine import Engine
from knnclip.service.label_studio.results import Drawn, drawn
from knnclip.service.pictures import KeptPicture
from knnclip.store import SourceInfo

PREFIX = "label-studio"


@dataclass(frozen=True)
class AnnotationKey:
    """What an annotation is known by in the store: part of the key of its source."""

    project: str
    task: str
    annotation: str

    @classmethod
    def of(cls, project: Ident, task: Ident, annotation: Ident) -> AnnotationKey:
        """Of what Label Studio calls them: numbers, which some programs write as text."""
        return cls(str(project), str(task), str(annotation))

    @property
    def text(self) -> str:
        """The beginning of the source's key."""
        return json.dumps([PREFIX, self.project, self.task, self.annotation])


def learn(engine: Engine, key: AnnotationKey, picture: KeptPicture, result: object) -> int:
    """Teaches what an annotation holds now in place of what it held before; returns how many regions that are.

    The same annotation told again changes nothing. What it held before gives way in the same transaction.
    """
    regions = drawn(result, picture.analysis.proposals.shape)
    with engine.working(), engine.writing():
        before = _sources(engine, key)
        wanted = f"{key.text} {_digest(picture, regions)}"
        if any(source.key == wanted for source in before):
            return len(regions)
        if regions:
            held = [
                instance
                for source in before
                for instance in engine.segmenter.store.labelled(source_id=source.source_id)
            ]
            about = f"annotation {key.annotation} of task {key.task} in {picture.analysis.reference.ref}"
            engine.segmenter.teach_together(picture.analysis, regions, about, key=wanted, in_place_of=held)
        forget(engine, key, "the annotation was changed", keep=wanted)
    return len(regions)


def forget(engine: Engine, key: AnnotationKey, reason: str, keep: str | None = None) -> int:
    """Forgets what an annotation taught, but for the source of the key ``keep``; returns how many instances."""
    with engine.writing():
        store, count = engine.segmenter.store, 0
        for source in _sources(engine, key):
            if source.key != keep:
                count += store.forget(source_id=source.source_id, reason=reason)
    return count


def known(engine: Engine, project: str) -> list[AnnotationKey]:
    """The annotations of a project that have taught something."""
    found = []
    for source in engine.sources():
        if source.key is not None and source.key.startswith(f'["{PREFIX}"'):
            _, of_project, task, annotation = json.loads(source.key.rpartition(" ")[0])
            if of_project == project:
                found.append(AnnotationKey(of_project, task, annotation))
    return found


def _sources(engine: Engine, key: AnnotationKey) -> list[SourceInfo]:
    return [source for source in engine.sources() if source.key is not None and source.key.startswith(f"{key.text} ")]


def _digest(picture: KeptPicture, regions: Drawn) -> str:
    """What changes when the picture, a mask or a name does."""
    digest = hashlib.sha256(picture.picture_id.encode())
    for mask, name in regions:
        digest.update(json.dumps([name, mask.box_xyxy]).encode())
        digest.update(mask.encode())
    return digest.hexdigest()[:32]
