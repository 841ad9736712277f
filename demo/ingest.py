"""The tab that ingests: a labelled data set into the store."""

from __future__ import annotations

import gradio as gr

from demo import picker
from demo.acts import act, stop_work
from demo.listeners import Listeners
from demo.picker import chosen_dataset
from demo.reporting import PageProgress, paragraph, rejected_table, rejected_update
from demo.session import ChosenDataset, Session
from demo.tuning import tune_in_background
from knnclip.ingest import IngestReport, IngestSettings, ingest
from knnclip.progress import SILENT, Progress


def build(listeners: Listeners) -> None:
    """Lays out the tab."""
    choice = picker.build(listeners, "ingest", lambda session: session.ingest, by_class=True)
    with gr.Row():
        start = gr.Button("Ingest", variant="primary", interactive=not listeners.options.read_only)
        stop = gr.Button("Stop", variant="stop")
    result = gr.HTML(elem_id="ingest-result", padding=True, min_height=120)
    rejected = rejected_table()

    @act(writes=True, holds="nothing")
    def run(
        session: Session,
        only: list[str],
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - Gradio finds it by this default
    ) -> tuple[object, ...]:
        return ingested(session, only, PageProgress(progress))

    start.click(listeners.for_page(run), choice.classes, [result, rejected], api_visibility="private")
    stop.click(listeners.for_page(stop_work), None, None, api_visibility="private", queue=False)


@act(writes=True, holds="nothing")
def ingested(session: Session, only: list[str], progress: Progress = SILENT) -> tuple[object, ...]:
    """Ingests the data set that was chosen, and returns what the tab shows of it."""
    chosen = chosen_dataset(session.ingest)
    report = ingest_chosen(session, chosen, only, progress)
    return paragraph(described(chosen, report)), rejected_update(chosen, report.rejected)


@act(writes=True, holds="work")
def ingest_chosen(
    session: Session, chosen: ChosenDataset, only: list[str], progress: Progress = SILENT
) -> IngestReport:
    """Stores a data set, of all its classes or ``only`` some, until it is done or the session is told to stop."""
    report = ingest(
        session.segmenter,
        chosen.dataset,
        chosen.dataset.samples,
        IngestSettings(only=tuple(only)),
        progress=progress,
        stop=session.stop.is_set,
        identity=chosen.identity,
    )
    tune_in_background(session)
    return report


def described(chosen: ChosenDataset, report: IngestReport) -> str:
    """What a run did, in a sentence."""
    failed = len({item.file for item in report.rejected})
    left = len(chosen.dataset.samples) - report.images - report.already - failed
    text = f"Stored {report.instances:,} instances of {report.images:,} images as source {report.source_id}."
    if report.new_classes:
        text += f" New to the store: {', '.join(report.new_classes)}."
    if report.already:
        text += f" {report.already:,} images had been stored before."
    if left > 0:
        text += f" Stopped with {left:,} images left; what is stored stays, and ingesting again goes on from here."
    return text
