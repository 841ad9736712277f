"""How rivals that answer from the encoder's cells are fed and scored."""

import numpy as np
import pytest

from knnclip.evaluation.cases import Case, Shelf
from scripts import rivals_cells


def case(truth):
    """Three classes, two cells by three."""
    shelf = Shelf()
    return Case(
        classes=3,
        truth=shelf.put(np.asarray(truth, dtype=np.int32)),
        labels=shelf.put(np.zeros(np.shape(truth), dtype=np.int32)),
        covers=np.zeros((1, 0), dtype=bool),
        scores=np.zeros(0, dtype=np.float32),
        embeddings=np.zeros((0, 4), dtype=np.float32),
        descriptions=None,
        places=shelf.put(np.arange(24, dtype=np.float16).reshape(2, 3, 4)),
        layout="tiles",
    )


BLOCKS = np.array([[0, 1, -1], [2, 2, 0]])


@pytest.mark.parametrize("side", [4, 8, 15])
def test_the_truth_of_a_cell_is_that_of_its_pixels_whatever_the_picture_measures(side):
    found = rivals_cells.truth_of_cells(case(np.kron(BLOCKS, np.ones((side, side)))))
    assert found.tolist() == np.kron(BLOCKS, np.ones((rivals_cells.CELL_PX, rivals_cells.CELL_PX))).tolist()


def test_features_are_the_cells_row_by_row():
    assert rivals_cells.features(case(BLOCKS))[4].tolist() == [16, 17, 18, 19]


def test_an_answer_is_counted_where_the_truth_speaks_and_calls_nothing_unknown():
    shares = np.eye(3, dtype=np.float32)[[[0, 2, 1], [2, 2, 1]]]
    assert rivals_cells.confusion(case(BLOCKS), shares).tolist() == [[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 2, 0]]
