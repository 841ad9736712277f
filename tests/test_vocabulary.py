"""Names, columns and colours of classes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnclip.errors import UsageError
from knnclip.vocabulary import (
    MAX_NAME_LENGTH,
    ClassInfo,
    Vocabulary,
    check_name,
    default_color,
    distinct_names,
    same_names,
)


def info(class_id, name, synonyms=()):
    return ClassInfo(class_id, name, True, default_color(name), synonyms)


@given(st.sets(st.integers(1, 50)), st.lists(st.integers(-1, 60), max_size=20))
def test_columns_against_a_loop(known, asked):
    # Names in the opposite order of the ids, so that columns and ids are not the same by chance.
    vocabulary = Vocabulary.of(info(class_id, f"{99 - class_id:02}") for class_id in known)
    listed = [entry.class_id for entry in vocabulary]
    expected = [listed.index(class_id) if class_id in listed else -1 for class_id in asked]
    assert vocabulary.columns(np.array(asked, np.int64)).tolist() == expected


def test_columns_keep_the_shape():
    vocabulary = Vocabulary.of([info(7, "a"), info(3, "b")])
    assert vocabulary.columns(np.array([[3, 7], [0, 3]])).tolist() == [[1, 0], [-1, 1]]


def test_a_class_is_found_by_its_synonyms_but_a_name_goes_first():
    vocabulary = Vocabulary.of([info(1, "car", ("auto", "bike")), info(2, "bike")])
    assert vocabulary.by_name("auto").class_id == 1
    assert vocabulary.by_name("bike").class_id == 2
    assert vocabulary.find("boat") is None
    with pytest.raises(UsageError, match="did you mean 'car'"):
        vocabulary.by_name("cars")
    with pytest.raises(UsageError, match="no class has id 9"):
        vocabulary.by_id(9)


@pytest.mark.parametrize("name", ["", " \t\n", "x" * (MAX_NAME_LENGTH + 1), "a\0b", "\ud800"])
def test_what_cannot_be_a_name_is_refused(name):
    with pytest.raises(UsageError):
        check_name(name)


@pytest.mark.parametrize("name", ["x" * 500, "😀", "../../etc", "<b>", "'; DROP TABLE classes; --", " padded "])
def test_names_are_data(name):
    assert check_name(name) == name


def test_colours_depend_on_the_name_alone_and_differ():
    names = [f"class {i}" for i in range(200)]
    colors = [default_color(name) for name in names]
    assert colors == [default_color(name) for name in names]
    assert len(set(colors)) > 190
    assert all(0 <= channel <= 255 for color in colors for channel in color)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Traffic Cone", "traffic cone"),
        ("caf\u00e9", "cafe\u0301"),
        ("\uff43\uff41\uff52", "car"),
        (" car\u00a0", "car"),
        ("STRASSE", "straße"),
    ],
)
def test_names_that_differ_as_writing_does_are_one(one, other):
    assert Vocabulary.of([info(1, one)]).find(other).name == one, "as typed when shown"
    assert same_names([one], [other])
    assert distinct_names([one, other]) == [one]


@pytest.mark.parametrize(("one", "other"), [("car", "cars"), ("traffic cone", "trafficcone"), ("é", "e")])
def test_names_of_other_words_are_two(one, other):
    assert not same_names([one], [other])
