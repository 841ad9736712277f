"""One evaluation from its protocol to its report: what the command line, the batch script and Python share.

``evaluate`` does all of it. ``score_images`` counts images into a folder's journal, as often and in as many shards as
it takes; ``write_report`` makes the scores and the page from what is there.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Collection, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knnclip.datasets import Dataset, Rejection, Sample
from knnclip.errors import DatasetError, StoreError, UsageError
from knnclip.evaluation.class_matching import lacking_classes
from knnclip.evaluation.comparison import settings_to_compare
from knnclip.evaluation.journal import Journal, check_protocol, records, refusals
from knnclip.evaluation.judge import MaskSource, judge_images
from knnclip.evaluation.report.charts import confusion_picture, iou_bars
from knnclip.evaluation.report.illustrate import illustrate
from knnclip.evaluation.report.page import BARS_PNG, CONFUSION_PNG, write_page
from knnclip.evaluation.report.provenance import evaluation_protocol, run_facts, stored_instances
from knnclip.evaluation.report.tables import COMPARED, write_scores
from knnclip.evaluation.totals import EvaluationResult, SetClasses, Totals
from knnclip.images import write_png
from knnclip.progress import SILENT, Progress
from knnclip.segmenter import Segmenter

WRITING_STEPS = 4
"""Of a report: figures, charts, pictures, page."""


@dataclass(frozen=True)
class Evaluation:
    """Which store is scored on what, and how."""

    segmenter: Segmenter
    dataset: Dataset
    samples: Sequence[Sample]  # of the data set; all of them are ``dataset.samples``
    masks: MaskSource = "own"  # "oracle" puts the ground-truth masks in place of the generator's
    compared: Sequence[str] = ()  # other settings, as ``knnclip.evaluation.comparison`` reads them

    def protocol(self) -> dict[str, Any]:
        """What decides the scores: two runs of one protocol are one evaluation."""
        compared = list(settings_to_compare(self.compared, self.segmenter.preset))
        return evaluation_protocol(self.segmenter, self.dataset, self.masks, compared)


def score_images(
    evaluation: Evaluation,
    folder: Path,
    *,
    shard: tuple[int, int] = (0, 1),
    restart: bool = False,
    workers: int = 2,
    progress: Progress = SILENT,
) -> None:
    """Scores the images that the folder does not have yet, of one shard, ``(i, n)``, of n.

    ``restart`` throws away what is there; without it a folder of another protocol is a ``UsageError``. ``workers``
    images are under work at once; ``progress`` counts images. ``UsageError`` if the store has no class of the data set.
    ``StoreError`` if the store changed meanwhile: the
    figures would be of no state that it ever had.
    """
    number, of = shard
    if not 0 <= number < of:
        raise UsageError(f"the shards of {of} are 0 to {of - 1}, found {number}")
    lacking_classes(evaluation.segmenter.store.vocabulary(), evaluation.dataset)
    Totals(SetClasses.of(evaluation.dataset))  # refuses what cannot be scored before hours are spent on it
    protocol = evaluation.protocol()
    compared = settings_to_compare(evaluation.compared, evaluation.segmenter.preset)
    samples = list({sample.ref: sample for sample in evaluation.samples}.values())[number::of]
    with Journal(folder, protocol, "" if of == 1 else f"{number}-of-{of}", restart=restart) as journal:
        todo = [sample for sample in samples if sample.ref not in journal.finished]
        _check_unchanged(evaluation.dataset, samples, journal)
        progress.start(len(samples), len(samples) - len(todo))
        outcomes = judge_images(
            evaluation.segmenter,
            evaluation.dataset,
            todo,
            masks=evaluation.masks,
            compared=compared,
            workers=workers,
        )
        for outcome in outcomes:
            if evaluation.segmenter.store.generation != protocol["store_generation"]:
                raise StoreError(
                    f"store {protocol['store']} changed while it was evaluated; evaluate when nobody teaches it, or a "
                    "copy of it (knnclip store export)"
                )
            refused = [(item.file, item.place, item.reason) for item in outcome.rejected]
            journal.add(outcome.sample.ref, stamp(evaluation.dataset, outcome.sample), outcome.record, refused)
            progress.advance()


def read_shard(text: str) -> tuple[int, int]:
    """``i/n`` -> i and n; ``UsageError`` for anything else."""
    number, _, of = text.partition("/")
    if not (number.isdigit() and of.isdigit()):
        raise UsageError(f"a shard is i/n, as 0/4, found {text!r}")
    return int(number), int(of)


def evaluate(
    evaluation: Evaluation,
    folder: Path | None = None,
    *,
    seen: Collection[str] | None = None,
    restart: bool = False,
    workers: int = 2,
    command: str = "",
    progress: Progress = SILENT,
    writing: Progress = SILENT,
) -> EvaluationResult:
    """Scores all images and, where a folder is given, leaves the report there: what ``knnclip evaluate`` does.

    ``folder``: an interrupted evaluation continues from it; None keeps nothing. The other arguments are those of
    ``score_images`` and ``write_report``, which do the two halves, for shards on several machines; ``progress`` is told
    of the first, ``writing`` of the second.
    """
    with ExitStack() as stack:
        journal = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        score_images(evaluation, journal, restart=restart, workers=workers, progress=progress)
        if folder is None:
            return add_up_folder(evaluation, journal, seen)
        return write_report(evaluation, folder, seen=seen, command=command, progress=writing)


def write_report(
    evaluation: Evaluation,
    folder: Path,
    *,
    seen: Collection[str] | None = None,
    command: str = "",
    progress: Progress = SILENT,
) -> EvaluationResult:
    """Scores what the folder has, from whatever shards, and writes everything that people look at.

    ``seen``: the names of the classes that a base vocabulary has. ``command``: how it was asked for. ``progress``
    is told of the steps: figures, charts, pictures, page. ``UsageError`` if an image was not tried yet.
    """
    progress.start(WRITING_STEPS)
    result = add_up_folder(evaluation, folder, seen)
    progress.advance()
    scores = result.scores
    run = run_facts(
        command,
        images_not_read=len({sample.ref for sample in evaluation.samples}) - scores.images,
        seen=sorted(seen or ()),
        ms_per_image={
            "masks and embeddings": round(1000 * scores.encode_seconds),
            "search, votes and assembly": round(1000 * scores.label_seconds),
        },
    )
    for stale in (folder / COMPARED, *(folder / "pictures").glob("*.jpg")):
        stale.unlink(missing_ok=True)
    stored = stored_instances(evaluation.segmenter.store, evaluation.dataset)
    write_scores(scores, folder, protocol=evaluation.protocol(), run=run, stored_instances=stored)
    write_png(folder / BARS_PNG, iou_bars(scores.semantic))
    write_png(folder / CONFUSION_PNG, confusion_picture(result.confusion))
    progress.advance()
    illustrate(evaluation.segmenter, evaluation.dataset, evaluation.samples, folder, evaluation.masks)
    progress.advance()
    write_page(folder)
    progress.advance()
    return result


def add_up_folder(evaluation: Evaluation, folder: Path, seen: Collection[str] | None = None) -> EvaluationResult:
    """The scores of the journal in a folder; ``UsageError`` if an image of the samples was not tried yet."""
    check_protocol(folder, evaluation.protocol())
    tried = refusals(folder)
    wanted = {sample.ref for sample in evaluation.samples}
    if missing := wanted - tried.keys():
        raise UsageError(
            f"{len(missing)} of {len(wanted)} images are not scored yet in {folder}, for example {min(missing)}; "
            "run the evaluation again, or the shards that are missing"
        )
    classes = SetClasses.of(evaluation.dataset)
    totals = Totals(classes)
    for record in records(folder, len(classes.names)):
        if record.ref in wanted:
            totals.add(record)
    rejected = [Rejection(*refusal) for ref in sorted(wanted) for refusal in tried[ref]]
    if not totals.images:
        raise DatasetError(f"none of the {len(wanted)} images could be read; the first: {rejected[0].reason}")
    return EvaluationResult(totals.compute(seen), totals.confusion, evaluation.dataset.rejected + tuple(rejected))


def stamp(dataset: Dataset, sample: Sample) -> str:
    """The sizes and times of the files that an image and its truth are read from, hashed."""
    digest = hashlib.blake2b(digest_size=8)
    for file in dataset.files(sample):
        with suppress(OSError):  # a set may keep its images elsewhere than in files
            found = file.stat()
            digest.update(f"{found.st_size} {found.st_mtime_ns} ".encode())
    return digest.hexdigest()


def _check_unchanged(dataset: Dataset, samples: Sequence[Sample], journal: Journal) -> None:
    """``UsageError`` if an image or its labels are not those that were scored."""
    for sample in samples:
        if journal.finished.get(sample.ref, now := stamp(dataset, sample)) != now:
            raise UsageError(
                f"{sample.ref} or its labels changed since {journal.folder} was begun; choose another folder, "
                "or let it begin anew with --restart"
            )
