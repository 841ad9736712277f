"""Some instances of one fold of the images: what to ask whoever was made without that fold."""

from __future__ import annotations

import numpy as np

from knnclip.knowledge import FoldSample
from knnclip.store.index import Index

MOST_ASKED = 256
"""Instances: enough for a quantile of 5 %, which is then the 13th smallest."""


def of_a_fold(index: Index) -> FoldSample | None:
    """A sample of the first fold that has instances of classes that other folds have too; None where none has.

    Those with the smallest content keys: the sample depends on which instances there are and on nothing else.
    """
    rows = index.rows
    for fold in np.unique(rows["fold"]).tolist():
        inside = rows["fold"] == fold
        known = np.flatnonzero(np.bincount(rows["class_id"][~inside]))
        asked = np.flatnonzero(inside & np.isin(rows["class_id"], known))
        if len(asked):
            chosen = asked[np.argsort(rows["key"][asked], kind="stable")[:MOST_ASKED]]
            return FoldSample(fold, index.vectors(chosen))
    return None
