"""What rivals share that answer from the encoder's cells alone: the cells and their truth as they want them, the score.

A rival is a function from pictures and a seed to what it has learned, and that a function from a picture to the shares
of the classes in its cells, ``(h, w, C)``. Shares are enlarged bilinearly, as the rivals do it; nothing is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from knnclip.evaluation.cases import Case
from knnclip.structures import Float32, Int32, Int64

Answer = Callable[[Case], Float32]
Learn = Callable[[Sequence[Case], int], Answer]

CELL_PX = 8
"""Of the truth to a cell's width, to tell its shares: what preset ``light`` has of a picture 480 wide."""


def grid_of(case: Case) -> tuple[int, int]:
    """Rows and columns of cells."""
    if case.places is None:
        raise SystemExit("the encoder of this preset has no cells: choose another")
    height, width, _ = case.places.shape
    return height, width


def features(case: Case) -> Float32:
    """``(N, D)`` unit vectors of the cells, row by row."""
    height, width = grid_of(case)
    assert case.places is not None
    return case.places.read().reshape(height * width, -1).astype(np.float32)


def truth_of_cells(case: Case) -> Int32:
    """``(h * CELL_PX, w * CELL_PX)`` classes, negative where the truth says nothing."""
    truth = case.truth.read()
    down, across = (
        ((np.arange(cells * CELL_PX) + 0.5) * side / (cells * CELL_PX)).astype(np.int64)
        for cells, side in zip(grid_of(case), truth.shape, strict=True)
    )
    return truth[np.ix_(down, across)]


def confusion(case: Case, shares: Float32) -> Int64:
    """``(C, C + 1)`` pixel counts of an answer, as ``Case.confusion`` has them."""
    import torch

    truth = case.truth.read()
    maps = torch.from_numpy(np.ascontiguousarray(shares)).permute(2, 0, 1)[None]
    answer = torch.nn.functional.interpolate(maps, truth.shape, mode="bilinear").argmax(1)[0].numpy()
    there, side = truth >= 0, case.classes + 1
    counts = np.bincount(truth[there].astype(np.int64) * side + answer[there], minlength=case.classes * side)
    return counts.reshape(case.classes, side).astype(np.int64)
