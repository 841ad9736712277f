"""A labelled picture reduced to what any answer about it can be scored by.

Once a picture is cut and encoded, another store or other settings are scored without a forward pass: exactly as if it
were segmented again. Vectors and truth of thousands of pictures would fill the memory, so what is large lies in files
without a name, which go with the case.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from knnclip.analysis import Analysis
from knnclip.decision.assembly import scores_of_atoms, share_of_masks
from knnclip.decision.dense import winners
from knnclip.evaluation.class_matching import index_of_class
from knnclip.segmenter import Segmenter
from knnclip.structures import UNKNOWN, Beliefs, Bool, Cells, Float32, Int32, Int64
from knnclip.vocabulary import Vocabulary

Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Case:
    """A picture of A atoms under N masks, and its truth over C classes."""

    classes: int  # C
    truth: Int32  # (H, W) index of the class, negative where the truth says nothing
    labels: Int32  # (H, W) atom of each pixel
    covers: Bool  # (A, N) which masks lie over which atoms
    scores: Float32  # (N,) of the masks
    embeddings: Float32  # (N, D)
    descriptions: Float32 | None  # (N, E)
    cells: Cells | None

    def confusion(self, beliefs: Beliefs, vocabulary: Vocabulary, to_index: Int32) -> Int64:
        """``(C, C + 1)`` pixel counts of what these beliefs come to, unknown in the last column.

        Equal to counting the pixels of the semantic map. ``to_index``: see ``index_of_class``.
        """
        scores = scores_of_atoms(share_of_masks(self.covers, self.scores), beliefs.final)
        column, _ = winners(scores, self.labels, beliefs.dense)
        answer = to_index[np.append(vocabulary.class_ids, UNKNOWN)][column]
        there, side = self.truth >= 0, self.classes + 1
        pairs = self.truth[there].astype(np.int64) * side + answer[there] % side  # unknown, -1, is the last column
        return np.bincount(pairs, minlength=self.classes * side).reshape(self.classes, side).astype(np.int64)


def make_case(truth: Int32, classes: int, analysis: Analysis) -> Case:
    """The case of a picture with its truth, ``(H, W)`` indices below ``classes``, negative where it says nothing."""
    cells = analysis.cells
    return Case(
        classes=classes,
        truth=_on_disk(truth),
        labels=_on_disk(analysis.atoms.labels),
        covers=analysis.atoms.covers,
        scores=analysis.proposals.scores,
        embeddings=analysis.embeddings,
        descriptions=analysis.descriptions,
        cells=None if cells is None else Cells(_on_disk(cells.embeddings), cells.layout),
    )


def _on_disk(array: NDArray[Number]) -> NDArray[Number]:
    """The same numbers in a file without a name, which the system reads as they are asked for."""
    with tempfile.TemporaryFile() as file:
        array.tofile(file)
        return np.memmap(file, dtype=array.dtype, mode="r", shape=array.shape)


def confusion_of_cases(segmenter: Segmenter, cases: Sequence[Case], class_names: Sequence[str]) -> Int64:
    """``(C, C + 1)``: what the store as it is now makes of all cases together."""
    total = np.zeros((len(class_names), len(class_names) + 1), dtype=np.int64)
    with segmenter.store.view() as view:
        to_index = index_of_class(view.vocabulary, [(name,) for name in class_names])
        for case in cases:
            (beliefs,) = segmenter.beliefs(view, case, [segmenter.preset])
            total += case.confusion(beliefs, view.vocabulary, to_index)
    return total
