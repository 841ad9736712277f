"""``knnclip sample-data``: a small labelled data set drawn by the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def sample_data(
    directory: Annotated[Path, typer.Argument(help="Folder to make.", show_default=False)],
    seed: Annotated[int, typer.Option(help="Another seed draws other scenes.")] = 0,
) -> None:
    """Draw a small labelled data set (train and val) to try knnclip on."""
    from knnclip.datasets.sample_data import write_sample_data

    write_sample_data(directory, seed=seed)
    typer.echo(f"sample data written to {directory}; next: knnclip ingest {directory / 'train'}")
