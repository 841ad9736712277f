"""Which class of a store is which class of a data set: they meet by their names and synonyms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from knnclip.datasets import Dataset
from knnclip.datasets.class_lists import names_in
from knnclip.errors import UsageError
from knnclip.structures import UNKNOWN, Int32
from knnclip.vocabulary import Vocabulary


def index_of_class(vocabulary: Vocabulary, class_aliases: Sequence[Sequence[str]], at_least: int = 0) -> Int32:
    """``(largest class id + 1,)``, or ``at_least`` so many: the data set's index of each class id of the store.

    -1 for unknown and for what the data set does not have. ``class_aliases`` are the names of each of its classes, the
    class's own first. Equal names meet first, then what a synonym of the store names, then what a synonym of the data
    set does; a class meets one at most.
    """
    table = np.full(max([at_least - 1, UNKNOWN, *vocabulary.class_ids.tolist()]) + 1, -1, dtype=np.int32)
    met: set[int] = set()  # indices of the data set
    own_names = {info.name: info for info in vocabulary}
    rounds = ((own_names.get, 0, 1), (vocabulary.find, 0, 1), (vocabulary.find, 1, None))
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


def seen_classes(dataset: Dataset, vocabulary: str) -> list[str]:
    """The classes of a data set that a base vocabulary names, by their names or synonyms.

    ``vocabulary``: a file with a name a line, or a class list that knnclip has, as ``coco-panoptic``. ``UsageError`` if
    it names none of them.
    """
    names = names_in(vocabulary)
    found = [label.name for label in dataset.classes if names.intersection({label.name, *label.synonyms})]
    if not found:
        raise UsageError(f"{vocabulary} names no class of {dataset.root}; check --seen")
    return found
