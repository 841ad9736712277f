"""Parts as text and as JSON: what is written is read back, and what is wrong is named."""

import json
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knnclip.errors import StoreError, UsageError
from knnclip.parts.spec import EncoderSpec, PartSpec

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # also on a loaded machine
ANY_TEXT = st.text(st.characters() | st.sampled_from(list("\",&+=: \\'\n")))
NAMES = st.text(string.ascii_lowercase + string.digits + "_", min_size=1).filter(lambda name: not name[0].isdigit())
OPTIONS = st.lists(
    st.tuples(NAMES, st.lists(ANY_TEXT, min_size=1).map(tuple)), unique_by=lambda option: option[0], max_size=4
).map(tuple)
PARTS = st.builds(PartSpec, NAMES, ANY_TEXT, OPTIONS)
WEIGHTS = st.floats(0, 1e300, allow_nan=False, allow_infinity=False)
ENCODERS = st.lists(st.tuples(WEIGHTS, PARTS), min_size=1, max_size=3).map(lambda terms: EncoderSpec(tuple(terms)))


@PATIENT
@given(PARTS)
def test_any_part_is_read_back_from_its_text_and_from_its_json(part):
    assert PartSpec.parse(str(part)) == part
    assert PartSpec.from_json(json.loads(json.dumps(part.to_json()))) == part


@PATIENT
@given(ENCODERS)
def test_any_encoder_is_read_back_from_its_text_and_from_its_json(encoder):
    assert EncoderSpec.parse(str(encoder)) == encoder
    assert EncoderSpec.from_json(json.loads(json.dumps(encoder.to_json()))) == encoder


@PATIENT
@given(st.text() | ANY_TEXT)
def test_any_text_is_a_part_or_a_clear_error(text):
    try:
        read = EncoderSpec.parse(text)
    except UsageError:
        return
    assert EncoderSpec.parse(str(read)) == read


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("regions", PartSpec("regions")),
        (" regions , leaves = 9 ", PartSpec("regions", "", (("leaves", ("9",)),))),
        ("regions:leaves=9,parents=2", PartSpec("regions", "", (("leaves", ("9",)), ("parents", ("2",))))),
        ("timm:hf-hub:timm/x.y,stages=2+3", PartSpec("timm", "hf-hub:timm/x.y", (("stages", ("2", "3")),))),
        ("timm:m,weights=/a b/c=d.pt", PartSpec("timm", "m", (("weights", ("/a b/c=d.pt",)),))),
        ('timm:m,weights="/R & D/a,b.pt" ', PartSpec("timm", "m", (("weights", ("/R & D/a,b.pt",)),))),
        ('timm:m,others="a+b"+c', PartSpec("timm", "m", (("others", ("a+b", "c")),))),
        ('onnx:"fold=3.onnx",labels=it\'s "x".txt', PartSpec("onnx", "fold=3.onnx", (("labels", ('it\'s "x".txt',)),))),
        ('onnx:/f=3/"x".onnx', PartSpec("onnx", '/f=3/"x".onnx')),
        ('fcclip:"a ""b"".pth"', PartSpec("fcclip", 'a "b".pth')),
        ("timm:C:\\nets\\a.pt", PartSpec("timm", "C:\\nets\\a.pt")),
    ],
)
def test_what_is_written_is_the_part(text, part):
    assert PartSpec.parse(text) == part
    assert EncoderSpec.parse(text) == EncoderSpec(((1.0, part),))


def test_a_sum_has_weights():
    spec = EncoderSpec.parse("timm:a b/c.pt & 0.8 descriptor&2 x & .5 y,z=1")
    assert [(weight, str(part)) for weight, part in spec.terms] == [
        (1.0, "timm:a b/c.pt"), (0.8, "descriptor"), (2.0, "x"), (0.5, "y,z=1"),
    ]  # fmt: skip
    assert str(spec) == "timm:a b/c.pt & 0.8 descriptor & 2 x & 0.5 y,z=1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the name of a part"),
        ("timm:m & ", "expected the name of a part"),
        ("timm:m,crop", "timm: option 'crop' has no value; write crop=VALUE"),
        ("timm:m,weights=/a,b/w.pt", r"option 'b/w.pt' has no value; .* goes in double quotes"),
        ("timm:m,stages=1,stages=2", "timm: option 'stages' is given more than once"),
        ('timm:m,weights="/a', "the quote at .* is not closed"),
        ('timm:m,weights="/a"b', "after .* comes one of"),
        ('timm:"m"n', "after .* comes one of"),
    ],
)
def test_what_is_wrong_is_named(text, message):
    with pytest.raises(UsageError, match=message):
        EncoderSpec.parse(text)


def test_one_part_is_not_several():
    with pytest.raises(UsageError, match="more than one part where one is wanted"):
        PartSpec.parse("regions & sam:x")


def test_an_option_that_is_there_is_replaced_where_it_stands():
    part = PartSpec.parse("timm:m,weights=/old,flip=yes")
    assert str(part.with_option("weights", "/a,b")) == 'timm:m,weights="/a,b",flip=yes'
    assert str(part.with_option("centre", "0.8")) == "timm:m,weights=/old,flip=yes,centre=0.8"


@pytest.mark.parametrize("content", [[], {}, {"name": "x"}, {"name": "x", "model": "", "options": {"a": 1}}, "x", None])
def test_json_that_is_no_part_is_an_error(content):
    with pytest.raises(StoreError, match="is no part"):
        PartSpec.from_json(content)


@pytest.mark.parametrize("content", [{}, [], [{}], [{"weight": "x", "part": {}}], 1, None])
def test_json_that_is_no_encoder_is_an_error(content):
    with pytest.raises(StoreError, match=r"is no (encoder|part)"):
        EncoderSpec.from_json(content)


def test_a_weight_is_a_number_that_is_one():
    with pytest.raises(UsageError, match="1e999, which is too large"):
        EncoderSpec.parse("1e999 descriptor")
