"""Which class of a store is which class of a data set: they meet by their names and synonyms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from knnclip.datasets import Dataset
from knnclip.datasets.class_lists import names_in
from knnclip.errors import UsageError
from knnclip.structures import UNKNOWN, Int32
from knnclip.vocabulary import Vocabulary, name_key, same_names

FEW = 10
"""Classes that a message names: enough to see what is wrong, few enough for a line or two."""


def index_of_class(vocabulary: Vocabulary, class_aliases: Sequence[Sequence[str]], at_least: int = 0) -> Int32:
    """``(largest class id + 1,)``, or ``at_least`` so many: the data set's index of each class id of the store.

    -1 for unknown and for what the data set does not have. ``class_aliases`` are the names of each of its classes, the
    class's own first. Equal names meet first, then what a synonym of the store names, then what a synonym of the data
    set does; a class meets one at most.
    """
    table = np.full(max([at_least - 1, UNKNOWN, *vocabulary.class_ids.tolist()]) + 1, -1, dtype=np.int32)
    met: set[int] = set()  # indices of the data set
    own_names = {name_key(info.name): info for info in vocabulary}
    rounds = ((lambda name: own_names.get(name_key(name)), 0, 1), (vocabulary.find, 0, 1), (vocabulary.find, 1, None))
    for find, first, end in rounds:
        for index, names in enumerate(class_aliases):
            found = next((info for info in map(find, names[first:end]) if info is not None), None)
            if index not in met and found is not None and table[found.class_id] < 0:
                table[found.class_id] = index
                met.add(index)
    return table


def class_ids_of(vocabulary: Vocabulary, class_aliases: Sequence[Sequence[str]]) -> list[int]:
    """The class id of the store for each class of a data set, ``UNKNOWN`` where it has none; see ``index_of_class``."""
    table = index_of_class(vocabulary, class_aliases)
    ids = [UNKNOWN] * len(class_aliases)
    for class_id in np.flatnonzero(table >= 0).tolist():
        ids[table[class_id]] = class_id
    return ids


def lacking_classes(vocabulary: Vocabulary, dataset: Dataset) -> list[str]:
    """The classes of a data set that a store does not have, in their order.

    ``UsageError`` if it has none of them: all would be missed, which says nothing of the store.
    """
    ids = class_ids_of(vocabulary, dataset.class_aliases)
    lacking = [name for name, class_id in zip(dataset.class_names, ids, strict=True) if class_id == UNKNOWN]
    if lacking and len(lacking) == len(ids):
        raise UsageError(
            f"the store has none of the {len(ids)} classes of {dataset.root} ({_first(dataset.class_names)}), "
            f"it has {_first(info.name for info in vocabulary) or 'no class at all'}; ingest or teach them, rename "
            "those that mean the same (knnclip classes rename), or choose another --store"
        )
    return lacking


def _first(names: Iterable[str]) -> str:
    """The first few names, for a message."""
    listed = list(names)
    more = f" and {len(listed) - FEW} more" if len(listed) > FEW else ""
    return ", ".join(listed[:FEW]) + more


def seen_classes(dataset: Dataset, vocabulary: str) -> list[str]:
    """The classes of a data set that a base vocabulary names, by their names or synonyms.

    ``vocabulary``: a file with a name a line, or a class list that knnclip has, as ``coco-panoptic``. ``UsageError`` if
    it names none of them.
    """
    names = names_in(vocabulary)
    found = [label.name for label in dataset.classes if same_names((label.name, *label.synonyms), names)]
    if not found:
        raise UsageError(f"{vocabulary} names no class of {dataset.root}; check --seen")
    return found
