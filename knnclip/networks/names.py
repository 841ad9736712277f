"""When a name that a person typed and a name that a network was trained with mean the same.

Data sets spell their classes in ways of their own: "pottedplant", "traffic_light", "tree-merged", "door-stuff". Names
meet by the first of these rules under which a label answers to the name at all:

1. as they are spelt, but for case, hyphens and underscores ("Traffic_Light" is "traffic light"), where that is what a
   label is called first;
2. the same, where it is one of a label's synonyms;
3. but for spaces as well ("potted plant" is "pottedplant");
4. without what COCO adds to its stuff, ``-merged``, ``-other``, ``-other-merged`` and ``-stuff`` ("tree" is
   "tree-merged", "wall" is "wall-other-merged" and not "wall-brick");
5. the one the plural of the other ("trees" is "tree", "people" is "person", "cart" is not "car").

A stricter rule shuts out the laxer ones, so that no label of a network is taken for its neighbour: where "postbox" and
"post box", or "plant" and "plants", are two labels, each is met by its own name alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

ADDED = re.compile(r"(?:[-_ ]other)?[-_ ]merged$|[-_](?:other|stuff)$")
"""What COCO's panoptic and stuff annotations add to a name: that it stands for the rest of its kind, or was put
together from several. "other" and "stuff" behind a space are words of the name."""

BETWEEN = re.compile(r"[-_\s]+")
"""What stands between the words of a name."""

IRREGULAR = {
    "person": "people", "man": "men", "woman": "women", "child": "children", "foot": "feet", "tooth": "teeth",
    "mouse": "mice", "goose": "geese", "leaf": "leaves", "shelf": "shelves", "knife": "knives", "loaf": "loaves",
    "wolf": "wolves", "calf": "calves", "scarf": "scarves",
}  # fmt: skip
"""Plurals of last words that no rule gives, of things that pictures show."""

NO_PLURALS = {"glasses", "woods"}
"""Words with a meaning of their own that look like plurals: spectacles are not glass, a forest is not wood."""


def split_names(text: str) -> tuple[str, ...]:
    """The names that a line of labels or the name of a class holds, without blanks: ``person, individual`` are two."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


@dataclass(frozen=True)
class LabelIndex:
    """Which of L labels answer to a name."""

    ranks: tuple[dict[str, tuple[int, ...]], ...]  # one for each rule, strictest first: from a key to labels

    @staticmethod
    @cache
    def of(labels: tuple[tuple[str, ...], ...]) -> LabelIndex:
        """The index of labels, each a tuple of names that mean the same; an empty one answers to nothing."""
        ranks: list[dict[str, list[int]]] = [{}, {}, {}, {}, {}]
        for i, names in enumerate(labels):
            for place, name in enumerate(names):
                words, joined, bare = _spellings(name)
                keys = ({words} if place == 0 else set(), {words}, {joined}, {bare}, _numbers(bare))
                for rank, some in zip(ranks, keys, strict=True):
                    for key in some:
                        rank.setdefault(key, []).append(i)
        return LabelIndex(tuple({key: tuple(found) for key, found in rank.items()} for rank in ranks))

    def meeting(self, names: Iterable[str]) -> list[int]:
        """The labels that answer to any of these names, in their order."""
        return sorted({i for text in names for name in split_names(text) for i in self._meeting(name)})

    def _meeting(self, name: str) -> Sequence[int]:
        words, joined, bare = _spellings(name)
        for rank, key in zip(self.ranks, (words, words, joined, bare, bare), strict=True):
            if key in rank:
                return rank[key]
        return ()


def distractors(classes: Iterable[Sequence[str]], others: Iterable[Sequence[str]]) -> list[Sequence[str]]:
    """Of ``others`` those that share no name with these and answer to none: what an object may be that is none of them.

    Each class is a tuple of names that mean the same. A softmax over few classes knows nothing else that a mask could
    be, and gives it to the nearest of them however far that is; but no class must compete with itself.
    """
    others = tuple(tuple(names) for names in others)
    asked = [name for names in classes for name in names]
    met = set(LabelIndex.of(others).meeting(asked))
    spelt = {_spellings(name)[0] for name in asked}
    return [
        names
        for i, names in enumerate(others)
        if i not in met and spelt.isdisjoint(_spellings(name)[0] for name in names)
    ]


def _spellings(name: str) -> tuple[str, str, str]:
    """A name as words between single spaces, without spaces, and without spaces and what COCO adds."""
    text = unicodedata.normalize("NFKC", name).casefold().strip()
    bare = ADDED.sub("", text) or text
    return " ".join(BETWEEN.split(text)), BETWEEN.sub("", text), BETWEEN.sub("", bare)


def _numbers(key: str) -> set[str]:
    """The plurals of a key, and the keys that it is the plural of."""
    singulars = {key[:-1], key[:-2], key[:-3] + "y"} | {key.removesuffix(many) + one for one, many in IRREGULAR.items()}
    found = _plurals(key) | {one for one in singulars if key in _plurals(one)}
    return set() if key in NO_PLURALS else found - NO_PLURALS


def _plurals(key: str) -> set[str]:
    irregular = {key.removesuffix(one) + many for one, many in IRREGULAR.items() if key.endswith(one)}
    if re.search(r"(s|x|z|ch|sh)$", key):
        return {f"{key}es"} | irregular
    if re.search(r"[^aeiou]y$", key):
        return {f"{key[:-1]}ies"} | irregular
    return {f"{key}s"} | ({f"{key}es"} if key.endswith("o") else set()) | irregular
