"""The tab that ingests: a labelled data set into the store."""

from __future__ import annotations

import gradio as gr

from demo import picker
from demo.reporting import check_writable, paragraph, rejection_rows, reported
from demo.session import Picked, Session, Sessions
from demo.work import Meter, at_work, picked
from knnclip.ingest import IngestReport, IngestSettings, ingest
from knnclip.progress import SILENT, Progress


def build(sessions: Sessions) -> None:
    """Lays out the tab."""
    choice = picker.build(sessions, "ingest")
    with gr.Row():
        start = gr.Button("Ingest", variant="primary", interactive=not sessions.options.read_only)
        stop = gr.Button("Stop", variant="stop")
    result = gr.HTML(elem_id="ingest-result", padding=True, min_height=120)
    rejected = gr.Dataframe(headers=["file", "row", "reason"], label="Rejected", visible=False, wrap=True)

    @reported
    def run(only: list[str], request: gr.Request, progress: gr.Progress = gr.Progress()) -> tuple[str, gr.Dataframe]:  # noqa: B008
        check_writable(sessions.options.read_only)
        session = sessions.of(request.session_hash)
        chosen = picked(session, "ingest")
        report = ingest_picked(session, chosen, only, Meter(progress))
        rows = rejection_rows((*chosen.dataset.rejected, *report.rejected))
        return paragraph(described(chosen, report)), gr.Dataframe(rows, visible=bool(rows))

    def end(request: gr.Request) -> None:
        sessions.of(request.session_hash).stop.set()

    start.click(run, choice.classes, [result, rejected], api_visibility="private")
    stop.click(end, None, None, api_visibility="private", queue=False)


def ingest_picked(session: Session, chosen: Picked, only: list[str], progress: Progress = SILENT) -> IngestReport:
    """Runs the ingest of a session until it is done or stopped."""
    with at_work(session):
        return ingest(
            session.segmenter,
            chosen.dataset,
            chosen.dataset.samples,
            IngestSettings(only=tuple(only)),
            progress=progress,
            stop=session.stop.is_set,
            identity=chosen.identity,
        )


def described(chosen: Picked, report: IngestReport) -> str:
    """What a run did, in a sentence."""
    failed = len({item.file for item in report.rejected})
    left = len(chosen.dataset.samples) - report.images - report.already - failed
    text = f"Stored {report.instances:,} instances of {report.images:,} images as source {report.source_id}."
    if report.already:
        text += f" {report.already:,} images had been stored before."
    if left > 0:
        text += f" Stopped with {left:,} images left; what is stored stays, and ingesting again goes on from here."
    return text
