"""detectron2 where it is installed, and the class names that its catalog knows of a data set.

detectron2 numbers classes anew, from 0. In a *separated* panoptic set things and stuff are numbered on their own: 3 is
one class of the instances and another of the semantic map, whose 0 is "things". In a *standard* panoptic set one list
numbers both. Which one a set is follows from its metadata, where both kinds have the same keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from knnclip.errors import UsageError

INSTALL = "https://detectron2.readthedocs.io/en/latest/tutorials/install.html tells how to install it"

THINGS = "things"
"""What detectron2 calls the value 0 of a semantic map in which all things are one."""

LABEL_DIVISOR = 1000
"""What detectron2's own sets use, and more than the objects of one class in a picture."""


def detectron2_module(name: str, asker: str) -> Any:  # noqa: ANN401 - detectron2 has no types
    """The module ``detectron2.NAME``; ``UsageError`` with what ``asker`` needs where detectron2 is not here."""
    try:
        return import_module(f"detectron2.{name}" if name else "detectron2")
    except ImportError as error:
        raise UsageError(f"{asker} needs detectron2, which is not here ({error}); {INSTALL}") from error


@dataclass(frozen=True)
class CatalogClasses:
    """The names of a set's classes by detectron2's numbers."""

    things: tuple[str, ...]  # by the category_id of instances and of segments that are things
    stuff: tuple[str, ...]  # by the category_id of other segments, and by the value of a semantic map
    thing_ids: frozenset[int]  # those among the numbers of ``things`` that are things
    names_things: bool  # False: the semantic map has one value, 0, for all things
    label_divisor: int  # a panoptic map without a list of segments holds category_id * label_divisor + instance

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> CatalogClasses:
        """Those of ``MetadataCatalog.get(NAME)``; empty where it has no names."""
        things, stuff = tuple(metadata.get("thing_classes", ())), tuple(metadata.get("stuff_classes", ()))
        thing_numbers = dict(metadata.get("thing_dataset_id_to_contiguous_id", {}))
        stuff_numbers = dict(metadata.get("stuff_dataset_id_to_contiguous_id", {}))
        divisor = int(metadata.get("label_divisor", LABEL_DIVISOR))
        if _one_list(thing_numbers, stuff_numbers) and len(stuff) > max(thing_numbers.values()):
            return cls(stuff, stuff, frozenset(thing_numbers.values()), names_things=True, label_divisor=divisor)
        all_things = frozenset(range(len(things)))
        return cls(things, stuff, all_things, names_things=stuff[:1] != (THINGS,), label_divisor=divisor)

    def name(self, category_id: int, *, is_thing: bool) -> str:
        """Of a segment; empty for a number that no class has."""
        names = self.things if is_thing else self.stuff
        return names[category_id] if 0 <= category_id < len(names) else ""

    @property
    def names(self) -> tuple[str, ...]:
        """Every class once: those of the semantic map, then the things that it has not."""
        return tuple(dict.fromkeys([*(self.stuff if self.names_things else self.stuff[1:]), *self.things]))

    @property
    def thing_names(self) -> frozenset[str]:
        """The names of the things."""
        return frozenset(self.things[number] for number in self.thing_ids)


def _one_list(things: Mapping[int, int], stuff: Mapping[int, int]) -> bool:
    """Whether both kinds have numbers and none stands for two classes of the data set."""
    known = {number: category for category, number in stuff.items()}
    own = {number: category for category, number in things.items()}
    return bool(own and known) and all(known.get(number, category) == category for number, category in own.items())
