"""``knnclip score``: prediction files against truth files, without any model."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from knnclip.cli.common import Bar, WorkersOption, repeatable

app = typer.Typer(help="Score prediction files against truth files; no model is needed.", no_args_is_help=True)

JsonOption = Annotated[Path | None, typer.Option("--json", help="Also write the scores to this file.")]


@app.command()
def semantic(
    *,
    pred_dir: Annotated[Path, typer.Option(help="Folder of predicted index PNGs.")],
    truth_dir: Annotated[Path, typer.Option(help="Folder of true index PNGs of the same names.")],
    classes: Annotated[Path, typer.Option(help="classes.txt: `index name` a line.")],
    ignore: Annotated[list[int], repeatable("Index of the truth that is not scored; may be repeated.")],
    out: JsonOption = None,
    workers: WorkersOption = 2,
) -> None:
    """mIoU in its conventions, boundary IoU, fwIoU, mACC and pACC of folders of index images."""
    from knnclip.datasets.index_masks import VOID, read_classes
    from knnclip.metrics.score_files import score_semantic_files

    listed = {index: label.name for index, label in read_classes(classes).items()}
    void = {index for index, name in listed.items() if name == VOID} | set(ignore)
    names = {index: name for index, name in listed.items() if index not in void}
    with Bar("score") as bar:
        found = score_semantic_files(pred_dir, truth_dir, names, void, workers=workers, progress=bar)
    _show(asdict(found.compute()), out)


@app.command()
def panoptic(
    pred: Annotated[Path, typer.Option(help="COCO panoptic JSON of the predictions.")],
    pred_dir: Annotated[Path, typer.Option(help="Folder of their PNGs.")],
    truth: Annotated[Path, typer.Option(help="COCO panoptic JSON of the truth.")],
    truth_dir: Annotated[Path, typer.Option(help="Folder of its PNGs.")],
    out: JsonOption = None,
    workers: WorkersOption = 2,
) -> None:
    """PQ, SQ and RQ, of all classes, things and stuff."""
    from knnclip.metrics.score_files import score_panoptic_files

    with Bar("score") as bar:
        found = score_panoptic_files(pred, pred_dir, truth, truth_dir, workers=workers, progress=bar)
    _show(asdict(found.compute()), out)


@app.command()
def instances(
    pred: Annotated[Path, typer.Option(help="COCO results JSON.")],
    truth: Annotated[Path, typer.Option(help="COCO instances JSON of the truth.")],
    out: JsonOption = None,
) -> None:
    """AP, AP50, AP75, and AP of small, medium and large instances."""
    from knnclip.metrics.score_files import score_instance_files

    scores = asdict(score_instance_files(pred, truth))
    scores["classes"] = [{"name": name, "ap": ap} for name, ap in scores["classes"]]
    _show(scores, out)


def _show(scores: dict[str, object], out: Path | None) -> None:
    """Prints means first, then a row a class, and writes all of it as JSON; NaN becomes null."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from knnclip.files import write_json

    rows = scores.get("classes")
    console = Console()
    if isinstance(rows, list | tuple) and rows:
        table = Table(*(str(column) for column in rows[0]))
        for row in rows:
            table.add_row(*(escape(str(row["name"])) if column == "name" else _told(row[column]) for column in row))
        console.print(table)
    for name, value in scores.items():
        if name == "classes":
            continue
        told = (
            "   ".join(f"{k} {_told(v)}" for k, v in value.items() if k != "name") if isinstance(value, dict) else None
        )
        console.print(f"{name}: {told or _told(value)}", highlight=False)
    if out is not None:
        write_json(out, scores)


def _told(value: object) -> str:
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.2%}"
    return f"{value:,}" if isinstance(value, int) else str(value)
