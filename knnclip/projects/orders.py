"""The orders in which a project shows its pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

import numpy as np

from knnclip.errors import lookup
from knnclip.projects.listing import natural
from knnclip.projects.records import Picture
from knnclip.projects.review import spread
from knnclip.projects.rows import Described

Order = Literal["path", "review", "least-sure", "most-unknown", "newest", "differing"]

_KEYS: Mapping[str, Callable[[Picture], float]] = MappingProxyType(
    {
        "least-sure": lambda picture: 2.0 if picture.summary is None else picture.summary.confidence,
        "most-unknown": lambda picture: 1.0 if picture.summary is None else -picture.summary.unknown,
        "newest": lambda picture: -picture.changed,
        "differing": lambda picture: 1.0 if picture.summary is None else -picture.summary.differs,
    }
)
"""What the pictures are sorted by, rising; of equal ones the path decides. Those without an answer go last."""


def arranged(
    pictures: Sequence[Picture], order: Order, contents: Mapping[int, Described], *, is_labelled: bool
) -> list[Picture]:
    """Pictures in an order, see ``Project.pictures``; ``UsageError`` for one that there is not.

    ``contents``: what is known of what each picture shows, by its id; only the order of review needs it.
    """
    by_path = sorted(pictures, key=lambda item: natural(item.path))
    usable = [item for item in by_path if item.is_usable]
    rejected = [item for item in by_path if not item.is_usable]
    if order == "review" and not is_labelled:
        usable = _by_review(usable, contents)
    elif order != "path":
        usable.sort(key=lookup("order", "differing" if order == "review" else order, _KEYS))
    return usable + rejected


def _by_review(pictures: Sequence[Picture], contents: Mapping[int, Described]) -> list[Picture]:
    known = [item for item in pictures if item.picture_id in contents]
    checked = [item for item in known if item.state == "checked"]
    todo = [item for item in known if item.state != "checked"]
    need = [_need(item, contents[item.picture_id].novelty) for item in todo]
    vectors, seen = (
        np.array([contents[item.picture_id].vector for item in group], dtype=np.float32) for group in (todo, checked)
    )
    ordered = [todo[at] for at in spread(vectors, np.array(need, dtype=np.float64), seen)]
    return [*ordered, *(item for item in pictures if item.picture_id not in contents), *checked]


def _need(picture: Picture, novelty: float) -> float:
    """How much there is to learn in a picture: what has no name there, and how far it is from everything stored."""
    return novelty + (0.0 if picture.summary is None else picture.summary.unknown)
