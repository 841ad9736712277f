"""The catalogue: every part has a card that is true, and what a preset names is made once."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as with_settings
from hypothesis import strategies as st

from knnclip.catalogue import (
    CARDS,
    PartOverrides,
    card_of,
    from_settings,
    make_parts,
    needed_weights,
    read_encoder,
    read_part,
    to_settings,
)
from knnclip.errors import StoreError, UsageError
from knnclip.parts.card import ROLES
from knnclip.parts.roles import Encoder, MaskGenerator, PromptableGenerator, ZeroShotClassifier
from knnclip.parts.spec import EncoderSpec, PartSpec
from knnclip.presets import PRESETS, preset_by_name
from scripts.update_readme import updated
from tests.test_architecture import HEAVY

BUILTIN = preset_by_name("builtin")
PATIENT = with_settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # also on a loaded machine
README = Path(__file__).parents[1] / "README.md"


def test_the_readmes_tables_are_the_cards():
    text = README.read_text(encoding="utf-8")
    assert text == updated(text), "run: python scripts/update_readme.py"


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_a_card_says_all_that_is_to_be_said(card):
    assert [other.name for other in CARDS].count(card.name) == 1
    assert PartSpec.parse(card.form).name == card.name
    card.read(PartSpec.parse(card.form))  # what it cannot do without is in its form
    assert card.roles
    assert set(card.roles) <= set(ROLES)
    for text in (card.summary, card.licence, *card.roles.values(), *(option.help for option in card.options)):
        assert text
        assert not set("|\n") & set(text), "it stands in a table"
    assert not any(";" in option.help for option in card.options), "they are listed with semicolons between them"


def test_cards_load_nothing_heavy():
    code = "import sys, knnclip.catalogue; print(sorted(set(sys.argv[1:]) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code, *HEAVY], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("text", "role", "message"),
    [
        ("regoins", MaskGenerator, "unknown mask generator 'regoins'; did you mean 'regions'\\? Known: detectron2, "
         "fcclip, onnx, regions, sam, univ"),
        ("regions", Encoder, "unknown encoder 'regions'.* Known: descriptor, fcclip, openclip, timm\\."),
        ("timm:x", ZeroShotClassifier, "unknown classifier 'timm'.* Known: detectron2, fcclip, onnx, openclip, univ"),
        ("regions", PromptableGenerator, "unknown promptable generator 'regions'.* Known: grabcut, sam\\."),
    ],
)  # fmt: skip
def test_an_unknown_name_lists_what_plays_the_role(text, role, message):
    with pytest.raises(UsageError, match=message):
        card_of(PartSpec.parse(text), role)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("regions,leafs=3", "unknown option of regions 'leafs'; did you mean 'leaves'"),
        ("regions:fine", "regions takes no model, found 'fine'; write regions"),
        ("regions,leaves=9,leaves=10", "'leaves' is given more than once"),
        ("onnx:x.onnx", r"onnx needs labels; write onnx:FILE,labels=NAMES\.txt"),
        ("sam", "sam needs model; write sam:MODEL"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_loaded(text, message):
    with pytest.raises(UsageError, match=message):
        read_part(text, MaskGenerator)


def test_every_part_tells_its_weights(tmp_path):
    (tmp_path / "here.onnx").write_bytes(b"")

    def needs(role, text):
        spec = PartSpec.parse(text)
        return [(Path(need.name).name, need.on_disk) for need in card_of(spec, role).needed(spec)]

    assert needs(MaskGenerator, f"onnx:{tmp_path}/here.onnx,labels=x") == [("here.onnx", True)]
    assert needs(MaskGenerator, "onnx:/no/there.onnx,labels=x") == [("there.onnx", False)]
    assert needs(MaskGenerator, "detectron2:c.yaml,weights=/no/w.pth") == [("w.pth", False)]
    assert needs(MaskGenerator, "fcclip:/no/f.pth") == [("f.pth", False)]
    assert needs(MaskGenerator, f"sam:{tmp_path}") == [(tmp_path.name, False)]
    assert needs(MaskGenerator, f"universal:{tmp_path}") == [(tmp_path.name, False)]
    assert needs(Encoder, f"openclip:local-dir:{tmp_path}") == [(tmp_path.name, False)]
    assert needs(Encoder, f"timm:local-dir:{tmp_path}") == [(tmp_path.name, False)]
    assert needs(MaskGenerator, "regions") == []
    both = replace(BUILTIN, masks=PartSpec.parse("fcclip:f"), classifier=PartSpec.parse("fcclip:f"))
    assert [Path(need.name).name for need in needed_weights(both)] == ["f"], "a file of two roles is told once"


def test_a_part_of_two_roles_is_made_once_also_in_a_sum():
    named = PartOverrides.read(encoder="descriptor & 0.5 descriptor")
    parts = make_parts(named.into(BUILTIN), "cpu")
    assert parts.encoder.encoders[0] is parts.encoder.encoders[1]
    assert isinstance(parts.generator, MaskGenerator)
    assert isinstance(parts.promptable, PromptableGenerator)
    assert parts.classifier is None


def test_what_is_named_takes_the_place_of_the_presets_own():
    text = "onnx:/n.onnx,labels=/l.txt"
    changed = PartOverrides.read(masks=text, classifier=text, min_area=5).into(BUILTIN)
    assert str(changed.masks) == str(changed.classifier) == text + ",min_area=5", "one part stays one part"
    assert changed.promptable == BUILTIN.promptable
    prompted = PartOverrides.read(masks="sam:some/model", max_masks=3).into(BUILTIN)
    assert prompted.promptable == prompted.masks == PartSpec.parse("sam:some/model,max_masks=3")
    assert PartOverrides.read().into(BUILTIN) == BUILTIN


def test_weights_go_to_the_networks_of_the_encoder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = PartOverrides.read(encoder="timm:m,weights=/old & 0.5 descriptor", weights="a,b.pt")
    assert str(named.into(BUILTIN).encoder) == f'timm:m,weights="{tmp_path}/a,b.pt" & 0.5 descriptor'
    with pytest.raises(UsageError, match="no part timm or openclip that could take /w"):
        PartOverrides.read(encoder="descriptor", weights="/w").into(BUILTIN)


@PATIENT
@given(st.text(st.characters(exclude_characters="\0") | st.sampled_from(list('",&+= \\')), min_size=1))
def test_any_path_of_weights_is_remembered(name):
    path = Path("/folder") / name.lstrip("/")
    preset = PartOverrides.read(weights=path).into(preset_by_name("light"))
    again = from_settings(to_settings(preset).get)
    assert again == preset
    timm = next(part for part in again.encoder.parts if part.name == "timm")
    assert card_of(timm, Encoder).read(timm).weights == path


@pytest.mark.parametrize("name", PRESETS)
def test_a_store_remembers_a_preset_with_absolute_paths(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = to_settings(preset_by_name(name))
    monkeypatch.chdir("/")
    again = from_settings(settings.get)
    assert again == from_settings(to_settings(again).get), "nothing in it depends on the folder"
    if name == "paper":
        assert again.masks.model == str(tmp_path / "fcclip_cocopan.pth")
    else:
        assert again == preset_by_name(name)


def test_what_a_store_remembers_is_json():
    settings = to_settings(preset_by_name("clip"))
    assert settings["preset"] == "clip"
    assert json.loads(settings["masks"]) == {"name": "sam", "model": "facebook/sam2.1-hiera-small", "options": {}}


@pytest.mark.parametrize("text", ['{"name": 1', "[]", "{}", "regions,max_masks=7"])
def test_a_store_that_remembers_nonsense_is_an_error(text):
    with pytest.raises(StoreError):
        from_settings({"encoder" if text == "[]" else "masks": text}.get)


def test_an_encoder_is_read_with_absolute_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_encoder("2 timm:local-dir:net & descriptor") == EncoderSpec(
        ((2.0, PartSpec("timm", f"local-dir:{tmp_path}/net")), (1.0, PartSpec("descriptor")))
    )


def test_a_file_that_the_preset_names_too_is_one_part(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fcclip_cocopan.pth").touch()
    named = PartOverrides.read(masks="fcclip:./fcclip_cocopan.pth").into(preset_by_name("paper"))
    assert named.masks == named.classifier
