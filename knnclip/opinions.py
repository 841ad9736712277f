"""What one state of the store, and the classifier, believe of an image's masks and places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from knnclip.decision.discriminant import Discriminant, DiscriminantSettings, fit, mix
from knnclip.decision.fusion import fuse
from knnclip.decision.likeness import EnergyLevel, energy_level, likeness, standing
from knnclip.decision.retrieval import UNTRIED, VoteSettings, calibrate, posterior
from knnclip.knowledge import Calibration
from knnclip.parts.roles import ZeroShotClassifier
from knnclip.presets import Preset
from knnclip.store import View
from knnclip.structures import Beliefs, Cells, DenseBeliefs, Float32, Neighbors


class Seen(Protocol):
    """What is known of an image before the store is asked: an ``Analysis``, or what somebody kept of one."""

    @property
    def embeddings(self) -> Float32:
        """``(N, D)``: the vectors of its masks."""

    @property
    def descriptions(self) -> Float32 | None:
        """``(N, E)``: what the classifier knows of them, None without a classifier."""

    @property
    def cells(self) -> Cells | None:
        """The encoder's map, None where it has none."""


def beliefs_of(
    view: View, neighbors: Neighbors, seen: Seen, classifier: ZeroShotClassifier | None, settings: Sequence[Preset]
) -> list[Beliefs]:
    """The beliefs about N masks over the C classes of a state of the store, by each of several settings.

    ``neighbors`` are those of the masks, at least as many as any of the ``settings`` asks for. Of these the vote, the
    discriminant and the fusion count.
    """
    base = None
    if classifier is not None and seen.descriptions is not None:
        base = classifier.classify(seen.descriptions, view.vocabulary)
    believed = []
    for preset in settings:
        retrieved = posterior(neighbors.nearest(preset.vote.k), view.vocabulary, view.census, preset.vote)
        opinion, energy, share = None, None, preset.discriminant
        if share.weight:
            made = discriminant(view, share)
            opinion = made.posterior(seen.embeddings)
            mixed = mix(retrieved.probabilities, opinion, share.weight * made.trust)
            retrieved = replace(retrieved, probabilities=mixed)
            energy = _energy(view, seen.embeddings, share)
        like = likeness(retrieved, view.levels, view.census, energy)
        calibration = UNTRIED if base is None else _calibration(view, preset.vote, share)
        fused = fuse(base, retrieved, like, view.levels, view.census, calibration, preset.fusion)
        dense = None if preset.fusion.kind == "base" else _dense(view, seen.cells, share)
        believed.append(replace(fused, discriminant=opinion, dense=dense))
    return believed


def discriminant(view: View, settings: DiscriminantSettings, without: int | None = None) -> Discriminant:
    """The discriminant of a state of the store, found once for all its views; ``without`` leaves out a fold."""
    made_by = ("discriminant", settings.sharpness, settings.shrinkage, without)
    return view.kept(made_by, lambda: fit(view.moments(without), settings))


def _energy(view: View, embeddings: Float32, share: DiscriminantSettings) -> NDArray[np.float64] | None:
    """e of N masks, None where a state of the store could leave nothing out to find its level; that is found once."""

    def make() -> EnergyLevel | None:
        sample = view.of_a_fold()
        return None if sample is None else energy_level(discriminant(view, share, sample.fold).energy(sample.vectors))

    level = view.kept(("energy level", share.sharpness, share.shrinkage), make)
    return None if level is None else standing(discriminant(view, share).energy(embeddings), level)


def _dense(view: View, cells: Cells | None, share: DiscriminantSettings) -> DenseBeliefs | None:
    if cells is None or not share.dense:
        return None
    made = discriminant(view, share)
    return DenseBeliefs(made.of_cells(cells), cells.layout, share.dense * made.trust) if made.trust else None


def _calibration(view: View, vote: VoteSettings, share: DiscriminantSettings) -> Calibration:
    """How far P_ret can be trusted in a state of the store; found once for all its views."""

    def make() -> Calibration:
        held = view.held_out(vote.k)
        retrieved = posterior(held.neighbors, view.vocabulary, view.census, vote).probabilities
        if share.weight:
            for fold in np.unique(held.fold).tolist():
                inside, made = held.fold == fold, discriminant(view, share, fold)
                opinion = made.posterior(held.vectors[inside])
                retrieved[inside] = mix(retrieved[inside], opinion, share.weight * made.trust)
        return calibrate(retrieved, held.class_id, view.vocabulary)

    return view.kept((vote, replace(share, dense=0.0)), make)
