"""The stored instances behind a segment as tiles of the page: one for each teaching, or for what was ingested."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from knnclip.output.rendering import evidence_crop
from knnclip.store import Store
from knnclip.structures import Evidence, Image, Segment


@dataclass(frozen=True, eq=False)
class Tile:
    """One act of adding behind a segment."""

    nearest: Evidence  # of what it stored, the one that is most like the segment
    is_teaching: bool  # whether it is taken back as a whole
    regions: int  # of what it stored, how many are among the evidence
    picture: Image | None  # with the outline of what was taught; None where the image was stored without a picture


def tiles(store: Store, segment: Segment) -> list[Tile]:
    """What is shown of a segment's evidence, the nearest first.

    One teaching has stored its mask and every proposal inside: it is one tile, with the mask that was taught, since it
    is taken back as a whole. What was ingested or imported is a tile an instance.
    """
    taught = store.taught_instances({item.source_id for item in segment.evidence})
    groups: dict[int, list[Evidence]] = {}  # by the instance that is shown
    for item in segment.evidence:
        groups.setdefault(taught.get(item.source_id, item.instance_id), []).append(item)
    pictures = crops(store, store.evidence(groups).values())
    return [
        Tile(items[0], items[0].source_id in taught, len(items), pictures.get(shown)) for shown, items in groups.items()
    ]


def crops(store: Store, evidence: Iterable[Evidence]) -> dict[int, Image]:
    """The ``(h, w, 3)`` picture of each stored instance with its outline, by id.

    Left out are those whose image was stored without a picture, and what was forgotten meanwhile.
    """
    items = list(evidence)
    masks = store.masks(item.instance_id for item in items)
    thumbnails = store.thumbnails({item.image_ref for item in items})
    return {
        item.instance_id: evidence_crop(item, thumbnails[item.image_ref], masks[item.instance_id])
        for item in items
        if thumbnails.get(item.image_ref) and item.instance_id in masks
    }


def file_name(image_ref: str) -> str:
    """The file name in an image's reference."""
    return image_ref.rsplit("/", 1)[-1].split("#")[0]
