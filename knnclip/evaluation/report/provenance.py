"""How figures came about: what was evaluated and how, by which command, versions and machine."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from knnclip.datasets import Dataset
from knnclip.evaluation.class_matching import class_ids_of
from knnclip.evaluation.judge import MaskSource
from knnclip.evaluation.protocols import names_asked
from knnclip.evaluation.splits import EncodedSplits
from knnclip.segmenter import Segmenter
from knnclip.store import Store

PACKAGES = ("knnclip", "numpy", "torch", "faiss-gpu", "faiss-cpu", "pycocotools")
"""Those whose versions may change a figure."""


def versions() -> dict[str, str]:
    """The versions of the packages that decide figures, as far as they are installed."""
    found = {}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def run_facts(command: str, **more: object) -> dict[str, object]:
    """What belongs to this run alone: two runs of one protocol may differ in it.

    ``command``: how it was asked for, empty if from Python. ``more`` is what else is to be known of it.
    """
    machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return {"command": command, **more, "versions": versions(), "machine": machine}


def evaluation_protocol(
    segmenter: Segmenter, dataset: Dataset, masks: MaskSource, compared: Sequence[str]
) -> dict[str, Any]:
    """What decides the scores of a store: two runs of one protocol are one evaluation.

    ``compared``: the settings that are compared, each by its own name.
    """
    preset, root = segmenter.preset, dataset.root
    return {
        "data": str(root.resolve() if root.exists() else root),
        "format": dataset.format,
        "classes": list(dataset.class_names),
        "masks": masks,
        **store_facts(segmenter.store),
        "preset": preset.name,
        "generator": str(preset.masks),
        "classifier": None if preset.classifier is None else str(preset.classifier),
        "names": names_asked(segmenter),
        "vote": str(preset.vote),
        "fusion": str(preset.fusion),
        "compared": list(compared),
        "knnclip": version("knnclip"),
    }


def splits_protocol(encoded: EncodedSplits) -> dict[str, Any]:
    """What decides the figures of a protocol that fills stores of its own."""
    preset, splits = encoded.preset, encoded.splits
    return {
        "train": [str(dataset.root) for dataset in splits.train],
        "val": str(splits.val.root),
        "classes": list(encoded.class_names),
        "val_images": len(encoded.val),
        "max_instances_per_image": splits.settings.max_instances_per_image,
        "preset": preset.name,
        "encoder": str(encoded.parts.encoder.fingerprint),
        "vote": str(preset.vote),
        "fusion": str(preset.fusion),
    }


def store_facts(store: Store) -> dict[str, Any]:
    """Which state of which store was evaluated."""
    return {
        "store": str(store.path.resolve()),
        "store_generation": store.generation,
        "stored_instances": len(store),
        "encoder": str(store.fingerprint),
    }


def stored_instances(store: Store, dataset: Dataset) -> list[int]:
    """How many instances the store has of each class of a data set."""
    with store.view() as view:
        vocabulary, instances = view.vocabulary, view.census.instances
    columns = vocabulary.columns(np.array(class_ids_of(vocabulary, dataset.class_aliases), dtype=np.int64))
    return [0 if column < 0 else int(instances[column]) for column in columns.tolist()]
