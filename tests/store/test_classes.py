from __future__ import annotations

import pytest

from knnclip.errors import UsageError
from knnclip.store import Store
from knnclip.vocabulary import default_color

from .samples import instance, new_store

TORTURE = [
    "traffic cone",
    "'; DROP TABLE classes; --",
    "\"quoted\" 'and' `ticked`",
    "🚦👩‍👩‍👧‍👦",
    "../../etc/passwd",
    "C:\\con\\nul",
    "<script>alert(1)</script>&amp;",
    "%s {0} ${HOME} $(rm -rf /)",
    "line\nbreak\ttab\r",
    " leading and trailing ",
    "ß ẞ SS ss",
    "é",
    "a\u030a decomposed",
    "\u202eright to left",
    "\ufeff",
    "x" * 500,
    "名" * 500,
    "NULL",
    "0",
    "\x01\x7f",
]


@pytest.fixture
def store(tmp_path):
    with new_store(tmp_path, [instance(1, "cat"), instance(2, "dog"), instance(3, "dog", "b.png")]) as store:
        yield store


def names(store):
    return [info.name for info in store.vocabulary()]


def class_of(store):
    return {row.instance_id: row.class_name for row in store.instances()}


def test_names_are_data(tmp_path):
    with new_store(tmp_path, [instance(i, name) for i, name in enumerate(TORTURE)]) as store:
        assert sorted(names(store)) == sorted(TORTURE)
        store.rename("traffic cone", "a " + TORTURE[1])
    with Store.open(tmp_path / "store") as store:
        assert list(class_of(store).values()) == ["a " + TORTURE[1], *TORTURE[1:]]
        for name in TORTURE[1:]:
            assert store.vocabulary().by_name(name).name == name
            assert store.forget(class_name=name, reason=name) == 1
        assert [event.detail["reason"] for event in store.events() if event.kind == "forget"] == TORTURE[1:]
        assert store.verify() == []


def test_a_class_can_be_added_without_instances(store):
    info = store.add_class("road", is_thing=False, synonyms=["street", "street"], color=(1, 2, 3))
    assert (info.name, info.is_thing, info.color, info.synonyms) == ("road", False, (1, 2, 3), ("street",))
    assert store.vocabulary().by_id(info.class_id) == info
    assert store.add_class("sky").color == default_color("sky")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "dog"}, "'dog' is already in use by class 'dog'"),
        ({"name": "new", "synonyms": ["cat"]}, "'cat' is already in use by class 'cat'"),
        ({"name": "new", "synonyms": ["hound"]}, "'hound' is already in use by class 'wolf'"),
        ({"name": ""}, "empty"),
        ({"name": "new", "synonyms": [" "]}, "empty"),
        ({"name": "new", "color": (0, 0, 256)}, "three numbers"),
    ],
)
def test_a_taken_or_bad_name_is_refused(store, arguments, message):
    store.add_class("wolf", synonyms=["hound"])
    before, generation = store.vocabulary(), store.generation
    with pytest.raises(UsageError, match=message):
        store.add_class(**arguments)
    assert store.vocabulary() == before
    assert store.generation == generation


def test_renaming_keeps_rows_and_the_old_name_as_a_synonym(store):
    dog = store.vocabulary().by_name("dog").class_id
    store.rename("dog", "hound")
    info = store.vocabulary().by_name("dog")
    assert (info.class_id, info.name, info.synonyms) == (dog, "hound", ("dog",))
    assert info.color == default_color("hound")
    assert list(class_of(store).values()) == ["cat", "hound", "hound"]
    store.add([instance(9, "dog")], store.begin_source("teach", "later"))
    assert names(store) == ["cat", "hound"]
    store.rename("dog", "dog")
    assert store.vocabulary().by_name("hound").synonyms == ("hound",)


def test_a_name_given_on_purpose_is_taken_from_synonyms(store):
    store.rename("dog", "hound")
    store.rename("cat", "dog")
    assert [(info.name, info.synonyms) for info in store.vocabulary()] == [("dog", ("cat",)), ("hound", ())]
    store.add_class("cat")
    assert [(info.name, info.synonyms) for info in store.vocabulary()] == [("cat", ()), ("dog", ()), ("hound", ())]


@pytest.mark.parametrize(
    ("old", "new", "message"), [("dog", "cat", "use merge"), ("cow", "x", "did you mean|unknown"), ("dog", "", "empty")]
)
def test_a_rename_that_cannot_be_is_refused(store, old, new, message):
    with pytest.raises(UsageError, match=message):
        store.rename(old, new)
    assert names(store) == ["cat", "dog"]


def test_merging_moves_rows_and_names(store):
    store.add_class("animal", synonyms=["beast"])
    store.search(instance(1).embedding[None], 1)  # an index that has to catch up
    assert store.merge(["cat", "dog", "cat"], "beast") == 3
    (info,) = store.vocabulary()
    assert (info.name, info.synonyms) == ("animal", ("beast", "cat", "dog"))
    assert set(store.search(instance(1).embedding[None], 3).class_id[0]) == {info.class_id}
    assert len(store) == 3


def test_merges_that_follow_each_other_reach_a_lagging_index(store, tmp_path):
    store.add_class("animal")
    with Store.open(tmp_path / "store", read_only=True) as reader:
        reader.search(instance(1).embedding[None], 1)
        store.merge(["cat"], "dog")
        store.merge(["dog"], "animal")
        (info,) = reader.vocabulary()
        assert set(reader.search(instance(1).embedding[None], 3).class_id[0]) == {info.class_id}


@pytest.mark.parametrize(
    ("parts", "into", "message"),
    [
        ([], "cat", "at least one"),
        (["cat"], "cat", "besides 'cat'"),
        (["cow"], "cat", "unknown"),
        (["cat"], "x", "unknown"),
    ],
)
def test_a_merge_that_cannot_be_is_refused(store, parts, into, message):
    with pytest.raises(UsageError, match=message):
        store.merge(parts, into)
    assert list(class_of(store).values()) == ["cat", "dog", "dog"]


def test_a_class_that_came_with_rows_leaves_with_them_and_an_added_one_stays(store):
    store.add_class("cow")
    store.add([instance(8, "cow"), instance(9, "pig")], 1)
    store.forget(instance_ids=[row for row, name in class_of(store).items() if name in ("cow", "pig")])
    assert names(store) == ["cat", "cow", "dog"]
    store.merge(["cow"], "dog")  # now dog was added on purpose, in part
    store.forget(instance_ids=[row for row, name in class_of(store).items() if name == "dog"])
    assert names(store) == ["cat", "dog"]
    store.forget(class_name="dog")
    assert names(store) == ["cat"]


def test_names_that_differ_as_writing_does_are_one_class(tmp_path):
    rows = [instance(1, "Traffic Cone"), instance(2, "traffic cone"), instance(3, " ｔｒａｆｆｉｃ cone")]
    with new_store(tmp_path, rows, [instance(4, "TRAFFIC CONE", "b.png")]) as store:
        assert names(store) == ["Traffic Cone"], "as it was typed first"
        assert len(class_of(store)) == 4
        with pytest.raises(UsageError, match="'Traffic Cone'"):
            store.add_class("traffic cone")
        with pytest.raises(UsageError, match="'Traffic Cone'"):
            store.add_class("pylon", synonyms=["Traffic cone"])
        assert store.forget(class_name="traffic Cone") == 4


def test_a_class_is_not_renamed_to_another_in_other_letters(store):
    with pytest.raises(UsageError, match="class 'dog' exists already"):
        store.rename("cat", "DOG ")
    store.rename("cat", "Cat")
    assert (names(store), store.vocabulary().by_name("Cat").synonyms) == (["Cat", "dog"], ())
    store.rename("Cat", "Pet")
    store.merge(["dog"], "pet")
    assert store.vocabulary().by_name("PET").synonyms == ("Cat", "dog")
