"""An encoder's map lies in the space of its masks' vectors."""

import numpy as np

from knnclip.encoders import cells as module
from knnclip.encoders.cells import cells_of
from knnclip.parts.pooling import resampling


def test_a_cell_is_what_a_mask_of_one_place_would_be():
    maps = [np.random.default_rng(s).normal(size=(c, 4, 6)).astype(np.float32) for s, c in ((0, 5), (1, 3))]
    found = cells_of([maps], (0.5, 1.0), "tiles")
    assert found.embeddings.shape == (4, 6, 8)
    stages = [plane[:, 2, 3] / np.linalg.norm(plane[:, 2, 3]) for plane in maps]
    vector = np.concatenate([0.5 * stages[0], stages[1]])
    np.testing.assert_allclose(found.embeddings[2, 3], vector / np.linalg.norm(vector), atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(found.embeddings.astype(np.float32), axis=2), 1, atol=2e-3)


def test_the_grid_is_the_finest_that_is_not_too_fine(monkeypatch):
    views = [[np.ones((2, side, 2 * side), np.float32) for side in (8, 4, 2)], [np.ones((2, 3, 6), np.float32)] * 3]
    for most, grid in ((1000, (8, 16)), (100, (4, 8)), (20, (3, 6)), (9, (2, 4)), (4, (1, 2))):
        monkeypatch.setattr(module, "MAX_CELLS", most)
        assert cells_of(views, (1, 1, 1), "tiles").embeddings.shape[:2] == grid


def test_lines_are_averaged_or_interpolated():
    np.testing.assert_allclose(resampling(2, 4), [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])
    np.testing.assert_allclose(resampling(2, 3), [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]])
    np.testing.assert_allclose(resampling(3, 3), np.eye(3))
    np.testing.assert_allclose(resampling(7, 3).sum(axis=1), 1)


def test_a_silent_map_gives_no_cell():
    assert not cells_of([[np.zeros((3, 4, 4), np.float32)]], (1.0,), "tiles").embeddings.any()
