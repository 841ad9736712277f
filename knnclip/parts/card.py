"""A part's card: all that is known of it without loading it. Each is written beside the part it is of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, TypeVar

from knnclip.parts.roles import Encoder, MaskGenerator, PromptableGenerator, ZeroShotClassifier
from knnclip.parts.settings import MODEL, Option, made_absolute, options_of, read_settings
from knnclip.parts.spec import PartSpec
from knnclip.parts.weights import Need

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings", bound="DataclassInstance")

ROLES: Mapping[type, str] = MappingProxyType(
    {
        Encoder: "encoder",
        MaskGenerator: "mask generator",
        PromptableGenerator: "promptable generator",
        ZeroShotClassifier: "classifier",
    }
)
"""The roles of ``knnclip.parts.roles`` with the word for each."""

WEIGHTS = "weights"
"""The option under which a part takes a file of weights."""


def nothing(settings: object) -> Sequence[Need]:  # noqa: ARG001 - whatever they are
    """The needs of a part without weights."""
    return ()


@dataclass(frozen=True, eq=False)
class Card(Generic[Settings]):
    """A part: what it is, what it can be told, what it loads, and how it is made."""

    name: str  # what a ``PartSpec`` calls it
    form: str  # how it is written, with what it cannot do without: ``onnx:FILE,labels=NAMES.txt``
    summary: str  # one line for people
    roles: Mapping[type, str]  # what it can play, of ``ROLES``, with what it does there
    licence: str  # of its code and weights
    settings: type[Settings]
    make: Callable[[Settings, str], object]  # settings and device -> what plays the roles; loads the weights
    needs: Callable[[Settings], Sequence[Need]] = nothing  # what ``make`` loads, without loading it

    @property
    def options(self) -> list[Option]:
        """What can be written after its model, as ``name=value``."""
        return [option for name, option in options_of(self.settings).items() if name != MODEL]

    @property
    def takes_weights(self) -> bool:
        """Whether it can be given a file of weights."""
        return any(option.name == WEIGHTS for option in self.options)

    def read(self, spec: PartSpec) -> Settings:
        """The settings of a part of this card; ``UsageError`` names what is wrong and lists the options."""
        return read_settings(self.settings, spec, self.form)

    def absolute(self, spec: PartSpec) -> PartSpec:
        """The same part with absolute paths; see ``knnclip.parts.settings.made_absolute``."""
        return made_absolute(self.settings, spec)

    def make_from(self, spec: PartSpec, device: str) -> object:
        """The part itself, on a device; raises what ``read`` and ``make`` raise."""
        return self.make(self.read(spec), device)

    def needed(self, spec: PartSpec) -> Sequence[Need]:
        """The weights that it would load, and whether they are on this disk."""
        return self.needs(self.read(spec))
