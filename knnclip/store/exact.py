"""Exact similarities: why the nearest rows depend on no linear algebra library, block size or insertion order.

Rows and queries are unit vectors rounded to float16. Every float16 number is a multiple of 2**-24, so the product of
two of magnitude at most 1 is a multiple of 2**-48, and so is every partial sum of an inner product. By Cauchy-Schwarz
each partial sum stays below 2, so it needs at most 49 bits. float64 has 53: no addition ever rounds, and **the float64
inner product is the true one, whatever the order of summation**. Adding in float32 does round, by at most
``float32_error``, which bounds how far a quick float32 search can be wrong, and therefore tells when it is right.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from knnclip.structures import Float32, Int64

Float64 = NDArray[np.float64]
UInt64 = NDArray[np.uint64]


def float32_error(dim: int) -> float:
    """Bound on the error of a float32 inner product of two rows of D numbers, in any order of summation.

    The products are exact, D - 1 additions of relative error u = 2**-24 remain: gamma_D * |x|.|y| (Higham, Accuracy and
    Stability of Numerical Algorithms, section 3.1). The 2 % cover rows that are not quite of unit length.
    """
    return 1.02 * dim * 2.0**-24


def exact_similarity(queries: Float32, rows: Float32) -> Float64:
    """``(N, M)`` inner products of ``(N, D)`` queries with ``(N, M, D)`` rows each."""
    products: Float64 = np.matmul(rows.astype(np.float64), queries.astype(np.float64)[:, :, None])[:, :, 0]
    return products


def nearest_first(similarity: Float64, key: UInt64, class_rank: Int64, instance_id: Int64) -> Int64:
    """The total order of candidates, along the last axis: falling similarity, then content.

    Rows of equal content can differ in their class alone, after renaming; then the order of class names decides. What
    is left to the instance id are rows that agree in all an answer is made of.
    """
    order: Int64 = np.lexsort((instance_id, class_rank, key, -similarity), axis=-1)
    return order
