"""The command line ``knnclip``: one module a sub-command, and what they share about errors and exit codes.

Exit codes: 0 done; 1 ``doctor`` found something wrong; 2 an error that stopped the command, told in one line
(``--debug`` shows the traceback); 3 done, but some images or annotations were rejected.
"""

from __future__ import annotations

import io
import sys

import typer

from knnclip.cli import (
    classes,
    continual,
    convert,
    datasets,
    doctor,
    evaluate,
    ingest,
    presets,
    sample_data,
    score,
    segment,
    serve,
    shots,
    store,
    tune,
)
from knnclip.cli.common import printable
from knnclip.errors import KnnclipError

EXIT_ERROR = 2
SENTENCE_ENDS = (".", "!", "?")

app = typer.Typer(
    name="knnclip",
    help="A segmenter that learns a new class the moment it is shown one, with no training.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("sample-data")(sample_data.sample_data)
app.command("ingest")(ingest.ingest)
app.command("segment")(segment.segment)
app.command("serve")(serve.serve)
app.command("evaluate")(evaluate.evaluate)
app.command("tune")(tune.tune)
app.command("datasets")(datasets.datasets)
app.command("doctor")(doctor.doctor)
app.command("continual")(continual.continual)
app.command("shots")(shots.shots)
app.add_typer(classes.app, name="classes")
app.add_typer(store.app, name="store")
app.add_typer(presets.app, name="presets")
app.add_typer(score.app, name="score")
app.add_typer(convert.app, name="convert")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"knnclip {version('knnclip')}")
        raise typer.Exit


@app.callback()
def _options(
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Options of every command."""


def main() -> None:
    """Entry point of the console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file name may hold bytes that are no text
    try:
        app()
    except (KnnclipError, OSError, MemoryError) as error:
        if "--debug" in sys.argv:
            raise
        # One line, whatever the message quotes: a file or class name may hold line breaks.
        line = printable(" ".join(_told(error).splitlines()))
        typer.echo(f"error: {line if line.endswith(SENTENCE_ENDS) else f'{line}.'}", err=True)
        sys.exit(EXIT_ERROR)


def _told(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return f"there is not enough memory ({error}); use fewer --workers, or smaller images"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}; check the path and its permissions"
    return str(error)
