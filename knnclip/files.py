"""Files: read with errors that name them, written as a whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from knnclip.errors import OutputError, UsageError

UNENCODABLE = "backslashreplace"
"""File names may hold bytes that are no text; in JSON this is the escape that reads them back."""


def read_json(path: Path) -> Any:  # noqa: ANN401 - JSON has no type
    """What a JSON file holds; ``UsageError`` names the file and the place in it if it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except ValueError as error:
        raise UsageError(f"{path}: is not JSON ({error}); mend the file or make it anew") from None


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file so that it is there as a whole or not at all; makes its folder. ``OutputError`` if it cannot."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o666 & ~_umask())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror}); make room or choose another folder") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(file: Path, content: object) -> None:
    """Writes plain data and dataclasses; NaN, which JSON does not have, becomes null."""
    write_atomically(file, json.dumps(as_json(content), ensure_ascii=False, indent=1).encode("utf-8", UNENCODABLE))


def write_csv(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes a row for each; all have the same columns."""
    table = io.StringIO()
    writer = csv.DictWriter(table, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows({key: as_json(value) for key, value in row.items()} for row in rows)
    write_atomically(file, table.getvalue().encode("utf-8", UNENCODABLE))


def as_json(value: object) -> Any:  # noqa: ANN401 - JSON has no type
    """The value as ``json`` writes it: dataclasses as objects, tuples as lists, NaN as null."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
