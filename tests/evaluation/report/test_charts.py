"""Charts show what was computed, whatever the classes are called."""

import numpy as np
import pytest

from knnclip.evaluation.report.charts import BLUE, GREY, MAX_CLASSES, confusion_picture, iou_bars, shots_curve
from knnclip.metrics.semantic import SemanticConfusion


def scored(names, matrix):
    confusion = SemanticConfusion(names)
    confusion.matrix += np.array(matrix)
    return confusion


def width_of(picture, color):
    """The longest run of a colour in any row."""
    rgb = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    same = (picture == rgb).all(axis=-1)
    return max((len(run) for row in same for run in "".join("x" if v else " " for v in row).split()), default=0)


def test_a_bar_is_as_long_as_its_iou():
    low = iou_bars(scored(["a", "none"], [[30, 0, 70], [0, 0, 0]]).compute())
    high = iou_bars(scored(["a", "none"], [[90, 0, 10], [0, 0, 0]]).compute())
    assert low.shape == high.shape
    assert width_of(high, BLUE) == pytest.approx(3 * width_of(low, BLUE), rel=0.02)


def test_before_and_after_are_beside_each_other():
    now, before = scored(["a", "b"], [[9, 1, 0], [0, 8, 2]]), scored(["a", "b"], [[5, 5, 0], [0, 4, 6]])
    picture = iou_bars(now.compute(), before.compute())
    assert width_of(picture, BLUE) > width_of(picture, GREY) > 0


def test_an_undefined_iou_is_no_bar():
    assert iou_bars(scored(["a", "never seen"], [[5, 0, 0], [0, 0, 0]]).compute()).ndim == 3


@pytest.mark.parametrize("names", [["$x$", "a$b"], ["x" * 500, "日本 😀"], ["<b>\n", "\\frac{"]])
def test_no_name_breaks_a_chart(names):
    confusion = scored(names, [[5, 1, 2], [0, 4, 0]])
    for picture in (confusion_picture(confusion), iou_bars(confusion.compute())):
        assert picture.dtype == np.uint8
        assert picture.ndim == 3
        assert max(picture.shape) < 2000


def test_the_confusion_is_dark_where_the_answers_are():
    right, wrong = scored(["a", "b"], [[9, 0, 0], [0, 9, 0]]), scored(["a", "b"], [[0, 0, 9], [0, 0, 9]])
    dark = [(confusion_picture(c) == (8, 48, 107)).all(axis=-1) for c in (right, wrong)]  # the last of "Blues"
    columns = [np.flatnonzero(cells.any(axis=0)) for cells in dark]
    assert columns[0].max() < columns[1].min() + 2, "all unknown: the dark cells are in the last column"
    assert np.ptp(columns[0]) > 1.5 * np.ptp(columns[1])


def test_hundreds_of_classes_give_a_chart_that_can_be_looked_at():
    many = scored([f"c{i}" for i in range(847)], np.eye(847, 848, dtype=np.int64) * np.arange(1, 848)[:, None])
    few = scored([f"c{i}" for i in range(MAX_CLASSES)], np.eye(MAX_CLASSES, MAX_CLASSES + 1, dtype=np.int64))
    assert iou_bars(many.compute()).shape == iou_bars(few.compute()).shape
    assert max(confusion_picture(many).shape) < 2500


def test_shots_rise_from_left_to_right():
    picture = shots_curve([[("1", 0.1), ("5", 0.5), ("all", 0.9)], [("1", 0.2), ("5", 0.5), ("all", 0.9)]])
    blue = (picture == [0, 114, 178]).all(axis=-1)
    columns = np.flatnonzero(blue.any(axis=0))
    left, right = (np.flatnonzero(blue[:, c]).mean() for c in (columns[0], columns[-1]))
    assert right < left
