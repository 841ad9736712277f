"""A labelled picture reduced to what any answer about it can be scored by.

Whether an answer is right only depends on the truth under each atom of the masks. So once a picture is cut and encoded,
another store or other settings are scored from a few thousand counts instead of from its pixels: exactly, and without a
forward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from knnclip.analysis import Analysis
from knnclip.decision.assembly import scores_of_atoms, share_of_masks
from knnclip.evaluation.class_matching import index_of_class
from knnclip.segmenter import Segmenter
from knnclip.structures import UNKNOWN, Beliefs, Bool, Float32, Int32, Int64
from knnclip.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Case:
    """A picture of A atoms under N masks, and its truth over C classes, of which P occur."""

    classes: int  # C
    present: Int64  # (P,) index of each class that occurs
    truth_px: Int64  # (A, P) pixels of these classes in each atom; where the truth says nothing counts nowhere
    covers: Bool  # (A, N) which masks lie over which atoms
    scores: Float32  # (N,) of the masks
    embeddings: Float32  # (N, D)
    descriptions: Float32 | None  # (N, E)

    def confusion(self, beliefs: Beliefs, vocabulary: Vocabulary, to_index: Int32) -> Int64:
        """``(C, C + 1)`` pixel counts of what these beliefs come to, unknown in the last column.

        Equal to counting the pixels of the semantic map. ``to_index``: see ``index_of_class``.
        """
        winner = scores_of_atoms(share_of_masks(self.covers, self.scores), beliefs.final).argmax(axis=1)
        answer = to_index[np.append(vocabulary.class_ids, UNKNOWN)[winner]]
        counted = np.zeros((self.classes + 1, len(self.present)), dtype=np.int64)  # -1, unknown, is the last row
        np.add.at(counted, answer, self.truth_px)
        matrix = np.zeros((self.classes, self.classes + 1), dtype=np.int64)
        matrix[self.present] = counted.T
        return matrix


def make_case(truth: Int32, classes: int, analysis: Analysis) -> Case:
    """The case of a picture with its truth, ``(H, W)`` indices below ``classes``, negative where it says nothing."""
    atoms = analysis.atoms
    there = truth >= 0
    present, column = np.unique(truth[there], return_inverse=True)
    cells = atoms.labels[there].astype(np.int64) * len(present) + column.ravel()
    return Case(
        classes=classes,
        present=present.astype(np.int64),
        truth_px=np.bincount(cells, minlength=len(atoms) * len(present)).reshape(len(atoms), len(present)),
        covers=atoms.covers,
        scores=analysis.proposals.scores,
        embeddings=analysis.embeddings,
        descriptions=analysis.descriptions,
    )


def confusion_of_cases(segmenter: Segmenter, cases: Sequence[Case], class_names: Sequence[str]) -> Int64:
    """``(C, C + 1)``: what the store as it is now makes of all cases together."""
    total = np.zeros((len(class_names), len(class_names) + 1), dtype=np.int64)
    with segmenter.store.view() as view:
        to_index = index_of_class(view.vocabulary, [(name,) for name in class_names])
        for case in cases:
            (beliefs,) = segmenter.beliefs(view, case.embeddings, case.descriptions, [segmenter.preset])
            total += case.confusion(beliefs, view.vocabulary, to_index)
    return total
