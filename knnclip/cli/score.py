"""``knnclip score``: prediction files against truth files, without any model."""

from __future__ import annotations

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
    from knnclip.cli.figures import print_classes, print_headlines
    from knnclip.datasets.index_masks import VOID, read_classes
    from knnclip.evaluation import score_semantic_files
    from knnclip.evaluation.report import schema

    listed = {index: label.name for index, label in read_classes(classes).items()}
    void = {index for index, name in listed.items() if name == VOID} | set(ignore)
    names = {index: name for index, name in listed.items() if index not in void}
    with Bar("score") as bar:
        found = score_semantic_files(pred_dir, truth_dir, names, void, workers=workers, progress=bar).compute()
    print_classes([schema.ClassResult(row.name, semantic=row) for row in found.classes])
    print_headlines(schema.headlines_of(schema.SEMANTIC, schema.values(schema.SEMANTIC.figures, found)))
    _write(found, out)


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
    from knnclip.cli.figures import print_classes, print_headlines
    from knnclip.evaluation import score_panoptic_files
    from knnclip.evaluation.report import schema

    with Bar("score") as bar:
        found = score_panoptic_files(pred, pred_dir, truth, truth_dir, workers=workers, progress=bar).compute()
    print_classes([schema.ClassResult(row.name, quality=row) for row in found.classes])
    for section, row in zip(schema.PANOPTIC, (found.all, found.things, found.stuff), strict=True):
        print_headlines(schema.headlines_of(section, schema.values(section.figures, row)))
    _write(found, out)


@app.command()
def instances(
    pred: Annotated[Path, typer.Option(help="COCO results JSON.")],
    truth: Annotated[Path, typer.Option(help="COCO instances JSON of the truth.")],
    out: JsonOption = None,
) -> None:
    """AP, AP50, AP75, and AP of small, medium and large instances."""
    from knnclip.cli.figures import print_classes, print_headlines
    from knnclip.evaluation import score_instance_files
    from knnclip.evaluation.report import schema

    found = score_instance_files(pred, truth)
    print_classes([schema.ClassResult(name, ap=ap) for name, ap in found.classes])
    print_headlines(schema.headlines_of(schema.INSTANCES, schema.values(schema.INSTANCES.figures, found)))
    _write(asdict(found) | {"classes": [{"name": name, "ap": ap} for name, ap in found.classes]}, out)


def _write(scores: object, out: Path | None) -> None:
    """Writes all of it as JSON, to the last digit; NaN becomes null."""
    from knnclip.files import write_json

    if out is not None:
        write_json(out, scores)
