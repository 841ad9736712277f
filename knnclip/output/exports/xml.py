"""Text of any kind in XML."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML 1.0 may hold, not even as a reference."""


def attribute(text: str) -> str:
    """A value in its quotes, line ends kept; what XML cannot hold becomes an escape of Python's, ``\\x01``."""
    return quoteattr(_possible(text))


def content(text: str) -> str:
    """The text of an element, as ``attribute``."""
    return escape(_possible(text), {"\r": "&#13;"})


def _possible(text: str) -> str:
    return NOT_IN_XML.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
