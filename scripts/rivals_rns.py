"""Retrieve and Segment without text, by its own code, on the cells that the encoder of knnclip sees.

Of a checkout of TilemahosAravanis/Retrieve-and-Segment the inference is called as it is, with the settings of its
``configs/clip.yaml``: for each picture a linear layer is trained on the support vectors that its cells retrieve, and
answers for the cells. What makes the support is bound to mmseg's data sets and to CUDA, so it is made here: of each
picture and class the mean of the cells, weighted by their shares of the class, as a unit vector. The search is that of
faiss on the CPU in place of its exact index on a GPU.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from rivals_cells import CELL_PX, Answer, Learn, features, grid_of, truth_of_cells

from knnclip.evaluation.cases import Case
from knnclip.structures import Float32

NAME = "RNS without text"


def open_checkout(checkout: Path) -> Learn:
    """Its inference; a seed chooses the weights that each layer begins with."""
    if not (checkout / "core" / "rns.py").is_file():
        raise SystemExit(f"{checkout} has no core/rns.py: give a checkout of TilemahosAravanis/Retrieve-and-Segment")
    import torch
    import yaml

    sys.path.append(str(checkout))
    made: Any = importlib.import_module("core.rns")
    made.retrieve_similar_feats = _search_all
    settings = yaml.safe_load((checkout / "configs" / "clip.yaml").read_text())
    method, k = settings["method"], settings["support"]["k"]
    here: Any = type("Here", (torch.Tensor,), {"cuda": lambda self: self.as_subclass(torch.Tensor)})  # where no GPU is

    def learn(cases: Sequence[Case], seed: int) -> Answer:
        classes, width = cases[0].classes, cases[0].embeddings.shape[1]
        nothing = torch.empty(0, width)
        state = SimpleNamespace(
            device="cpu",
            num_classes=classes,
            support_vlm_feats=torch.from_numpy(np.concatenate([_support(case) for case in cases])).as_subclass(here),
            k=k,
            mask_proposal="None",
            use_text=False,
            textual_embeddings=torch.zeros(classes, width),  # asked for, and of no weight without text
            mixed=nothing,
            mixed_labels=torch.arange(classes),
            drop_classes=torch.empty(0, dtype=torch.long),
            **{name: method[name] for name in ("lr", "epochs", "beta_mixed", "beta_pseudo")},
        )

        def answer(case: Case) -> Float32:
            torch.manual_seed(seed)
            height, width = grid_of(case)
            maps = torch.from_numpy(features(case)).T.reshape(1, -1, height, width)
            shares: Float32 = made.RNS_Inference(state, maps).detach().numpy().reshape(height, width, classes)
            return shares

        return answer

    return learn


def _support(case: Case) -> Float32:
    """``(C, D)``, infinite for classes that the picture lacks, which its search never finds then."""
    height, width = grid_of(case)
    tiles = truth_of_cells(case).reshape(height, CELL_PX, width, CELL_PX)
    shares = np.stack([(tiles == c).sum(axis=(1, 3)).ravel() for c in range(case.classes)])
    sums = shares.astype(np.float32) @ features(case)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.where(lengths > 0, sums / np.where(lengths > 0, lengths, 1), np.inf).astype(np.float32)


def _search_all(_: object, asked: Any, support: Any, k: int) -> tuple[Any, Any]:  # noqa: ANN401 - tensors
    """In place of its search: the largest products, -1 for the rows that are wanting."""
    import faiss
    import torch

    there = np.flatnonzero(np.isfinite(support.numpy()).all(axis=1))
    index = faiss.IndexFlatIP(support.shape[1])
    index.add(np.ascontiguousarray(support.numpy()[there]))
    products, rows = index.search(np.ascontiguousarray(asked.numpy()), k)
    return torch.from_numpy(products), torch.from_numpy(np.where(rows < 0, -1, there[rows]))
