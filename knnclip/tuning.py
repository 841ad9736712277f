"""The store chooses for itself: the settings of its votes and its discriminant, found out of its own instances.

The settings are a function of one state of the store, the preset's own values and the aim; how they are found says
``knnclip.decision.tuning``, how long they are kept ``knnclip.store.tunings``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from knnclip.decision.tuning import AXES, Aim, Deciding, best_settings
from knnclip.errors import StoreError
from knnclip.presets import DEFAULT_PRESET, Preset, preset_by_name
from knnclip.progress import SILENT, Progress
from knnclip.store import Store
from knnclip.store.left_out import PARTINGS, Leaving
from knnclip.store.tunings import Tuning

MOST_ASKED = 2048
"""Instances that are asked: they tell a point of the aim from chance, in some ten seconds of 50,000 instances."""

MOST_NUMBERS = 2**24
"""Probabilities that are held at a time, 64 MB: with many thousand classes fewer instances are asked."""

LEAST_INSTANCES = 200
"""Before that many a store is not tuned by itself: what a hundred left out say is mostly chance."""


def tune_store(store: Store, aim: Aim = "classes", progress: Progress = SILENT, preset: Preset | None = None) -> Tuning:
    """Finds what a store is best asked by, and keeps it there; ``preset`` is that of the store if none is named.

    ``StoreError`` if instances were forgotten meanwhile.
    """
    preset = preset or preset_by_name(store.get_setting("preset") or DEFAULT_PRESET)
    with store.view() as view:
        state = view.leaving()
    found = find_tuning(state, preset, aim, progress)
    if not store.tunings.keep(found):
        raise StoreError(f"instances of store {store.path} were forgotten while it was tuned; tune it again")
    return found


def find_tuning(state: Leaving, preset: Preset, aim: Aim = "classes", progress: Progress = SILENT) -> Tuning:
    """What a state of the store would best be asked by, from the settings of the preset on.

    ``progress`` is told of the steps.
    """
    progress.start(len(PARTINGS) + len(AXES))
    start = Deciding(preset.vote, preset.discriminant)
    most = min(MOST_ASKED, MOST_NUMBERS // max(len(state.vocabulary), 1))
    left_out = []
    for parting in PARTINGS:
        left_out.append(state.left_out(parting, start.vote.k, most))
        progress.advance()
    for found in best_settings(left_out, state.vocabulary, state.census, start, aim):  # noqa: B007 - the last one counts
        progress.advance()
    values = {axis.name: axis.value(found.settings) for axis in AXES}
    instances = int(state.census.instances.sum())
    return Tuning(state.generation, state.newest_instance, instances, aim, found.gain, found.error, values)


def tuned(preset: Preset, values: Mapping[str, float]) -> Preset:
    """The preset with what was found for it."""
    now = Deciding(preset.vote, preset.discriminant)
    for axis in AXES:
        if axis.name in values:
            now = axis.at(now, values[axis.name])
    return replace(preset, vote=now.vote, discriminant=now.discriminant)


def is_due(store: Store) -> bool:
    """Whether a store has doubled since it was tuned, or was never tuned and has enough instances to be."""
    known = store.tunings.newest()
    grown = LEAST_INSTANCES if known is None else max(2 * known.instances, LEAST_INSTANCES)
    return store.tunings.by_itself() and len(store) >= grown
