"""A folder of results -> one HTML file that needs nothing else: no network, no other file.

It shows whatever of scores, continual and few-shot results the folder holds, so each of them may be made on its own and
the report written again. What stands where, and every word around the figures, is in ``report.html.j2``.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from knnclip.errors import InputError
from knnclip.evaluation.report import schema
from knnclip.evaluation.report.formats import mean_and_deviation
from knnclip.evaluation.report.schema import Figure, Json, Place
from knnclip.evaluation.report.tables import COMPARED, SCORES
from knnclip.fields import Fields
from knnclip.files import read_json, write_atomically

PAGE, TEMPLATE = "report.html", "report.html.j2"
PICTURES, CONTINUAL, SHOTS = "pictures.json", "continual.json", "shots.json"
BARS_PNG, CONFUSION_PNG, CONTINUAL_PNG, SHOTS_PNG = "iou.png", "confusion.png", "continual.png", "shots.png"

PICTURE_KINDS: Mapping[str, str] = MappingProxyType(
    {"worst": "Worst images", "best": "Best images", "confusion": "Evidence for the worst confusions"}
)
"""The head over the pictures of each kind, in the order of the page."""

MOST_COMPARED = 40
"""A grid may have hundreds of settings; the best are shown, and all are in the CSV."""


@dataclass(frozen=True)
class Picture:
    """A picture of the report."""

    file: str  # within the folder
    kind: str  # of ``PICTURE_KINDS``
    title: str
    caption: str


@dataclass(frozen=True)
class Cell:
    """What a table shows, and what it sorts by."""

    text: str
    value: object  # None where it is undefined: last in either direction


@dataclass(frozen=True)
class Table:
    """A table that a click on a head sorts."""

    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Embedded:
    """A picture as it stands in the page."""

    source: str  # its content as a data URL
    title: str
    caption: str


def write_page(folder: Path) -> Path:
    """Writes the report of a folder and returns its path; ``KnnclipError`` if a file of results is damaged."""
    from jinja2 import Environment, StrictUndefined

    scores, continual, shots = (_results(folder / name) for name in (SCORES, CONTINUAL, SHOTS))
    pictures = _read(folder / PICTURES)
    protocol = (scores or continual or shots or {}).get("protocol", {})
    makings = (("Evaluation", scores), ("Continual", continual), ("Shots", shots))
    template = (files("knnclip.evaluation.report") / TEMPLATE).read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    parts: dict[str, Any] = {"headlines": [], "compared": None, "classes": None, "steps": None, "draws": None}
    if scores is not None:
        with _edited(folder / SCORES):
            parts["headlines"] = list(schema.headlines(scores))
            parts["compared"] = _table(schema.COMPARED, scores["compared"][:MOST_COMPARED])
            parts["classes"] = _table(schema.CLASSES, scores["classes"])
    if continual is not None:
        with _edited(folder / CONTINUAL):
            parts["steps"] = _steps(continual["seeds"])
    if shots is not None:
        with _edited(folder / SHOTS):
            parts["draws"] = _table(schema.SHOTS, means(schema.SHOTS, shots["seeds"]))
    with _edited(folder / PICTURES):
        parts["pictures"] = [] if scores is None or pictures is None else _pictures(folder, pictures)
    with _edited(folder):
        page = environment.from_string(template).render(
            title=f"knnclip: {protocol.get('data') or protocol.get('val')}",
            conventions=schema.CONVENTIONS,
            scores=scores,
            most_compared=MOST_COMPARED,
            compared_csv=COMPARED,
            charts=_charts(folder, BARS_PNG, CONFUSION_PNG),
            continual=continual,
            continual_charts=_charts(folder, CONTINUAL_PNG),
            shots=shots,
            shots_charts=_charts(folder, SHOTS_PNG),
            makings=[(name, _facts({**found["protocol"], **found["run"]})) for name, found in makings if found],
            **parts,
        )
    write_atomically(folder / PAGE, page.encode("utf-8", "replace"))
    return folder / PAGE


@contextmanager
def _edited(file: Path) -> Iterator[None]:
    """The figures of a file are many, and each knows its own form; whatever one of them is not, the file was edited."""
    from jinja2 import TemplateError

    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, OSError, TemplateError) as error:
        raise InputError(
            f"{file}: results are not as they were written ({type(error).__name__}: {error}); make them again"
        ) from error


def means(figures: Sequence[Figure], runs: Sequence[Sequence[Json]]) -> list[dict[str, Any]]:
    """The mean of each figure over several runs, at each of their steps; text is that of the first run."""
    return [
        {figure.key: _mean([row[figure.key] for row in rows]) for figure in figures} for rows in zip(*runs, strict=True)
    ]


def _mean(found: Sequence[Any]) -> object:
    is_number = all(value is None or isinstance(value, int | float) for value in found)
    return mean_and_deviation(found)[0] if is_number else found[0]


def _steps(seeds: Sequence[Sequence[Json]]) -> Table:
    table = _table(schema.STEPS, means(schema.STEPS, seeds))
    rows = (((Cell(str(number), number)), *row) for number, row in enumerate(table.rows, start=1))
    return Table(("step", *table.heads), tuple(rows))


def _table(figures: Sequence[Figure], rows: Sequence[Json], place: Place = "page") -> Table:
    columns = schema.shown_in(place, figures, rows)
    return Table(
        tuple(figure.label for figure in columns),
        tuple(tuple(_cell(figure, row[figure.key]) for figure in columns) for row in rows),
    )


def _cell(figure: Figure, value: object) -> Cell:
    """A figure as it is shown, and what its column is sorted by: nothing where it is not defined, which stays last."""
    return Cell(figure.form.text(value), None if isinstance(value, float) and math.isnan(value) else value)


def _pictures(folder: Path, pictures: Sequence[Json]) -> list[tuple[str, list[Embedded]]]:
    """The pictures of each kind under its head."""
    found = []
    for kind, head in PICTURE_KINDS.items():
        chosen = [picture for picture in pictures if picture["kind"] == kind]
        shown = (
            _embedded(_inside(folder, picture["file"]), picture["title"], picture["caption"]) for picture in chosen
        )
        if chosen:
            found.append((head, [picture for picture in shown if picture is not None]))
    return found


def _inside(folder: Path, name: str) -> Path:
    """A picture of the folder; a page that is made from an edited list must not show files from elsewhere."""
    file = folder / name
    if not file.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"picture {name} lies outside the folder")
    return file


def _charts(folder: Path, *names: str) -> list[Embedded]:
    found = (_embedded(folder / name, Path(name).stem) for name in names)
    return [chart for chart in found if chart is not None]


def _embedded(file: Path, title: str, caption: str = "") -> Embedded | None:
    if not file.is_file():
        return None
    kind = "png" if file.suffix == ".png" else "jpeg"
    content = base64.b64encode(file.read_bytes()).decode("ascii")
    return Embedded(f"data:image/{kind};base64,{content}", title, caption)


def _facts(facts: Json) -> list[tuple[str, str]]:
    """What is known of a run, without what is empty."""
    return [(key.replace("_", " "), _fact(value)) for key, value in facts.items() if value not in (None, "", [], {})]


def _fact(value: object) -> str:
    if isinstance(value, Mapping):
        return _listed(f"{key} {item}" for key, item in value.items())
    return _listed(map(str, value)) if isinstance(value, list) else str(value)


def _listed(items: Iterable[str]) -> str:
    return ", ".join(items)


def _results(file: Path) -> Any:  # noqa: ANN401 - JSON has no type
    """The results of a file, None if there is none; they say by which protocol and run they were made."""
    content = _read(file)
    if content is not None:
        fields = Fields.of(content, f"{file} holds no results")
        for key in ("protocol", "run"):
            fields.fields(key)
    return content


def _read(file: Path) -> Any:  # noqa: ANN401 - JSON has no type
    return read_json(file) if file.is_file() else None
