"""The settings of a part: a frozen dataclass that says by itself how it is read from a ``PartSpec``.

The field ``model`` is what is written right after the part's name, the others are its options. What an option is for is
the text beside its type, ``Annotated[int, "of the input"]``. What is a path says so by its type: a ``Path``, or one of
``HubModel`` and ``NamedModel``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from knnclip.errors import UsageError, unknown_name
from knnclip.parts.caches import here_or_kept
from knnclip.parts.spec import PartSpec

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings", bound="DataclassInstance")

MODEL = "model"
"""The field that is written right after the part's name."""

BOOLEANS = {"yes": True, "no": False}
EXPECTED = {int: "a whole number", float: "a number", bool: "yes or no", Path: "a path", str: "text"}


def _where_it_exists(model: str) -> str:
    try:
        here = Path(model).exists()
    except OSError:  # too long to be a path
        here = False
    return str(Path(model).absolute()) if here else model


def _after_local_dir(model: str) -> str:
    scheme, separator, folder = model.partition(":")
    return f"{scheme}:{Path(folder).absolute()}" if separator and scheme == "local-dir" else model


HubModel = Annotated[str, _where_it_exists]
"""A folder or file where there is one of this name, else a model of a hub by its id."""

NamedModel = Annotated[str, _after_local_dir]
"""A model by a name, ``hf-hub:ID`` or ``local-dir:FOLDER``."""


def name_without_folder(model: str) -> str:
    """What a fingerprint says of a ``NamedModel``: its name, or ``local-dir``, whose weights and format say the rest.

    A folder that moved holds the same network.
    """
    scheme, separator, _ = model.partition(":")
    return scheme if separator and scheme == "local-dir" else model


@dataclasses.dataclass(frozen=True)
class NoSettings:
    """The settings of a part that has none."""


@dataclasses.dataclass(frozen=True)
class Option:
    """A field of a part's settings, as it is written in a part."""

    name: str
    kind: Any  # its type, as in ``dataclasses.Field.type`` but evaluated and without what is annotated
    help: str  # what it is for; empty where nobody needs to know
    required: bool
    absolute: Callable[[str], str]  # its text -> the same text, which means the same in every folder

    def read(self, items: Sequence[str], part: str) -> Any:  # noqa: ANN401 - each kind has a type of its own
        """The value of these items of text; ``UsageError`` if they are of another kind."""
        if get_origin(self.kind) is tuple:
            return tuple(self._one(get_args(self.kind)[0], item, part) for item in items if item)
        text, kinds = "+".join(items), get_args(self.kind)
        if NoneType in kinds:
            return self._one(kinds[0], text, part) if text else None
        return self._one(self.kind, text, part)

    def _one(self, kind: Any, text: str, part: str) -> Any:  # noqa: ANN401
        try:
            if kind is Path and not text:
                raise ValueError
            return BOOLEANS[text] if kind is bool else kind(text)
        except (ValueError, KeyError):
            raise UsageError(f"{part}: option {self.name!r} is {EXPECTED[kind]}, found {text!r}") from None


def options_of(kind: type[DataclassInstance]) -> dict[str, Option]:
    """The fields of a dataclass of settings by name, the model and those without a position of their own included."""
    types = get_type_hints(kind, include_extras=True)
    return {field.name: _option(field, types[field.name]) for field in dataclasses.fields(kind)}


def read_settings(kind: type[Settings], spec: PartSpec, form: str) -> Settings:
    """The settings that a part is asked for with.

    ``form`` is how the part is written, for messages. Raises ``UsageError`` that names what is wrong and lists the
    options: one that is not there, is missing or is of another kind, or what the settings themselves refuse.
    """
    known, values = options_of(kind), dict[str, Any]()
    if spec.model:
        if MODEL not in known:
            raise UsageError(f"{spec.name} takes no model, found {spec.model!r}; write {form}")
        values[MODEL] = known[MODEL].read([spec.model], spec.name)
    for name, items in spec.options:
        if name not in known or (name == MODEL and spec.model):
            raise unknown_name(f"option of {spec.name}", name, [other for other in known if other != MODEL])
        values[name] = known[name].read(items, spec.name)
    missing = [name for name, option in known.items() if option.required and name not in values]
    if missing:
        raise UsageError(f"{spec.name} needs {' and '.join(missing)}; write {form}")
    return kind(**values)


def made_absolute(kind: type[DataclassInstance], spec: PartSpec) -> PartSpec:
    """The same part with every path in it absolute: what is found from this folder is then found from every other.

    A file that is named without a folder and is not in the current one is looked for in ``weights_folder`` of
    ``knnclip.parts.caches``.
    """
    known = options_of(kind)

    def changed() -> Iterator[tuple[str, tuple[str, ...]]]:
        for name, items in spec.options:
            text = "+".join(items)
            absolute = known[name].absolute(text) if name in known and text else text
            yield name, items if absolute == text else (absolute,)

    model = known[MODEL].absolute(spec.model) if MODEL in known and spec.model else spec.model
    return PartSpec(spec.name, model, tuple(changed()))


def _option(field: dataclasses.Field[Any], annotated: Any) -> Option:  # noqa: ANN401 - types of fields have no type
    kind, *notes = get_args(annotated) if get_origin(annotated) is Annotated else (annotated,)
    rules = [note for note in notes if callable(note)]
    if kind is Path or Path in get_args(kind):
        rules = [here_or_kept]
    return Option(
        field.name,
        kind,
        next((note for note in notes if isinstance(note, str)), ""),
        field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
        rules[0] if rules else str,
    )
