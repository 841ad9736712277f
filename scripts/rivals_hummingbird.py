"""Hummingbird's dense retrieval, by its own code, on the cells that the encoder of knnclip sees.

Of a checkout of vpariza/open-hummingbird-eval the memory of cells and their shares of classes, the choice of the rows
to keep, and the attention over the nearest are called as they are; what it imports must be there (pip install
pytorch-lightning). Two steps of it cannot be: its indices want a GPU or ScaNN, so faiss searches all rows on the CPU,
which finds what its exact index finds; its evaluation takes square maps alone, so answers are enlarged here, bilinearly
as there.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from knnclip.evaluation.cases import Case
from knnclip.structures import Int32, Int64

MEMORY = 102_400
"""Rows, of all cells where there are more: the smaller of the sizes (1024 * 10^2) that its tables are made with."""

CELL_PX = 8
"""Of the truth to a cell's width, to tell its shares: what preset ``light`` has of a picture 480 wide."""

VOID = 0
"""Its memory takes unlabelled pixels for the first class, the background of VOC: here a class of that meaning alone,
which no pixel is answered with."""


def open_checkout(checkout: Path) -> Any:  # noqa: ANN401 - a class of the checkout
    """Its evaluation, with an index that needs neither a GPU nor ScaNN."""
    if not (checkout / "hbird").is_dir():
        raise SystemExit(f"{checkout} has no folder hbird: give a checkout of vpariza/open-hummingbird-eval")
    sys.path.append(str(checkout))
    made: Any = importlib.import_module("hbird.hbird_eval")
    made.logger.setLevel("WARNING")
    made.tqdm = lambda steps, **_: steps  # a bar for each of hundreds of memories says nothing
    return type("OnCells", (made.HbirdEvaluation,), {"_create_nn": _search_all})


def remember(evaluation: Any, cases: Sequence[Case], seed: int) -> Any:  # noqa: ANN401 - see ``open_checkout``
    """Its memory of these pictures, with its own number of neighbours; a seed chooses the rows of a bounded one."""
    import torch

    cells = [case.cells for case in cases]
    if any(of is None for of in cells):
        raise SystemExit("the encoder of this preset has no cells: choose another")
    models = importlib.import_module("hbird.models")
    rows = sum(of.embeddings.shape[0] * of.embeddings.shape[1] for of in cells if of is not None)
    # A resolution of 1 makes the width of what it is fed that of a cell in pixels, whatever the pictures' sizes are.
    extractor = models.FeatureExtractorSimple(
        torch.nn.Identity(), lambda _, fed: (fed[..., 0], None), eval_spatial_resolution=1, d_model=_width(cases[0])
    )
    torch.manual_seed(seed)
    return evaluation(
        extractor,
        _fed(cases),
        num_classes=cases[0].classes + 1,
        memory_size=MEMORY if rows > MEMORY else None,
        dataset_size=len(cases),
    )


def confusion(memory: Any, case: Case) -> Int64:  # noqa: ANN401 - see ``open_checkout``
    """``(C, C + 1)`` pixel counts of its answers, as ``Case.confusion`` has them; it calls nothing unknown."""
    import torch

    cells, truth = case.cells, case.truth.read()
    assert cells is not None
    height, width, _ = cells.embeddings.shape
    with torch.no_grad():
        asked = _features(case)
        shares = memory._cross_attention(asked, *memory._find_nearest_key_to_query(asked))
        maps = shares.reshape(1, height, width, -1).permute(0, 3, 1, 2)[:, VOID + 1 :]
        answer = torch.nn.functional.interpolate(maps, truth.shape, mode="bilinear").argmax(1)[0].numpy()
    there, side = truth >= 0, case.classes + 1
    counts = np.bincount(truth[there].astype(np.int64) * side + answer[there], minlength=case.classes * side)
    return counts.reshape(case.classes, side).astype(np.int64)


def _search_all(self: Any, n_neighbours: int, **_: object) -> None:  # noqa: ANN401 - a method of its class
    self.NN_algorithm = _Flat(self.feature_memory, n_neighbours)


class _Flat:
    """In place of its indices: the largest products of all rows."""

    def __init__(self, memory: Any, neighbours: int) -> None:  # noqa: ANN401 - a tensor
        import faiss

        self.neighbours = neighbours
        self.index = faiss.IndexFlatIP(memory.shape[1])
        self.index.add(memory.numpy())

    def find_nearest_neighbors(self, asked: Any) -> tuple[Any, Any]:  # noqa: ANN401 - a tensor
        """Rows and products, as its own indices give them."""
        products, rows = self.index.search(asked.numpy(), self.neighbours)
        return rows, products


def _fed(cases: Sequence[Case]) -> Iterator[tuple[Any, Any]]:
    """Its loader: features, ``(1, N, D, CELL_PX)``, alike along the last axis, and the truth as read from a PNG."""
    import torch

    for case in cases:
        features = _features(case)
        classes = torch.from_numpy(_truth_of_cells(case)) / 255  # in [0, 1]: it multiplies by 255
        yield features[..., None].expand(*features.shape, CELL_PX), classes[None, None]


def _features(case: Case) -> Any:  # noqa: ANN401 - a tensor
    """``(1, N, D)``"""
    import torch

    assert case.cells is not None
    return torch.from_numpy(case.cells.embeddings.astype(np.float32)).flatten(0, 1)[None]


def _width(case: Case) -> int:
    return int(case.embeddings.shape[1])


def _truth_of_cells(case: Case) -> Int32:
    """``(h * CELL_PX, w * CELL_PX)``: classes from 1 on, ``VOID`` where the truth says nothing."""
    assert case.cells is not None
    truth, grid = case.truth.read(), case.cells.embeddings.shape[:2]
    down, across = (
        ((np.arange(cells * CELL_PX) + 0.5) * side / (cells * CELL_PX)).astype(np.int64)
        for cells, side in zip(grid, truth.shape, strict=True)
    )
    return np.maximum(truth[np.ix_(down, across)] + 1, VOID).astype(np.int32)
