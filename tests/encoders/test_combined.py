"""A combination is the weighted concatenation of its parts."""

import numpy as np
import pytest

from knnclip.encoders.combined import CombinedEncoder
from knnclip.errors import UsageError
from knnclip.structures import Fingerprint, Mask, unit_rows


class Constant:
    """Gives random vectors that depend on the seed and the number of the mask."""

    def __init__(self, seed, dim):
        self.seed, self.dim = seed, dim

    @property
    def fingerprint(self):
        return Fingerprint(f"constant-{self.seed}", "1", "none", self.dim)

    def encode(self, image, masks):
        vectors = np.random.default_rng(self.seed).standard_normal((len(masks), self.dim))
        return unit_rows(vectors, where="test")


IMAGE = np.zeros((4, 4, 3), np.uint8)
MASKS = [Mask.from_dense(np.eye(4)), Mask.from_dense(np.ones((4, 4)))]


def test_similarity_is_the_weighted_mean_of_the_parts():
    parts = [Constant(0, 5), Constant(1, 9)]
    made = CombinedEncoder(parts, [2.0, 1.0])
    vectors = made.encode(IMAGE, MASKS)
    assert vectors.shape == (2, made.fingerprint.dim) == (2, 14)
    cosines = [np.dot(*part.encode(IMAGE, MASKS)) for part in parts]
    assert np.dot(*vectors) == pytest.approx((4 * cosines[0] + cosines[1]) / 5, abs=1e-6)
    assert made.encode(IMAGE, []).shape == (0, 14)


def test_the_fingerprint_changes_with_every_part_weight_and_order():
    a, b, c = Constant(0, 5), Constant(1, 9), Constant(2, 9)
    prints = [
        CombinedEncoder(encoders, weights).fingerprint
        for encoders, weights in [([a, b], [1, 1]), ([b, a], [1, 1]), ([a, c], [1, 1]), ([a, b], [1, 2])]
    ]
    assert len(set(prints)) == 4
    assert CombinedEncoder([a, b], [1, 1]).fingerprint == prints[0]


@pytest.mark.parametrize(("count", "weights"), [(1, [1]), (2, [1]), (2, [1, 0]), (2, [1, -1])])
def test_wrong_combinations_are_refused(count, weights):
    with pytest.raises(UsageError, match="at least two encoders"):
        CombinedEncoder([Constant(i, 3) for i in range(count)], weights)
