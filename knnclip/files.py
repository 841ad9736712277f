"""Files in and out: what comes in is read and checked in one place, what goes out is there as a whole or not at all.

Whatever is text, JSON or XML and was written by somebody else is read here, so that every error about such a file names
the file, the place in it, what was found there and what to do. ``knnclip.images`` is the same for pixels.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from knnclip.errors import InputError, OutputError

UNENCODABLE = "backslashreplace"
"""File names may hold bytes that are no text; in JSON this is the escape that reads them back."""

MAX_TEXT_BYTES = 2 * 2**30
"""Larger than the JSON of any published set (LVIS has 1.1 GB); what is larger would fill the memory when it is read."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A text that begins so is run by spreadsheets as a formula."""


def read_text(path: str | Path) -> str:
    """The text of a file in UTF-8, with or without a byte order mark; line ends of any system become ``\\n``.

    ``InputError`` if the file cannot be read, is larger than ``MAX_TEXT_BYTES``, which is seen before it is read, or is
    not UTF-8; it names the line and the byte.
    """
    try:
        size = Path(path).stat().st_size
        if size > MAX_TEXT_BYTES:
            raise InputError(f"{path}: has {size:,} bytes, at most {MAX_TEXT_BYTES:,} are read; split the file")
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check the path") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{error.object[error.start]:02x}"
        raise InputError(f"{path} line {line}: expected UTF-8 text, found {found}; save it as UTF-8") from None


def read_json(path: str | Path) -> Any:  # noqa: ANN401 - JSON has no type
    """What a JSON file holds; whoever reads it says of what form that must be.

    ``InputError`` as ``read_text``, and for what is no JSON; it names line and column.
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise InputError(f"{path} {place}: is not JSON ({error.msg}); mend the file or make it anew") from None
    except (RecursionError, ValueError) as error:  # brackets without end; a number of thousands of digits
        raise InputError(f"{path}: is JSON that cannot be read ({error}); mend the file or make it anew") from None


def read_xml(path: str | Path) -> ElementTree.Element:
    """The root of an XML file. ``InputError`` as ``read_text``, and for what is no XML; it names line and column.

    A document type is refused: no data set has one, and entities, which only it can declare, unfold without end.
    """
    text = read_text(path)
    if (at := text.find("<!DOCTYPE")) >= 0:
        line = text.count("\n", 0, at) + 1
        raise InputError(f"{path} line {line}: expected elements, found a document type; remove it")
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        line, column = error.position
        reason = str(error).partition(":")[0]
        raise InputError(
            f"{path} line {line} column {column + 1}: is not XML ({reason}); mend the file or make it anew"
        ) from None


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file so that it is there as a whole or not at all; makes its folder. ``OutputError`` if it cannot.

    The bytes are forced to the disk before the file takes its name, so that not even a loss of power leaves half of it.
    The folder is not forced: after a loss of power the file may not be there yet, or be the one from before. All that
    is written here can be made again, and what cannot (the store, the journal of an evaluation) forces itself;
    moreover not every system lets a folder be forced.
    """
    # The name is short and its own: that of the file, lengthened, could be longer than a file system takes.
    draft = path.parent / f".knnclip-{secrets.token_hex(8)}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with draft.open("xb") as file:  # made anew, hence with the rights that the process gives its files
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"{path} cannot be written ({reason}); make room or choose another folder") from error


def write_json(path: Path, content: object) -> None:
    """Writes plain data and dataclasses as ``as_json`` makes them. ``OutputError`` as ``write_atomically``."""
    write_atomically(path, _encoded(json.dumps(as_json(content), ensure_ascii=False, indent=1)))


def write_json_lines(path: Path, items: Iterable[object]) -> None:
    """Writes plain data and dataclasses, each as JSON on a line of its own. ``OutputError`` as ``write_atomically``."""
    lines = (json.dumps(as_json(item), ensure_ascii=False) + "\n" for item in items)
    write_atomically(path, _encoded("".join(lines)))


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes a table: column name -> value, at least one row, all with the columns of the first.

    Values are as in JSON: an undefined number is an empty cell. A text that a spreadsheet would run as a formula gets
    an apostrophe before it, which spreadsheets do not show. ``OutputError`` as ``write_atomically``.
    """
    table = io.StringIO()
    writer = csv.DictWriter(table, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows({key: csv_cell(as_json(value)) for key, value in row.items()} for row in rows)
    write_atomically(path, _encoded(table.getvalue()))


def csv_cell(value: object) -> object:
    """A value as a table holds it: a text that a spreadsheet would run as a formula behind an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def as_json(value: object) -> Any:  # noqa: ANN401 - JSON has no type
    """The value as ``json`` writes it: dataclasses as objects, tuples as lists, NaN, which JSON has not, as null."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def path_text(path: str | Path) -> str:
    """A path as text that can be stored and shown anywhere: bytes of it that are no UTF-8 become ``\\xe9``."""
    return os.fsencode(path).decode("utf-8", UNENCODABLE)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", UNENCODABLE)
