"""What the cards say, as Markdown: the README's tables of parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from knnclip.parts.card import Card
from knnclip.parts.proposals import ProposalLimits
from knnclip.parts.roles import Encoder, MaskGenerator, PromptableGenerator, ZeroShotClassifier
from knnclip.parts.settings import Option, options_of

HEADS = {
    Encoder: "encoder (`--encoder`)",
    MaskGenerator: "mask generator (`--masks`)",
    PromptableGenerator: "promptable generator (the mask generator if it is one, else the preset's)",
    ZeroShotClassifier: "classifier (`--classifier`)",
}
"""The roles, with how a part is given one."""


def part_tables(cards: Sequence[Card[Any]]) -> str:
    """Markdown: a table of the parts for each role, and one of the options and the licence of each part."""
    tables = [_role_table(cards, role, head) for role, head in HEADS.items()]
    return "\n".join([*tables, _options_table(cards)])


def _role_table(cards: Iterable[Card[Any]], role: type, head: str) -> str:
    rows = [(f"`{card.form}`", card.roles[role]) for card in cards if role in card.roles]
    if role is Encoder:
        rows.append(("`A & 0.8 B`", "several as one, with weights"))
    return markdown_table((head, ""), rows)


def _options_table(cards: Iterable[Card[Any]]) -> str:
    shared = set(options_of(ProposalLimits))
    generators = ("every mask generator", _listed(options_of(ProposalLimits).values()), "")
    rows = [
        (f"`{card.name}`", _listed(option for option in card.options if option.name not in shared), card.licence)
        for card in cards
    ]
    return markdown_table(("part", "options", "licence"), [*rows, generators])


def _listed(options: Iterable[Option]) -> str:
    return "; ".join(f"`{option.name}=` {option.help}" for option in options) or "none"


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; ``head`` has the titles of the columns."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines).replace("|  |", "| |")


def with_section(text: str, name: str, content: str) -> str:
    """A text whose section between its marks, ``<!-- NAME: ... -->`` and ``<!-- end of NAME -->``, is this."""
    begin = f"<!-- {name}: `python scripts/update_readme.py` writes them -->\n"
    end = f"<!-- end of {name} -->\n"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{content}\n{end}{after}"
