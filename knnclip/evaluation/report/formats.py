"""How figures are written for people: the one place that turns fractions into percent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

UNDEFINED = "-"
"""Stands for a figure that is not defined: an IoU of a class that never occurred."""


@dataclass(frozen=True)
class Form:
    """A way to write a figure: numbers in a unit and to a decimal, anything else as it is."""

    scale: float  # the number is multiplied by it: 100 for percent
    decimals: int
    unit: str = ""
    sign: str = ""  # "+" to write the sign of numbers above zero too
    zero: str = ""  # what 0 stands for, where it is no number

    def number(self, value: object) -> object:
        """The figure as it is shown, to be sorted by: a number in its unit, a text, or None where it is undefined."""
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return None
        if not isinstance(value, int | float):
            return value
        if value == 0 and self.zero:
            return self.zero
        scaled = value * self.scale
        return round(scaled, self.decimals) + 0.0 if self.decimals else round(scaled)  # + 0.0: no minus before a zero

    def text(self, value: object) -> str:
        """The figure as it is shown, without its unit."""
        number = self.number(value)
        if number is None:
            return UNDEFINED
        return format(number, f"{self.sign},.{self.decimals}f") if isinstance(number, int | float) else str(number)


PERCENT = Form(100, 1, "%")
GAIN = Form(100, 1, "%", sign="+")
COUNT = Form(1, 0)
MEGABYTES = Form(1e-6, 1, "MB")
SECONDS = Form(1, 1, "s")
TEXT = Form(1, 0)


def percent(value: float | None) -> str:
    """A fraction in percent, without the sign: 0.5 is ``50.0``, NaN and None are ``-``."""
    return PERCENT.text(value)


def interval_text(interval: Mapping[str, float | None]) -> str:
    """An interval, by its ``low`` and ``high``, in percent."""
    if PERCENT.number(interval["low"]) is None:
        return "one image has no interval"
    return f"{percent(interval['low'])} to {percent(interval['high'])}"


def mean_and_deviation(values: Sequence[float | None]) -> tuple[float, float]:
    """The mean and the standard deviation of several runs, over those where the figure is defined; NaN if none is."""
    defined = [value for value in values if value is not None and not math.isnan(value)]
    if not defined:
        return math.nan, math.nan
    mean = sum(defined) / len(defined)
    return mean, math.sqrt(sum((value - mean) ** 2 for value in defined) / len(defined))
