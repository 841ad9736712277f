"""Writes the README's tables of parts from the parts' cards.

python scripts/update_readme.py
"""

from __future__ import annotations

from pathlib import Path

from knnclip.catalogue import CARDS
from knnclip.parts.tables import part_tables, with_tables

README = Path(__file__).parents[1] / "README.md"

if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(encoding="utf-8"), part_tables(CARDS)), encoding="utf-8")
