"""What the tabs say: paragraphs, tables of what was rejected, and how far long work is."""

from __future__ import annotations

import html
import os
import time
from collections.abc import Iterable

import gradio as gr

from demo.session import ChosenDataset
from knnclip.datasets import Rejection

REJECTED_HEADERS = ["file", "place", "reason"]


def paragraph(text: str) -> str:
    """Text as a paragraph of HTML, whatever characters it has."""
    return f"<p>{html.escape(text)}</p>"


def rejected_table() -> gr.Dataframe:
    """The table of what could not be read, not shown until there is something."""
    return gr.Dataframe(headers=REJECTED_HEADERS, label="Rejected", visible=False, wrap=True)


def rejected_update(chosen: ChosenDataset, rejected: Iterable[Rejection]) -> gr.Dataframe:
    """What that table shows now: what was ``rejected`` beside what the data set says of itself."""
    rows = [[item.file, str(item.place or ""), item.reason] for item in (*chosen.dataset.rejected, *rejected)]
    root = chosen.dataset.root
    # Files are told as they lie in the set, those that it shares with others as they lie beside it.
    for folder in (root, root.resolve(), root.parent, root.resolve().parent):
        rows = [[text.replace(f"{folder}{os.sep}", "") for text in row] for row in rows]
    return gr.Dataframe(rows, visible=bool(rows))


class PageProgress:
    """``Progress`` in the page: the count, the rate and the time left."""

    def __init__(self, page: gr.Progress) -> None:
        """Shows it in ``page``."""
        self._page = page
        self._begun, self._total, self._earlier, self._done = time.monotonic(), 0, 0, 0

    def start(self, total: int, done: int = 0) -> None:
        """Shows how many there are."""
        self._begun, self._total, self._earlier, self._done = time.monotonic(), total, done, done
        self._page((done, total), desc="starting", unit="images")

    def advance(self) -> None:
        """Shows one more."""
        self._done += 1
        elapsed_s = max(time.monotonic() - self._begun, 1e-6)  # a clock may not have moved since the start
        rate = (self._done - self._earlier) / elapsed_s
        left_s = round((self._total - self._done) / rate)
        text = f"{rate:.1f} images/s, {left_s // 60}:{left_s % 60:02d} left"
        self._page((self._done, self._total), desc=text, unit="images")
