"""Parts as text: what is written is read back, and what is wrong is named."""

from dataclasses import dataclass

import pytest

from knnclip.errors import UsageError
from knnclip.parts.text import read_settings, split_part, split_sum, with_option


@dataclass(frozen=True)
class Example:
    model: str
    stages: tuple[int, ...] = ()
    mean: tuple[float, ...] = ()
    scale: float = 1.0
    crop: bool = False
    weights: str = ""


def read(text):
    name, rest = split_part(text)
    return read_settings(Example, rest, name)


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("timm:resnet18", Example("resnet18")),
        ("timm:hf-hub:timm/x.y,stages=2+3", Example("hf-hub:timm/x.y", stages=(2, 3))),
        ("timm:m,mean=0.5+0.25+1,scale=2.5,crop=yes", Example("m", mean=(0.5, 0.25, 1.0), scale=2.5, crop=True)),
        ("timm:m,weights=/a b/c=d.pt", Example("m", weights="/a b/c=d.pt")),
    ],
)
def test_text_and_settings_are_the_same(text, settings):
    assert read(text) == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("timm", "timm needs model; write timm:MODEL"),
        ("timm:m,stage=2", "unknown option of timm 'stage'; did you mean 'stages'"),
        ("timm:m,stages=two", "option 'stages' is int, found 'two'"),
        ("timm:m,crop=perhaps", "option 'crop' is yes or no"),
        ("timm:m,crop", "option 'crop' has no value"),
        ("timm:m,model=n", "unknown option of timm 'model'"),
    ],
)
def test_what_is_wrong_is_named(text, message):
    with pytest.raises(UsageError, match=message):
        read(text)


def test_a_sum_has_weights():
    assert split_sum("timm:a b/c.pt & 0.8 descriptor&2 x") == [(1.0, "timm:a b/c.pt"), (0.8, "descriptor"), (2.0, "x")]


def test_an_option_goes_to_the_parts_of_some_names():
    text = with_option("timm:m,scale=2 & 0.8 descriptor", ("timm", "openclip"), "weights", "/a b.pt")
    assert text == "timm:m,scale=2,weights=/a b.pt & 0.8 descriptor"
    with pytest.raises(UsageError, match="no part timm or openclip"):
        with_option("descriptor", ("timm", "openclip"), "weights", "x")


def test_a_part_of_options_alone():
    text = with_option("regions", ("regions",), "max_masks", "7")
    assert split_part(text) == ("regions", ",max_masks=7")
    assert split_part("regions:leaves=9,parents=2") == ("regions", "leaves=9,parents=2")
