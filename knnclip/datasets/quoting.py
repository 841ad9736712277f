"""Names in lists of one class a line: as they are, or in double quotes as JSON has them, where the line would break."""

from __future__ import annotations

import json

QUOTED = r'"(?:[^"\\]|\\.)*"'
"""Of a regular expression: a name in quotes."""


def quoted(name: str, separator: str = "#") -> str:
    """A name as a list holds it, whose lines have a ``separator`` of their own; ``unquoted`` reads it back."""
    plain = name == name.strip() and len(name.splitlines()) == 1 and not {"#", '"', separator} & set(name)
    return name if plain else json.dumps(name).replace(separator, f"\\u{ord(separator):04x}")


def unquoted(text: str) -> str:
    """The name that stands in a list, without quotes if it has any; what is broken within them stands as it is."""
    if len(text) < 2 or not (text.startswith('"') and text.endswith('"')):
        return text
    try:
        return str(json.loads(text))
    except json.JSONDecodeError:
        return text[1:-1]
