"""Sums of the embeddings and of their products: all that a closed-form discriminant needs of them, kept exactly.

Numbers are rounded to multiples of ``1 / GRID`` first. Sums of such numbers and of their products are whole numbers,
and float64 holds whole numbers up to 2**53: no addition rounds, so the sums depend on which instances there are and on
nothing else. What is added and taken away again leaves the same bits.

Products grow with the square of D. Of vectors of more than ``MOST_FULL`` numbers only those of each number with itself
are kept: what is said of D x D numbers is then said of the D of its diagonal.

Images are dealt into ``FOLDS`` by their names, and sums are kept for each fold: without one of them they are what the
store would know if it had never seen its images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from knnclip.store.exact import Float64
from knnclip.structures import Int64

GRID = 2.0**13
"""Steps to 1. A number of a unit vector of 500 is some 360 steps, and 2**27 instances can be summed up: finer steps
leave room for fewer, coarser ones blur what is small."""

FOLDS = 4
"""Each has enough images to be asked, and leaves three quarters to be asked of; each costs D x D numbers."""

CHUNK_NUMBERS = 2**20
"""Numbers that are added or taken away at a time: 8 MB as float64, however many instances there are."""

MOST_FULL = 2048
"""The largest D whose products are kept in full: all folds take 134 MB then, and an instance more some 50 ms. At the
16,384 numbers that a store may have they would take 8.6 GB."""


def fold_of(image_ref: str) -> int:
    """The fold of an image, the same on every machine.

    By a hash whose every bit depends on every letter: the last bits of a checksum such as CRC-32 are the same for whole
    runs of names that differ in a digit.
    """
    return blake2b(image_ref.encode("utf-8", "surrogatepass"), digest_size=8).digest()[0] % FOLDS


def product_shape(dim: int) -> tuple[int, ...]:
    """Of the sum of the products of vectors of D numbers: ``(D, D)``, or ``(D,)`` where only its diagonal is kept."""
    return (dim, dim) if dim <= MOST_FULL else (dim,)


@dataclass(frozen=True, eq=False)
class Moments:
    """What a set of instances adds up to, in steps of the grid. Immutable."""

    products: tuple[Float64, ...]  # FOLDS of (D, D), or (D,): the sum of x x^T, or its diagonal
    sums: Mapping[tuple[int, int], Float64]  # of a class id and a fold: (D + 1,), the sum of x, and how many

    @classmethod
    def empty(cls, dim: int) -> Moments:
        """Of no instance."""
        return cls((np.zeros(product_shape(dim)),) * FOLDS, {})

    @property
    def dim(self) -> int:
        """D."""
        return len(self.products[0])

    def changed(
        self, vectors: NDArray[np.floating], class_id: Int64, fold: NDArray[np.integer], sign: Literal[1, -1]
    ) -> Moments:
        """With ``(n, D)`` vectors more, or fewer where ``sign`` is -1; ``class_id`` and ``fold`` are ``(n,)``."""
        products, sums = list(self.products), dict(self.sums)
        for number in np.unique(fold).tolist():
            inside = fold == number
            steps = np.rint(np.multiply(vectors[inside], GRID, dtype=np.float64))
            added = steps.T @ steps if products[number].ndim == 2 else np.square(steps).sum(axis=0)
            products[number] = products[number] + sign * added
            owner = class_id[inside]
            order = np.argsort(owner, kind="stable")
            owners, starts = np.unique(owner[order], return_index=True)
            totals = np.add.reduceat(steps[order], starts, axis=0)
            counts = np.diff(np.append(starts, len(order)))
            for of_class, total, count in zip(owners.tolist(), totals, counts.tolist(), strict=True):
                self._add(sums, (of_class, number), sign * np.append(total, count))
        return Moments(tuple(products), sums)

    def relabelled(self, class_id: int, into_class_id: int) -> Moments:
        """With all instances of one class given to another."""
        sums = dict(self.sums)
        for fold in range(FOLDS):
            if (moved := sums.pop((class_id, fold), None)) is not None:
                self._add(sums, (into_class_id, fold), moved)
        return Moments(self.products, sums)

    def of_classes(self, class_ids: Int64, without: int | None = None) -> tuple[Float64, Float64, Float64]:
        """Of C classes: how many instances, ``(C,)``, their sums, ``(C, D)``, and the sum of x x^T of all.

        That is ``(D, D)``, or its diagonal, ``(D,)``. ``without`` leaves out a fold.
        """
        folds = [fold for fold in range(FOLDS) if fold != without]
        found = np.zeros((len(class_ids), self.dim + 1))
        for row, class_id in enumerate(class_ids.tolist()):
            for fold in folds:
                if (part := self.sums.get((class_id, fold))) is not None:
                    found[row] += part
        product = sum((self.products[fold] for fold in folds), np.zeros(product_shape(self.dim)))
        return found[:, -1], found[:, :-1] / GRID, product / GRID**2

    def same_as(self, other: Moments) -> bool:
        """Whether all sums are equal, to the bit."""
        return (
            self.sums.keys() == other.sums.keys()
            and all(np.array_equal(own, other.sums[key]) for key, own in self.sums.items())
            and all(np.array_equal(own, theirs) for own, theirs in zip(self.products, other.products, strict=True))
        )

    @staticmethod
    def _add(sums: dict[tuple[int, int], Float64], key: tuple[int, int], more: Float64) -> None:
        known = sums.get(key)
        total = more if known is None else known + more
        if total[-1]:
            sums[key] = total
        else:
            sums.pop(key, None)  # what is left of no instance is zero
