"""One way to write a figure."""

import math

import pytest

from knnclip.evaluation.report.formats import (
    COUNT,
    GAIN,
    MEGABYTES,
    PERCENT,
    interval_text,
    mean_and_deviation,
    percent,
)


@pytest.mark.parametrize(
    ("form", "value", "text"),
    [
        (PERCENT, 0.12345, "12.3"),
        (PERCENT, 1, "100.0"),
        (PERCENT, -0.0001, "0.0"),
        (PERCENT, math.nan, "-"),
        (PERCENT, None, "-"),
        (PERCENT, "a name", "a name"),
        (GAIN, 0.012, "+1.2"),
        (GAIN, -0.00001, "+0.0"),
        (GAIN, -0.012, "-1.2"),
        (COUNT, 12345, "12,345"),
        (COUNT, 12.5, "12"),
        (MEGABYTES, 2_340_000, "2.3"),
    ],
)
def test_a_figure_as_text(form, value, text):
    assert form.text(value) == text


def test_a_figure_to_be_sorted_by():
    assert PERCENT.number(0.12345) == 12.3
    assert PERCENT.number(math.nan) is None
    assert COUNT.number(7) == 7
    assert COUNT.number("seven") == "seven"


def test_an_interval():
    assert interval_text({"low": 0.1, "high": 0.25}) == "10.0 to 25.0"
    assert interval_text({"low": math.nan, "high": math.nan}) == "one image has no interval"
    assert percent(0.5) == "50.0"


def test_runs_count_where_the_figure_is_defined():
    assert mean_and_deviation([0.2, 0.4, math.nan, None]) == pytest.approx((0.3, 0.1))
    assert all(map(math.isnan, mean_and_deviation([math.nan, None])))
