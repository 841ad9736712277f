"""``knnclip datasets``: which labelled data can be read."""

from __future__ import annotations

import typer


def datasets() -> None:
    """List the formats of labelled data and what their folders hold; what is in brackets need not be there.

    Of a published set one split is taken too, such as images/validation, or a list, ImageSets/Segmentation/val.txt.
    """
    from knnclip.datasets import FORMATS, SCHEMES

    trees = [(card.name, card.tree) for card in FORMATS] + [(scheme.name, scheme.tree) for scheme in SCHEMES]
    for name, tree in trees:
        typer.echo(f"{name:16} {tree}")
