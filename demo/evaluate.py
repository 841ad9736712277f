"""The tab that evaluates: how right the store is on a labelled data set, in numbers and pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress

import gradio as gr
import numpy as np

from demo import picker, pictures
from demo.acts import act, stop_work
from demo.listeners import Listeners
from demo.picker import chosen_dataset
from demo.reporting import PageProgress, paragraph, rejected_table, rejected_update
from demo.session import ChosenDataset, Evaluation, Session
from knnclip.datasets import Rejection
from knnclip.errors import DatasetError, ImageError
from knnclip.evaluation.judge import Outcome, add_up, evaluate
from knnclip.evaluation.report.charts import confusion_picture, iou_bars
from knnclip.images import read_image
from knnclip.metrics.semantic import SemanticConfusion, SemanticScores
from knnclip.output.colors import with_distinct_colors
from knnclip.output.rendering import overlay
from knnclip.progress import SILENT, Progress
from knnclip.structures import Image

HEADERS = ["class", "IoU %", "accuracy %", "IoU before %"]


def build(listeners: Listeners) -> None:
    """Lays out the tab."""
    picker.build(listeners, "evaluate", lambda session: session.evaluate, by_class=False)
    with gr.Row():
        start = gr.Button("Evaluate", variant="primary")
        stop = gr.Button("Stop", variant="stop")
    headline = gr.HTML(elem_id="evaluate-result", padding=True, min_height=120)
    table = gr.Dataframe(headers=HEADERS, label="Per class", visible=False, elem_id="evaluate-table")
    with gr.Row():
        bars = gr.Image(label="IoU of each class", show_label=False, visible=False, buttons=["download", "fullscreen"])
        confused = gr.Image(
            label="Confusion matrix", show_label=False, visible=False, buttons=["download", "fullscreen"]
        )
    pair = gr.ImageSlider(label="Before and after", visible=False)
    rejected = rejected_table()

    @act(holds="nothing")
    def run(session: Session, progress: gr.Progress = gr.Progress()) -> tuple[object, ...]:  # noqa: B008
        return evaluated(session, PageProgress(progress))

    shown = [headline, table, bars, confused, pair, rejected]
    start.click(listeners.for_page(run), None, shown, api_visibility="private")
    stop.click(listeners.for_page(stop_work), None, None, api_visibility="private", queue=False)


@act(holds="nothing")
def evaluated(session: Session, progress: Progress = SILENT) -> tuple[object, ...]:
    """Evaluates the data set that was chosen, and returns what the tab shows of it."""
    chosen = chosen_dataset(session.evaluate)
    last = session.evaluate.last
    before = last if last is not None and last.identity == chosen.identity else None
    confusion, refused = evaluate_chosen(session, chosen, progress)
    now, original = remember(session, chosen, confusion)
    earlier = None if before is None else before.scores
    return (
        paragraph(described(now.scores, earlier, len(chosen.dataset.samples), session.stop.is_set())),
        gr.Dataframe(table_rows(now.scores, earlier), visible=True),
        gr.Image(pictures.drawing(iou_bars(now.scores, earlier)), visible=True),
        gr.Image(pictures.drawing(confusion_picture(confusion)), visible=True),
        gr.ImageSlider(
            (pictures.photograph(original if before is None else before.overlay), pictures.photograph(now.overlay)),
            label="Picture and answer" if before is None else "Answer before and now",
            visible=True,
        ),
        rejected_update((*chosen.dataset.rejected, *refused)),
    )


@act(holds="work")
def evaluate_chosen(
    session: Session, chosen: ChosenDataset, progress: Progress = SILENT
) -> tuple[SemanticConfusion, tuple[Rejection, ...]]:
    """Runs the evaluation of a session until it is done or stopped."""

    def outcomes() -> Iterator[Outcome]:
        for outcome in evaluate(session.segmenter, chosen.dataset, chosen.dataset.samples):
            yield outcome
            progress.advance()
            if session.stop.is_set():
                return

    return add_up(outcomes(), chosen.dataset.class_names)


def remember(session: Session, chosen: ChosenDataset, confusion: SemanticConfusion) -> tuple[Evaluation, Image]:
    """Keeps an evaluation to compare the next one with; the picture that is shown for it comes along, as it is."""
    scores = confusion.compute()
    image = _first_readable(chosen)
    segmentation = session.segmenter.segment(image)
    vocabulary = with_distinct_colors(session.segmenter.store.vocabulary())
    answer = overlay(image, segmentation, vocabulary)[: image.shape[0]]  # without its legend, to lie on one another
    session.evaluate.last = Evaluation(chosen.identity, scores, answer)
    return session.evaluate.last, image


def described(scores: SemanticScores, before: SemanticScores | None, images: int, stopped: bool) -> str:
    """The scores of a set, in a sentence."""
    change = "" if before is None else f" (before: {before.miou:.1%})"
    free = "" if scores.coverage == 1 else f" mIoU of the answered pixels alone {scores.miou_answered:.1%}."
    part = "a part of " if stopped else ""
    return (
        f"mIoU {scores.miou:.1%}{change}, fwIoU {scores.fwiou:.1%}, mACC {scores.macc:.1%}, pACC {scores.pacc:.1%}, "
        f"answered {scores.coverage:.1%} of the pixels of {part}{images:,} images.{free}"
    )


def table_rows(scores: SemanticScores, before: SemanticScores | None) -> list[list[object]]:
    """A row for each class; what is undefined stays empty."""
    earlier = {} if before is None else {row.name: row.iou for row in before.classes}
    return [
        [row.name, _percent(row.iou), _percent(row.accuracy), _percent(earlier.get(row.name, math.nan))]
        for row in scores.classes
    ]


def _percent(value: float) -> float | None:
    return None if np.isnan(value) else round(100 * value, 1)


def _first_readable(chosen: ChosenDataset) -> Image:
    for sample in chosen.dataset.samples:
        with suppress(ImageError):  # listed among the rejected
            return read_image(sample.image_path)
    raise DatasetError(f"no image of {chosen.dataset.root} can be read")
