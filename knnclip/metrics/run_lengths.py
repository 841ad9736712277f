"""Label maps as runs: neighbouring pixels mostly have the same label, so a map has far fewer runs than pixels.

Whatever is counted over pixels is counted over runs, weighted by their lengths, at a fraction of the cost.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from knnclip.structures import Int64


def runs(*maps: NDArray[np.integer]) -> tuple[Int64, Int64]:
    """Where in the flattened maps, all of one shape, a run begins in which none of them changes, and its length."""
    flat = [labels.ravel() for labels in maps]
    begins = np.zeros(flat[0].size, dtype=bool)
    begins[:1] = True
    for labels in flat:
        begins[1:] |= labels[1:] != labels[:-1]
    starts = np.flatnonzero(begins)
    return starts, np.diff(starts, append=flat[0].size)


def counts_of(values: NDArray[np.integer], lengths: Int64, cells: int) -> Int64:
    """``(cells,)``: the pixels of each value, from one value a run. Sums of whole numbers in float64 are exact."""
    return np.bincount(values, weights=lengths, minlength=cells).astype(np.int64)
