"""Which item of a gallery was clicked, by what the page says of the event: it may say anything."""

from __future__ import annotations

import gradio as gr

from knnclip.errors import UsageError


def chosen_index(event: gr.EventData) -> int:
    """The place of the item, from 0; ``UsageError`` if the page named none."""
    index = event._data.get("index") if isinstance(event._data, dict) else None
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise UsageError("the page did not say what was chosen; choose it again")
    return index
