"""The tab that evaluates: how right the store is on a labelled data set, in numbers and pictures."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

import gradio as gr

from demo import picker, pictures
from demo.acts import act, stop_work
from demo.listeners import Listeners
from demo.picker import chosen_dataset
from demo.reporting import PageProgress, paragraph, rejected_table, rejected_update
from demo.session import ChosenDataset, PastEvaluation, Session
from knnclip.errors import DatasetError, ImageError
from knnclip.evaluation import EvaluationResult, Outcome, Scores, add_up, judge_images, lacking_classes
from knnclip.evaluation.report import schema
from knnclip.evaluation.report.charts import confusion_picture, iou_bars
from knnclip.evaluation.report.formats import PERCENT, percent
from knnclip.evaluation.report.tables import as_content
from knnclip.files import write_atomically
from knnclip.images import read_image
from knnclip.output.colors import with_distinct_colors
from knnclip.output.rendering import overlay
from knnclip.progress import SILENT, Progress
from knnclip.structures import Image

WORDS = (
    "IoU: of all pixels that are a class or were called so, the share that is both. mIoU: its mean over the classes.",
    "answered: the share of the pixels that got a class; the others are unknown, and count as missed.",
    "accuracy: of the pixels of a class, the share that was called so. boundary IoU: IoU along the borders alone.",
    "PQ: how well objects and areas are found as one piece each, and outlined; AP: how well the surest ones are right.",
    "true pixels: how many pixels of the set the class has.",
)


def build(listeners: Listeners) -> None:
    """Lays out the tab."""
    picker.build(listeners, "evaluate", lambda session: session.evaluate, by_class=False)
    with gr.Row():
        start = gr.Button("Evaluate", variant="primary")
        stop = gr.Button("Stop", variant="stop")
    headline = gr.HTML(elem_id="evaluate-result", padding=True, min_height=120)
    table = gr.Dataframe(label="Per class", visible=False, elem_id="evaluate-table")
    with gr.Row():
        bars = gr.Image(label="IoU of each class", show_label=False, visible=False, buttons=["download", "fullscreen"])
        confused = gr.Image(
            label="Confusion matrix", show_label=False, visible=False, buttons=["download", "fullscreen"]
        )
    pair = gr.ImageSlider(label="Before and after", visible=False)
    report = gr.File(label="The figures as a file (CSV)", visible=False, elem_id="evaluate-report")
    with gr.Accordion("What the words mean", open=False):
        gr.HTML("".join(paragraph(line) for line in WORDS), padding=True)
    rejected = rejected_table()

    @act(holds="nothing")
    def run(session: Session, progress: gr.Progress = gr.Progress()) -> tuple[object, ...]:  # noqa: B008
        return evaluated(session, PageProgress(progress))

    shown = [headline, table, bars, confused, pair, report, rejected]
    start.click(listeners.for_page(run), None, shown, api_visibility="private")
    stop.click(listeners.for_page(stop_work), None, None, api_visibility="private", queue=False)


@act(holds="nothing")
def evaluated(session: Session, progress: Progress = SILENT) -> tuple[object, ...]:
    """Evaluates the data set that was chosen, and returns what the tab shows of it."""
    chosen = chosen_dataset(session.evaluate)
    last = session.evaluate.last
    before = last if last is not None and last.identity == chosen.identity else None
    result = evaluate_chosen(session, chosen, progress)
    now, original = remember(session, chosen, result.scores)
    earlier = None if before is None else before.scores
    missing = lacking_classes(session.segmenter.store.vocabulary(), chosen.dataset)
    lacking = f"The store lacks {len(missing)} classes of this set, which count as missed: {', '.join(missing)}."
    return (
        (paragraph(lacking) if missing else "")
        + paragraph(described(now.scores, earlier, len(chosen.dataset.samples), session.stop.is_set())),
        gr.Dataframe(class_table(now.scores, earlier), visible=True),
        gr.Image(
            pictures.drawing(iou_bars(now.scores.semantic, None if earlier is None else earlier.semantic)), visible=True
        ),
        gr.Image(pictures.drawing(confusion_picture(result.confusion)), visible=True),
        gr.ImageSlider(
            (pictures.photograph(original if before is None else before.overlay), pictures.photograph(now.overlay)),
            label="Picture and answer" if before is None else "Answer before and now",
            visible=True,
        ),
        gr.File(str(report_file(session, now.scores)), visible=True),
        rejected_update(chosen, result.rejected),
    )


def report_file(session: Session, scores: Scores) -> Path:
    """The figures of the set and of each class as a CSV file, which the session may download."""
    file = session.downloads / "evaluation.csv"
    table = class_table(scores, None)
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(table["headers"])
    writer.writerows(table["data"])
    writer.writerow([])
    writer.writerows([found.label, found.text] for found in schema.headlines(as_content(scores)))
    write_atomically(file, text.getvalue().encode())
    return file


@act(holds="work")
def evaluate_chosen(session: Session, chosen: ChosenDataset, progress: Progress = SILENT) -> EvaluationResult:
    """Runs the evaluation of a session until it is done or stopped."""

    lacking_classes(session.segmenter.store.vocabulary(), chosen.dataset)

    def outcomes() -> Iterator[Outcome]:
        progress.start(len(chosen.dataset.samples))
        for outcome in judge_images(session.segmenter, chosen.dataset, chosen.dataset.samples):
            yield outcome
            progress.advance()
            if session.stop.is_set():
                return

    return add_up(outcomes(), chosen.dataset)


def remember(session: Session, chosen: ChosenDataset, scores: Scores) -> tuple[PastEvaluation, Image]:
    """Keeps an evaluation to compare the next one with; the picture that is shown for it comes along, as it is."""
    image = _first_readable(chosen)
    segmentation = session.segmenter.segment(image)
    vocabulary = with_distinct_colors(segmentation.vocabulary)
    answer = overlay(image, segmentation, vocabulary)[: image.shape[0]]  # without its legend, to lie on one another
    session.evaluate.last = PastEvaluation(chosen.identity, scores, answer)
    return session.evaluate.last, image


def described(scores: Scores, before: Scores | None, images: int, stopped: bool) -> str:
    """The scores of a set, in a sentence."""
    first, *others = (f"{found.label} {found.text}" for found in schema.headlines(as_content(scores)))
    change = "" if before is None else f" (before: {percent(before.semantic.miou)}%)"
    part = "a part of " if stopped else ""
    return "; ".join([first + change, *others]) + f". Of {part}{images:,} images."


def class_table(scores: Scores, before: Scores | None) -> dict[str, list[Any]]:
    """Heads and a row for each class, with its earlier IoU where there is one; what is undefined stays empty."""
    rows = as_content(scores)["classes"]
    columns = schema.shown_in("brief", schema.CLASSES, rows)
    heads = [f"{column.label} {column.form.unit}".strip() for column in columns]
    data = [[column.form.number(row[column.key]) for column in columns] for row in rows]
    filled = [place for place in range(len(heads)) if any(row[place] is not None for row in data)]
    heads, data = [heads[place] for place in filled], [[row[place] for place in filled] for row in data]
    if before is None:
        return {"headers": heads, "data": data}
    earlier = {row.name: PERCENT.number(row.iou) for row in before.semantic.classes}
    return {
        "headers": [*heads, "IoU before %"],
        "data": [[*shown, earlier.get(row["name"])] for shown, row in zip(data, rows, strict=True)],
    }


def _first_readable(chosen: ChosenDataset) -> Image:
    for sample in chosen.dataset.samples:
        with suppress(ImageError):  # listed among the rejected
            return read_image(sample.image_path)
    raise DatasetError(f"no image of {chosen.dataset.root} can be read")
