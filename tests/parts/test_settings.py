"""Settings are read from a part, and say by their types what is a path."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as with_settings
from hypothesis import strategies as st

from knnclip.errors import UsageError
from knnclip.parts.settings import HubModel, NamedModel, NoSettings, made_absolute, options_of, read_settings
from knnclip.parts.spec import PartSpec

PATIENT = with_settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # also on a loaded machine


@dataclass(frozen=True)
class Example:
    model: Annotated[NamedModel, "a name"]
    stages: tuple[int, ...] = ()
    mean: tuple[float, ...] = ()
    scale: Annotated[float, "how large"] = 1.0
    crop: bool = False
    weights: Annotated[Path | None, "a file"] = None


@dataclass(frozen=True)
class Files:
    model: HubModel
    labels: Path


def read(text):
    return read_settings(Example, PartSpec.parse(text), "timm:MODEL")


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("timm:resnet18", Example("resnet18")),
        ("timm:hf-hub:timm/x.y,stages=2+3", Example("hf-hub:timm/x.y", stages=(2, 3))),
        ("timm:m,mean=0.5+0.25+1,scale=2.5,crop=yes", Example("m", mean=(0.5, 0.25, 1.0), scale=2.5, crop=True)),
        ("timm:m,weights=/a b/c+d=e.pt", Example("m", weights=Path("/a b/c+d=e.pt"))),
        ("timm:m,weights=,stages=", Example("m")),
    ],
)
def test_text_and_settings_are_the_same(text, settings):
    assert read(text) == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("timm", "timm needs model; write timm:MODEL"),
        ("timm:m,stage=2", "unknown option of timm 'stage'; did you mean 'stages'"),
        ("timm:m,stages=two", "option 'stages' is a whole number, found 'two'"),
        ("timm:m,scale=1+2", r"option 'scale' is a number, found '1\+2'"),
        ("timm:m,crop=perhaps", "option 'crop' is yes or no"),
        ("timm:m,model=n", "unknown option of timm 'model'"),
    ],
)
def test_what_is_wrong_is_named(text, message):
    with pytest.raises(UsageError, match=message):
        read(text)


def test_a_part_without_a_model_takes_none():
    with pytest.raises(UsageError, match="grabcut takes no model, found 'x'; write grabcut"):
        read_settings(NoSettings, PartSpec.parse("grabcut:x"), "grabcut")


def test_a_path_that_must_be_there_is_not_empty():
    with pytest.raises(UsageError, match="option 'labels' is a path, found ''"):
        read_settings(Files, PartSpec.parse("onnx:x,labels="), "onnx:FILE")


def test_what_an_option_is_for_stands_beside_its_type():
    assert {name: option.help for name, option in options_of(Example).items() if option.help} == {
        "model": "a name", "scale": "how large", "weights": "a file",
    }  # fmt: skip
    assert [name for name, option in options_of(Files).items() if option.required] == ["model", "labels"]


def test_paths_are_absolute_and_nothing_else_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()

    def absolute(kind, text):
        return str(made_absolute(kind, PartSpec.parse(text))).replace(str(tmp_path), "CWD")

    assert absolute(Example, "timm:here,weights=a/b.pt,scale=2") == "timm:here,weights=CWD/a/b.pt,scale=2"
    assert absolute(Example, 'timm:local-dir:a,weights="b,c+d"') == 'timm:local-dir:CWD/a,weights="CWD/b,c+d"'
    assert absolute(Example, "timm:hf-hub:a/b,weights=/x") == "timm:hf-hub:a/b,weights=/x"
    assert absolute(Example, "timm:m,weights=") == 'timm:m,weights=""'
    assert absolute(Files, "sam:here,labels=l") == "sam:CWD/here,labels=CWD/l"
    assert absolute(Files, "sam:facebook/sam,labels=/l") == "sam:facebook/sam,labels=/l"
    assert absolute(Files, f"sam:{'x' * 5000},labels=/l") == f"sam:{'x' * 5000},labels=/l"


@PATIENT
@given(st.text(st.characters(exclude_characters="\0") | st.sampled_from(list('",&+= \\')), min_size=1))
def test_any_path_is_read_as_it_is(name):
    path = Path("/folder") / name.lstrip("/")
    part = PartSpec("timm", "m").with_option("weights", str(path))
    for spec in (part, made_absolute(Example, part), PartSpec.parse(str(part))):
        assert read_settings(Example, spec, "timm:MODEL").weights == path
