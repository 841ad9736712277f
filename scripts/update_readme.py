"""Writes the README's tables of presets and parts from the presets and the parts' cards.

python scripts/update_readme.py
"""

from __future__ import annotations

from pathlib import Path

from knnclip.catalogue import CARDS
from knnclip.parts.tables import part_tables, with_section
from knnclip.presets import preset_table

README = Path(__file__).parents[1] / "README.md"


def updated(text: str) -> str:
    """The README with the tables as they are now."""
    return with_section(with_section(text, "presets", preset_table()), "parts", part_tables(CARDS))


if __name__ == "__main__":
    README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8")
