"""Whatever is done to a file of somebody else, it ends in a result or in one line; ``scripts/fuzz.py`` tries more."""

import random

import pytest

from tests.fuzz.attempts import ATTEMPTS
from tests.fuzz.endpoints import hostile_client

ROUNDS = {"readers": 120, "archives": 25, "score": 30, "journals": 30, "reports": 40, "weights": 30, "onnx": 15}


@pytest.mark.parametrize("kind", ATTEMPTS)
def test_nothing_spoiled_does_more_than_be_refused(tmp_path, kind):
    for seed in range(ROUNDS.get(kind, 40)):
        root = tmp_path / str(seed)
        root.mkdir()
        try:
            ATTEMPTS[kind](root, random.Random(f"{kind} {seed}"))
        except Exception as error:
            raise AssertionError(f"{kind} with seed {seed}: {type(error).__name__}: {error}") from error


def test_nothing_that_is_sent_to_the_demo_does_more_than_be_refused(tmp_path):
    (tmp_path / "app").mkdir()
    with hostile_client(tmp_path / "app") as attack:
        for seed in range(150):
            root = tmp_path / str(seed)
            root.mkdir()
            try:
                attack(root, random.Random(f"endpoints {seed}"))
            except Exception as error:
                raise AssertionError(f"endpoints with seed {seed}: {type(error).__name__}: {error}") from error
