"""A project's answers as a zip for other tools, made beside the session's other acts."""

from __future__ import annotations

import shutil
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from demo.acts import act
from demo.listeners import message_of
from demo.session import ExportRun, Session
from demo.teaching import project_of
from knnclip.errors import OutputError, UsageError
from knnclip.output.exports import Answered, export
from knnclip.output.naming import portable
from knnclip.projects import Project, State

COMPRESSION = 1
"""Of zlib: pictures are compressed already, and text is to the most part."""


@dataclass(frozen=True)
class Wanted:
    """What is to be exported."""

    formats: tuple[str, ...]  # names in ``EXPORTS``
    states: tuple[State, ...]  # of the pictures
    least_confidence: float  # of every named segment of a picture


@act()
def start(session: Session, wanted: Wanted) -> None:
    """Begins an export; ``session.project.export`` tells how far it is. ``UsageError`` if one is under way."""
    state = session.project
    if state.export is not None and state.export.is_running:
        raise UsageError("an export is under way already; wait for it")
    project, folder = project_of(session).project, session.downloads
    run = state.export = ExportRun()

    def work() -> None:
        try:
            run.file = write_zip(project, wanted, folder, run.advance)
        except Exception as error:  # whoever waits is told, whatever it was
            run.error = message_of(error, session.options)
        finally:
            run.is_running = False

    threading.Thread(target=work, name="knnclip-export", daemon=True).start()


def write_zip(project: Project, wanted: Wanted, folder: Path, advance: Callable[[], None]) -> Path:
    """Writes ``NAME.zip`` into a new folder in ``folder``, whole or not at all, and returns it.

    ``UsageError`` if no picture is to be exported, ``OutputError`` if there is no room.
    """
    if not wanted.formats:
        raise UsageError("no format is chosen; choose one or several")
    made = Path(tempfile.mkdtemp(dir=folder, prefix="export-"))
    try:
        draft = made / "files"
        count = 0

        def counted() -> Iterator[Answered]:
            nonlocal count
            for item in project.answers(wanted.states, wanted.least_confidence):
                yield Answered(item.path, item.answer.shape, item.answer)
                count += 1
                advance()

        export(counted(), draft, wanted.formats)
        if not count:
            raise UsageError("no picture is as it was asked for; check some first, or export all of them")
        file = made / f"{portable(Path(project.name)) or 'export'}.zip"
        _zip(draft, file)
        shutil.rmtree(draft)
    except OSError as error:
        shutil.rmtree(made, ignore_errors=True)
        raise OutputError(
            f"the export cannot be written ({error.strerror or error}); make room on the server"
        ) from error
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return file


def _zip(folder: Path, file: Path) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
