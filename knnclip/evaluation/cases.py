"""A labelled picture reduced to what any answer about it can be scored by.

Once a picture is cut and encoded, another store or other settings are scored without a forward pass: exactly as if it
were segmented again. Maps and truth of thousands of pictures would fill the memory: what is large is on a ``Shelf``.
"""

from __future__ import annotations

import math
import os
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from knnclip.analysis import Analysis
from knnclip.decision.assembly import scores_of_atoms, share_of_masks
from knnclip.decision.dense import winners
from knnclip.evaluation.class_matching import index_of_class
from knnclip.segmenter import Segmenter
from knnclip.structures import UNKNOWN, Beliefs, Bool, Cells, Float32, Int32, Int64, Layout
from knnclip.vocabulary import Vocabulary

Number = TypeVar("Number", bound=np.generic)


class Shelf:
    """One file without a name for the arrays of many pictures; it goes when nobody holds it any more."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the last case of it goes
        self._lock = threading.Lock()

    def put(self, array: NDArray[Number]) -> Shelved[Number]:
        """Writes an array to its end."""
        with self._lock:
            place = self._file.seek(0, os.SEEK_END)
            self._file.write(np.ascontiguousarray(array).tobytes())
        return Shelved(self, place, array.dtype, array.shape)

    def take(self, place: int, count: int) -> bytes:
        """Bytes from a place on."""
        with self._lock:
            self._file.seek(place)
            return self._file.read(count)


@dataclass(frozen=True, eq=False)
class Shelved(Generic[Number]):
    """An array on a shelf."""

    shelf: Shelf
    place: int
    dtype: np.dtype[Number]
    shape: tuple[int, ...]

    def read(self) -> NDArray[Number]:
        """The array."""
        content = self.shelf.take(self.place, self.dtype.itemsize * math.prod(self.shape))
        return np.frombuffer(content, dtype=self.dtype).reshape(self.shape)


@dataclass(frozen=True, eq=False)
class Case:
    """A picture of A atoms under N masks, and its truth over C classes."""

    classes: int  # C
    truth: Shelved[np.int32]  # (H, W) index of the class, negative where the truth says nothing
    labels: Shelved[np.int32]  # (H, W) atom of each pixel
    covers: Bool  # (A, N) which masks lie over which atoms
    scores: Float32  # (N,) of the masks
    embeddings: Float32  # (N, D)
    descriptions: Float32 | None  # (N, E)
    places: Shelved[np.float16] | None  # (h, w, D) of the cells
    layout: Layout

    @property
    def cells(self) -> Cells | None:
        """What the encoder saw at each place."""
        return None if self.places is None else Cells(self.places.read(), self.layout)

    def confusion(self, beliefs: Beliefs, vocabulary: Vocabulary, to_index: Int32) -> Int64:
        """``(C, C + 1)`` pixel counts of what these beliefs come to, unknown in the last column.

        Equal to counting the pixels of the semantic map. ``to_index``: see ``index_of_class``.
        """
        scores = scores_of_atoms(share_of_masks(self.covers, self.scores), beliefs.final)
        column, _ = winners(scores, self.labels.read(), beliefs.dense)
        answer = to_index[np.append(vocabulary.class_ids, UNKNOWN)][column]
        truth, side = self.truth.read(), self.classes + 1
        there = truth >= 0
        pairs = truth[there].astype(np.int64) * side + answer[there] % side  # unknown, -1, is the last column
        return np.bincount(pairs, minlength=self.classes * side).reshape(self.classes, side).astype(np.int64)


def make_case(truth: Int32, classes: int, analysis: Analysis, shelf: Shelf) -> Case:
    """The case of a picture with its truth, ``(H, W)`` indices below ``classes``, negative where it says nothing."""
    cells = analysis.cells
    return Case(
        classes=classes,
        truth=shelf.put(truth),
        labels=shelf.put(analysis.atoms.labels),
        covers=analysis.atoms.covers,
        scores=analysis.proposals.scores,
        embeddings=analysis.embeddings,
        descriptions=analysis.descriptions,
        places=None if cells is None else shelf.put(cells.embeddings),
        layout="tiles" if cells is None else cells.layout,
    )


def confusion_of_cases(segmenter: Segmenter, cases: Sequence[Case], class_names: Sequence[str]) -> Int64:
    """``(C, C + 1)``: what the store as it is now makes of all cases together."""
    total = np.zeros((len(class_names), len(class_names) + 1), dtype=np.int64)
    with segmenter.store.view() as view:
        to_index = index_of_class(view.vocabulary, [(name,) for name in class_names])
        for case in cases:
            (beliefs,) = segmenter.beliefs(view, case, [segmenter.preset])
            total += case.confusion(beliefs, view.vocabulary, to_index)
    return total
