"""Hummingbird's dense retrieval, by its own code, on the cells that the encoder of knnclip sees.

Of a checkout of vpariza/open-hummingbird-eval the memory of cells and their shares of classes, the choice of the rows
to keep, and the attention over the nearest are called as they are; what it imports must be there (pip install
pytorch-lightning). Two steps of it cannot be: its indices want a GPU or ScaNN, so faiss searches all rows on the CPU,
which finds what its exact index finds; its evaluation takes square maps alone, so answers are enlarged and scored here.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rivals_cells import CELL_PX, Answer, Learn, features, grid_of, truth_of_cells

from knnclip.evaluation.cases import Case
from knnclip.structures import Float32

NAME = "hummingbird"

MEMORY = 102_400
"""Rows, of all cells where there are more: the smallest of the sizes that its tables are made with."""

VOID = 0
"""Its memory takes unlabelled pixels for the first class, the background of VOC: here a class of that meaning alone,
which no pixel is answered with."""


def open_checkout(checkout: Path) -> Learn:
    """Its evaluation with its own number of neighbours; a seed chooses the rows of a bounded memory."""
    if not (checkout / "hbird").is_dir():
        raise SystemExit(f"{checkout} has no folder hbird: give a checkout of vpariza/open-hummingbird-eval")
    sys.path.append(str(checkout))
    made: Any = importlib.import_module("hbird.hbird_eval")
    models: Any = importlib.import_module("hbird.models")
    made.logger.setLevel("WARNING")
    made.tqdm = lambda steps, **_: steps  # a bar for each of hundreds of memories says nothing
    evaluation = type("OnCells", (made.HbirdEvaluation,), {"_create_nn": _search_all})

    def learn(cases: Sequence[Case], seed: int) -> Answer:
        import torch

        rows = sum(height * width for height, width in map(grid_of, cases))
        # A resolution of 1 makes the width of what it is fed that of a cell in pixels, whatever the pictures' sizes.
        extractor = models.FeatureExtractorSimple(
            torch.nn.Identity(),
            lambda _, fed: (fed[..., 0], None),
            eval_spatial_resolution=1,
            d_model=cases[0].embeddings.shape[1],
        )
        torch.manual_seed(seed)
        memory = evaluation(
            extractor,
            _fed(cases),
            num_classes=cases[0].classes + 1,
            memory_size=MEMORY if rows > MEMORY else None,
            dataset_size=len(cases),
        )

        def answer(case: Case) -> Float32:
            asked = torch.from_numpy(features(case))[None]
            shares = memory._cross_attention(asked, *memory._find_nearest_key_to_query(asked))
            of_classes: Float32 = shares.reshape(*grid_of(case), -1)[..., VOID + 1 :].numpy()
            return of_classes

        return answer

    return learn


def _fed(cases: Sequence[Case]) -> Iterator[tuple[Any, Any]]:
    """Its loader: features, ``(1, N, D, CELL_PX)``, alike along the last axis, and the truth as read from a PNG."""
    import torch

    for case in cases:
        cells = torch.from_numpy(features(case))[None, ..., None]
        classes = torch.from_numpy((truth_of_cells(case) + 1).clip(VOID)) / 255  # in [0, 1]: it multiplies by 255
        yield cells.expand(*cells.shape[:3], CELL_PX), classes[None, None]


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
