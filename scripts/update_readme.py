"""Writes the README's tables of presets, parts and exports from the presets, the parts' cards and the formats.

python scripts/update_readme.py
"""

from __future__ import annotations

from pathlib import Path

from knnclip.catalogue import CARDS
from knnclip.output.exports import EXPORTS
from knnclip.parts.tables import markdown_table, part_tables, with_section
from knnclip.presets import preset_table

README = Path(__file__).parents[1] / "README.md"


def updated(text: str) -> str:
    """The README with the tables as they are now."""
    rows = [(f"`{card.name}`", card.files, card.keeps) for card in EXPORTS]
    exports = markdown_table(("`--write`", "files", "what it keeps"), rows)
    tables = {"presets": preset_table(), "parts": part_tables(CARDS), "exports": exports}
    for name, table in tables.items():
        text = with_section(text, name, table)
    return text


if __name__ == "__main__":
    README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8")
