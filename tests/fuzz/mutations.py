"""What is done to a valid file: bytes, values of JSON, numbers and attributes of XML and text, all from a seed."""

from __future__ import annotations

import copy
import json
import random
import re
from pathlib import Path
from typing import Any

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 255, 65536, 10**6, 3 * 10**8, 2**31, 2**53 + 1, 10**30, -(10**18), 0.5, -0.0, 1e308,
    float("nan"), float("inf"), "", "no", "0", "1", "nan", "1e999", "x" * 5000, "\ud800", "a\0b", "\x1b[31m", "../../x",
    "/etc/passwd", "a.png", [], [[]], [1, 2], [[1, 2], {"a": 1}], {}, {"size": [1, 2], "counts": "0"}, [None] * 7,
    {"size": [10**6, 10**6], "counts": [10**12]}, "P" * 60, ["a", None], [[0.0] * 6, "x"], [[1e9] * 8],
)  # fmt: skip
"""What may stand where something else was expected."""

NUMBERS = ("nan", "inf", "-1", "1e999", "9" * 20, "0", "", "x", "1;2", "300000000", "4e9", "1_0", "\u0663", "9" * 5000)
"""What may stand where a number was."""


def mutate(file: Path, rng: random.Random) -> str:
    """Spoils one file and says how."""
    content = file.read_bytes()
    kind = rng.choice(_kinds(file))
    tree = _parsed(content) if kind == "value" else None
    if tree is not None:
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            tree = _with_wrong_value(tree, rng)
        file.write_text(json.dumps(tree), encoding="utf-8", errors="surrogatepass")
    elif kind == "deep":
        depth = rng.choice((50, 900, 5000, 200_000))
        place = rng.choice([match.end() for match in re.finditer(rb"[:\[,]", content)] or [0])
        closed = b"]" * depth if rng.random() < 0.5 else b""
        file.write_bytes(content[:place] + b"[" * depth + closed + content[place:])
    elif kind == "number":
        found = [match.span() for match in re.finditer(rb"-?\d+(?:\.\d+)?", content)]
        start, end = rng.choice(found or [(0, 0)])
        file.write_bytes(content[:start] + rng.choice(NUMBERS).encode() + content[end:])
    elif kind == "cut":
        file.write_bytes(content[: rng.randrange(len(content) + 1)])
    elif kind in ("bytes", "value"):
        spoiled = bytearray(content)
        for _ in range(rng.choice((1, 1, 2, 8))):
            if spoiled:
                spoiled[rng.randrange(len(spoiled))] = rng.randrange(256)
        file.write_bytes(spoiled)
    elif kind == "twice":
        half = rng.randrange(len(content) + 1)
        file.write_bytes(content[:half] + content[half // 2 :])
    else:
        file.unlink()
    return f"{file.name}: {kind}"


def _parsed(content: bytes) -> Any:
    """The JSON of a file, None where an earlier mutation left none, or one too deep to be written again."""
    try:
        tree = json.loads(content)
        json.dumps(tree)
        list(_places(tree))
    except (ValueError, RecursionError):
        return None
    return tree


def _kinds(file: Path) -> list[str]:
    common = ["cut", "bytes", "bytes", "twice", "gone"]
    if file.suffix in (".json", ".jsonl"):
        return [*common, *["value"] * (12 if file.suffix == ".json" else 0), "number", "number", "deep"]
    if file.suffix in (".xml", ".txt", ".yaml"):
        return [*common, *["number"] * 6]
    return [*common, "bytes", "bytes"]


def _with_wrong_value(tree: Any, rng: random.Random) -> Any:
    """The tree with one value, key or entry changed."""
    places = list(_places(tree))
    if not places or rng.random() < 0.03:
        return copy.deepcopy(rng.choice(VALUES))
    parent, key = rng.choice(places)
    action = rng.random()
    if action < 0.15 and isinstance(parent, dict):
        del parent[key]
    elif action < 0.25 and isinstance(parent, list):
        parent.append(copy.deepcopy(parent[key]))
    else:
        parent[key] = copy.deepcopy(rng.choice(VALUES))  # a later change is in one place
    return tree


def _places(tree: Any):
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield tree, key
            yield from _places(value)
    elif isinstance(tree, list):
        for key, value in enumerate(tree):
            yield tree, key
            yield from _places(value)
