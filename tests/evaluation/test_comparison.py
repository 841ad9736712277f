"""Settings to compare, from their text."""

import pytest

from knnclip.errors import UsageError
from knnclip.evaluation.comparison import settings_to_compare
from knnclip.presets import preset_by_name

PRESET = preset_by_name("clip")


def test_a_name_says_who_answers():
    found = settings_to_compare(["base", "retrieval", "fused"], PRESET)
    assert {name: preset.fusion.kind for name, preset in found.items()} == {
        "base": "base", "retrieval": "retrieval", "fused": "evidence",
    }  # fmt: skip
    assert {preset.vote for preset in found.values()} == {PRESET.vote}


def test_a_base_that_is_not_there_cannot_answer():
    with pytest.raises(UsageError, match="no base to answer alone"):
        settings_to_compare(["base"], preset_by_name("builtin"))


def test_several_values_are_a_grid():
    found = settings_to_compare(["paper,lambda=0.3+0.5,T=0.6+0.8", "fused, k=8,tau=0.1"], PRESET)
    assert list(found) == [
        "paper,lambda=0.3,T=0.6", "paper,lambda=0.3,T=0.8", "paper,lambda=0.5,T=0.6", "paper,lambda=0.5,T=0.8",
        "fused,k=8,tau=0.1",
    ]  # fmt: skip
    paper = found["paper,lambda=0.3,T=0.8"].fusion
    assert (paper.kind, paper.paper_lambda, paper.paper_threshold) == ("paper", 0.3, 0.8)
    assert (found["fused,k=8,tau=0.1"].vote.k, found["fused,k=8,tau=0.1"].vote.tau) == (8, 0.1)


def test_values_that_differ_late_are_two_settings():
    assert len(settings_to_compare(["fused,tau=0.1234567+0.1234568"], PRESET)) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("retrival", "did you mean 'retrieval'"),
        ("fused,kk=3", "Known: T, balance, k, lambda, tau"),
        ("fused,k=a+b", "numbers joined by"),
        ("fused,lambda=0.3", "write paper,lambda=0.3"),
        ("paper,lambda=3", "lie in 0 to 1"),
        ("fused,k=0", "at least 1"),
        ("fused,k=1.5", "whole number"),
        ("fused,k=inf", "takes numbers"),
        ("fused,k=1e9", "up to 4,096"),
        ("fused,balance=nan", "takes numbers"),
    ],
)
def test_what_makes_no_sense_is_refused(text, message):
    with pytest.raises(UsageError, match=message):
        settings_to_compare([text], PRESET)
