"""What goes wrong, as a message in the page."""

from __future__ import annotations

import functools
import html
from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

import gradio as gr

from knnclip.datasets import Rejection
from knnclip.errors import KnnclipError, StoreError

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def reported(act: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """The same function, whose ``KnnclipError`` the page shows as a message."""
    # The page takes messages for HTML, and they quote names that anybody may have chosen.
    return _reported(act, html.escape)


def reported_to_clients(act: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """The same function, whose ``KnnclipError`` a client of the API gets as an error with its text."""
    return _reported(act, str)


def _reported(act: Callable[Given, Answer], quoted: Callable[[str], str]) -> Callable[Given, Answer]:
    @functools.wraps(act)
    def listen(*args: Given.args, **kwargs: Given.kwargs) -> Answer:
        try:
            return act(*args, **kwargs)
        except KnnclipError as error:
            raise gr.Error(quoted(str(error)), print_exception=False) from error

    return listen


def check_writable(read_only: bool) -> None:
    """``StoreError`` where the app was started to show only."""
    if read_only:
        raise StoreError("this demo shows its store and does not change it; start it without --read-only to teach it")


def paragraph(text: str) -> str:
    """Text as a paragraph of HTML, whatever characters it has."""
    return f"<p>{html.escape(text)}</p>"


def rejection_rows(rejected: Iterable[Rejection]) -> list[list[str]]:
    """The rows of a table of what could not be read."""
    return [[item.file, str(item.place or ""), item.reason] for item in rejected]
