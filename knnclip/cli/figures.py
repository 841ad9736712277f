"""Figures on the terminal, by the one schema of all reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from knnclip.cli.common import printable
from knnclip.evaluation.report import schema
from knnclip.evaluation.report.formats import PERCENT, mean_and_deviation
from knnclip.evaluation.report.schema import ClassResult, Figure, Headline, Place
from knnclip.evaluation.report.tables import class_rows


def print_headlines(headlines: Iterable[Headline]) -> None:
    """The figures of a set, a line each."""
    from rich.console import Console
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for headline in headlines:
        table.add_row(headline.label, headline.text, headline.note)
    table.columns[1].justify = "right"
    Console().print(table, highlight=False)


def print_classes(results: Sequence[ClassResult]) -> None:
    """A table with a row for each class, of all that was computed of them."""
    figures = (*schema.CLASSES, *schema.MATCHES)
    print_figures(figures, class_rows(results, figures), "files")


def print_figures(figures: Sequence[Figure], rows: Sequence[Mapping[str, Any]], place: Place = "brief") -> None:
    """A table with a row for each class, or for each compared setting; fractions are in percent."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    columns = schema.shown_in(place, figures, rows)
    # A name is never cut: settings are told apart by their ends.
    table = Table(*(Column(figure.short or figure.label, overflow="fold") for figure in columns))
    for row in rows:
        table.add_row(*(escape(printable(figure.form.text(row[figure.key]))) for figure in columns))
    Console().print(table)


def print_runs(figures: Sequence[Figure], runs: Sequence[Sequence[object]], first: str = "") -> None:
    """A table with a row for each step of several runs: means, of fractions with their standard deviation.

    ``first`` is the head of a column that numbers the rows; empty for none.
    """
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    columns = [figure for figure in figures if figure.shown == "brief"]
    heads = [figure.short or figure.label for figure in columns]
    table = Table(*([first] if first else []), *heads, box=SIMPLE, padding=0)  # to fit a terminal of 80 columns
    for number, found in enumerate(zip(*runs, strict=True), start=1):
        cells = [_over_runs(figure, [figure.of(step) for step in found]) for figure in columns]
        table.add_row(*([str(number)] if first else []), *cells)
    Console().print(table)


def _over_runs(figure: Figure, values: Sequence[float]) -> str:
    mean, deviation = mean_and_deviation(values)
    text = figure.form.text(mean)
    return f"{text}±{figure.form.text(deviation)}" if figure.form is PERCENT and mean == mean else text
