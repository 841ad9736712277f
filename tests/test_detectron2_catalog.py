"""Names by detectron2's numbers, for the kinds of metadata that its sets and those of projects on it have."""

import pytest

from knnclip.detectron2_catalog import CatalogClasses

SETS = {
    "separated: 0 is all things": (
        {
            "thing_classes": ["cat", "dog"], "thing_dataset_id_to_contiguous_id": {17: 0, 18: 1},
            "stuff_classes": ["things", "sky", "road"], "stuff_dataset_id_to_contiguous_id": {0: 0, 187: 1, 149: 2},
        },
        ["sky", "road", "cat", "dog"], {"cat", "dog"}, "dog", "sky",
    ),
    "standard: one list for both": (
        {
            "thing_classes": ["cat", "dog", "sky"], "thing_dataset_id_to_contiguous_id": {17: 0, 18: 1},
            "stuff_classes": ["cat", "dog", "sky"], "stuff_dataset_id_to_contiguous_id": {187: 2},
        },
        ["cat", "dog", "sky"], {"cat", "dog"}, "dog", "dog",
    ),
    "Mask2Former's: things are listed without gaps, but numbered with them": (
        {
            "thing_classes": ["bed", "door"], "thing_dataset_id_to_contiguous_id": {1: 1, 2: 3},
            "stuff_classes": ["wall", "bed", "sky", "door"],
            "stuff_dataset_id_to_contiguous_id": {0: 0, 1: 1, 7: 2, 2: 3},
        },
        ["wall", "bed", "sky", "door"], {"bed", "door"}, "bed", "bed",
    ),
    "instances": ({"thing_classes": ["cat", "dog"]}, ["cat", "dog"], {"cat", "dog"}, "dog", ""),
    "Cityscapes: two lists with common names": (
        {"thing_classes": ["person", "car"], "stuff_classes": ["road", "sky", "person", "car"]},
        ["road", "sky", "person", "car"], {"person", "car"}, "car", "sky",
    ),
    "nothing": ({}, [], set(), "", ""),
}  # fmt: skip


@pytest.mark.parametrize(("metadata", "names", "things", "thing", "stuff"), SETS.values(), ids=SETS)
def test_names_by_number(metadata, names, things, thing, stuff):
    classes = CatalogClasses.of(metadata)
    assert list(classes.names) == names
    assert classes.thing_names == things
    assert classes.name(1, is_thing=True) == thing
    assert classes.name(1, is_thing=False) == stuff
    assert classes.name(-1, is_thing=True) == classes.name(99, is_thing=False) == ""
