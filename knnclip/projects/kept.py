"""What the parts made of pictures, kept in memory while there is room: relabelling then reads no file."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

from numpy.typing import NDArray

from knnclip.analysis import Analysis

MOST_BYTES = 2**30
"""Of analyses in memory: a hundred pictures of half a megapixel. Those beyond are read from the segmenter's cache on
the disk, at half the cost of a label."""


class KeptAnalyses:
    """The analyses of contents, up to a number of bytes. Several threads may use it."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        """Nothing is kept yet."""
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, tuple[Analysis, int]] = OrderedDict()
        self._bytes = 0

    def get(self, content_id: int) -> Analysis | None:
        """The analysis of a content, None where it is not kept."""
        with self._lock:
            found = self._kept.get(content_id)
            if found is None:
                return None
            self._kept.move_to_end(content_id)
            return found[0]

    def put(self, content_id: int, analysis: Analysis, *, by_hand: bool) -> None:
        """Keeps an analysis if there is room.

        One that somebody looks at takes the place of the others that were used least lately. The background does not
        drive anything out: it goes through all pictures in turn, so that each would be gone just before it is asked.
        """
        size = _size(analysis)
        with self._lock:
            if content_id in self._kept or size > self._most_bytes:
                return
            while by_hand and self._bytes + size > self._most_bytes:
                _, (_, freed) = self._kept.popitem(last=False)
                self._bytes -= freed
            if self._bytes + size <= self._most_bytes:
                self._kept[content_id] = (analysis, size)
                self._bytes += size


def _size(analysis: Analysis) -> int:
    """Bytes of an analysis with all that labelling works out of it."""
    arrays: list[NDArray[Any]] = [
        analysis.image,
        analysis.embeddings,
        analysis.atoms.labels,
        analysis.atoms.covers,
        *(mask.crop for mask in analysis.proposals.masks),
    ]
    if analysis.cells is not None:
        arrays.append(analysis.cells.embeddings)
    if analysis.descriptions is not None:
        arrays.append(analysis.descriptions)
    return sum(array.nbytes for array in arrays)
