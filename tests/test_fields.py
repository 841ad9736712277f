"""Values of others come out in the kind that was asked for, or as an error that says what was found."""

import math

import pytest

from knnclip.errors import InputError
from knnclip.fields import Fields


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        ("whole", 3, 3), ("whole", 3.0, 3), ("whole", "3", 3), ("whole", "-3", -3), ("number", 1, 1.0),
        ("number", "0.5", 0.5), ("flag", None, False), ("flag", 1, True), ("flag", 0.0, False), ("flag", True, True),
        ("ident", 7, 7), ("ident", 7.0, 7), ("ident", "a", "a"), ("text", "a b", "a b"), ("name", " cat ", "cat"),
        ("items", [], []),
    ],
)  # fmt: skip
def test_a_value_of_the_kind_is_taken(read, value, expected):
    found = getattr(Fields({"x": value}), read)("x")
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("read", "values"),
    [
        ("whole", [None, True, "x", "", 0.5, math.nan, math.inf, 10**30, "9" * 5000, [], {}]),
        ("number", [None, True, "x", math.nan, math.inf, 10**400, "1e999", 1e10, [1]]),
        ("flag", ["no", "0", 2, math.nan, [], {}]),
        ("ident", [None, "", True, 0.5, math.nan, [], {}, "\ud800", "a\0"]),
        ("text", [None, "", 3, "\udce9", "\0", []]),
        ("name", ["  ", "x" * 1001, 3]),
        ("items", [None, {}, "abc"]),
        ("fields", [None, [], 3]),
    ],
)
def test_anything_else_is_an_error_that_names_place_and_key(read, values):
    for value in values:
        with pytest.raises(InputError, match=r"^a\.json: .*x") as error:
            getattr(Fields({"x": value}, "a.json"), read)("x")
        assert len(str(error.value)) < 200
        assert len(str(error.value).splitlines()) == 1
        str(error.value).encode()


@pytest.mark.parametrize("content", [None, [], "x", 3])
def test_what_is_no_object_is_an_error(content):
    with pytest.raises(InputError, match=r"a\.json: expected an object, found"):
        Fields.of(content, "a.json")


def test_bounds_hold():
    fields = Fields({"x": 5})
    assert fields.whole("x", 5, 5) == 5
    with pytest.raises(InputError, match="'x' is 5, expected a whole number from 6 to 9"):
        fields.whole("x", 6, 9)
    with pytest.raises(InputError, match="expected a number from 6 to 9"):
        fields.number("x", 6, 9)
    with pytest.raises(InputError, match="expected a list of 2"):
        Fields({"x": [1]}).items("x", 2)
