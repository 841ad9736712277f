"""Classes of a store and of a data set meet by name or synonym, each one at most."""

import pytest

from knnclip.datasets import open_dataset
from knnclip.errors import UsageError
from knnclip.evaluation.class_matching import class_ids_of, index_of_class, lacking_classes
from knnclip.structures import UNKNOWN
from knnclip.vocabulary import ClassInfo, Vocabulary


def test_classes_meet_by_name_or_synonym_and_others_are_misses():
    vocabulary = Vocabulary.of(
        [
            ClassInfo(9, "automobile", True, (0, 0, 0), ("car",)),
            ClassInfo(4, "sky", False, (0, 0, 0)),
            ClassInfo(2, "boat", True, (0, 0, 0)),
        ]
    )
    table = index_of_class(vocabulary, [("sky",), ("car",), ("tree",)])
    assert {class_id: int(table[class_id]) for class_id in (0, 2, 4, 9)} == {0: -1, 2: -1, 4: 0, 9: 1}
    assert index_of_class(Vocabulary(()), [("sky",)]).tolist() == [-1]


@pytest.mark.parametrize(
    ("store", "aliases", "expected"),
    [
        # The store's synonym is a class of its own in the set: the exact name keeps its class.
        ([("car", ("machine",))], [("car",), ("machine",)], {"car": "car"}),
        ([("car", ("machine",))], [("machine",), ("car",)], {"car": "car"}),
        ([("car", ("machine",))], [("machine",), ("bus",)], {"car": "machine"}),
        # A synonym of the set finds a class that nobody else has.
        ([("windowpane", ())], [("window", "windowpane"), ("wall",)], {"windowpane": "window"}),
        ([("a", ("x",)), ("b", ())], [("c", "x"), ("b", "a")], {"a": "c", "b": "b"}),
        ([("tv", ()), ("screen", ())], [("monitor", "tv", "screen")], {"tv": "monitor"}),
        # Case, width and outer spaces make no other class.
        (
            [("Car", ()), ("Traffic Cone", ())],
            [("car",), (" traffic cone",)],
            {"Car": "car", "Traffic Cone": " traffic cone"},
        ),
    ],
)
def test_each_class_meets_one(store, aliases, expected):
    vocabulary = Vocabulary.of(
        [ClassInfo(i, name, True, (0, 0, 0), synonyms) for i, (name, synonyms) in enumerate(store, start=1)]
    )
    table = index_of_class(vocabulary, aliases)
    assert {info.name: aliases[table[info.class_id]][0] for info in vocabulary if table[info.class_id] >= 0} == expected
    assert class_ids_of(vocabulary, aliases) == [
        next((info.class_id for info in vocabulary if table[info.class_id] == i), UNKNOWN) for i in range(len(aliases))
    ]


def test_what_a_store_lacks_of_a_set_is_told_and_nothing_in_common_is_refused(sample_data):
    dataset = open_dataset(sample_data / "val")
    vocabulary = Vocabulary.of([ClassInfo(1, "SKY", False, (0, 0, 0)), ClassInfo(2, "boat", True, (0, 0, 0))])
    assert lacking_classes(vocabulary, dataset) == [name for name in dataset.class_names if name != "sky"]
    for lone in (Vocabulary(()), Vocabulary.of([ClassInfo(2, "boat", True, (0, 0, 0))])):
        with pytest.raises(UsageError, match="none of the 7 classes"):
            lacking_classes(lone, dataset)
