"""What of some data could not be used, and the list of it that people get."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from knnclip.files import write_json_lines


@dataclass(frozen=True)
class Rejection:
    """Something that could not be used, and why."""

    file: str
    place: str | None  # line, annotation id or index within the file
    reason: str

    def __str__(self) -> str:
        """One line for people; a reason that begins with the file's name, as those of files do, needs no second one."""
        where = self.file if self.place is None else f"{self.file}, {self.place}"
        reason = self.reason.removeprefix(f"{self.file}: ")
        return f"{where}: {reason}"


def write_rejections(rejected: Sequence[Rejection], path: Path) -> None:
    """Writes the rejections to ``path``, one JSON object a line; ``OutputError`` if it cannot.

    Without rejections an earlier run's file is removed: it would be taken for this run's.
    """
    if rejected:
        write_json_lines(path, rejected)
    else:
        path.unlink(missing_ok=True)
