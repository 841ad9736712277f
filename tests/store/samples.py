"""Small stores and instances for the tests."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path

import numpy as np

from knnclip.images import encode_thumbnail
from knnclip.store import Store, View
from knnclip.store.digests import register
from knnclip.structures import Fingerprint, ImageReference, LabelledInstance, Mask, Neighbors, Origin

DIM = 8
FINGERPRINT = Fingerprint("test-encoder", "v1", "none", DIM)


def unit(seed: int, dim: int = DIM) -> np.ndarray:
    vector = np.random.default_rng(seed).standard_normal(dim)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def units(seed: int, count: int, dim: int = DIM) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def mask(seed: int, shape: tuple[int, int] = (12, 16)) -> Mask:
    dense = np.random.default_rng(seed).random(shape) < 0.3
    dense[seed % shape[0], seed % shape[1]] = True
    return Mask.from_dense(dense)


def image(ref: str, shape: tuple[int, int] = (12, 16)) -> ImageReference:
    return ImageReference(ref, shape[1], shape[0], thumbnail(ref))


@cache
def thumbnail(ref: str) -> bytes:
    """A picture that no other reference has."""
    noise = np.random.default_rng(list(ref.encode(errors="replace")))
    return encode_thumbnail(noise.integers(0, 256, (12, 16, 3), dtype=np.uint8))


def change(folder: Path, *statements: str, digests: bool = True) -> None:
    """Changes a store behind its back: as one who makes digests that fit, or as a disk that knows of none."""
    with closing(sqlite3.connect(folder / "store.db", isolation_level=None)) as connection:
        register(connection)
        if not digests:
            connection.create_function("row_digest", -1, lambda *_: b"8 bytes.", deterministic=True)
        for statement in statements:
            connection.execute(statement)


def instance(
    seed: int,
    class_name: str = "cat",
    ref: str = "a.png",
    *,
    embedding: np.ndarray | None = None,
    purity: float = 1.0,
    origin: Origin = "truth",
) -> LabelledInstance:
    vector = unit(seed) if embedding is None else embedding
    return LabelledInstance(vector, class_name, image(ref), mask(seed), purity, origin)


def batch(seed: int, count: int, names: str = "abcd", images: int = 7) -> list[LabelledInstance]:
    rng = np.random.default_rng(seed)
    return [
        instance(
            seed * 100_000 + i,
            str(rng.choice(list(names))),
            f"{rng.integers(images)}.png",
            purity=float(rng.uniform(0.5, 1)),
        )
        for i in range(count)
    ]


def new_store(folder: Path, *batches: list[LabelledInstance]) -> Store:
    store = Store.create(folder / "store", FINGERPRINT)
    for rows in batches:
        store.add(rows, store.begin_source("teach", "test"))
    return store


def answer(view: View, neighbors: Neighbors) -> list[list[tuple[object, ...]]]:
    """Neighbours without ids, which depend on the order of insertion: all that an answer may be made of."""
    stored = view.evidence(np.unique(neighbors.instance_id[neighbors.valid]))
    return [
        [
            ()
            if row_id < 0
            else (similarity, stored[row_id].class_name, stored[row_id].image_ref, stored[row_id].box_xyxy, purity)
            for row_id, similarity, purity in zip(ids, similarities, purities, strict=True)
        ]
        for ids, similarities, purities in zip(
            neighbors.instance_id.tolist(), neighbors.similarity.tolist(), neighbors.purity.tolist(), strict=True
        )
    ]


def answers(store: Store, k: int = 10, queries: np.ndarray | None = None) -> tuple[object, ...]:
    """Everything that later boxes compute their answer from."""
    queries = units(77, 6, store.fingerprint.dim) if queries is None else queries
    with store.view() as view:
        return answers_of(view, k, queries)


def answers_of(view: View, k: int, queries: np.ndarray) -> tuple[object, ...]:
    """The same of one state of a store."""
    sample = view.of_a_fold()
    return (
        answer(view, view.search(queries, k)),
        [(info.name, info.is_thing, info.color, info.synonyms) for info in view.vocabulary],
        view.census.instances.tolist(),
        view.census.images.tolist(),
        view.levels.floor.tolist(),
        view.levels.typical.tolist(),
        view.levels.known,
        None if sample is None else (sample.fold, sample.vectors.tolist()),
    )
